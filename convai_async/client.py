"""The client: configuration and lifetime."""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, get_args
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from convai_async import endpoints
from convai_async._support.text import Secret
from convai_async._support.validate import validate_choice, validate_integer
from convai_async._transport.engine import Engine
from convai_async._transport.limiter import ConcurrencyLimiter, Priority
from convai_async._transport.session import Session
from convai_async._transport.streamed_response import StreamLimits
from convai_async._version import __version__
from convai_async.errors import ConfigurationError, InvalidArgumentError
from convai_async.resources import Agents, Conversations
from convai_async.retry import RetryPolicy

if TYPE_CHECKING:
    import ssl as ssl_module
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    import aiohttp

    from convai_async.endpoints import Request, Response

T = TypeVar("T")

Region = Literal["global", "us", "eu", "in", "sg"]

_API_KEY_VARIABLE = "ELEVENLABS_API_KEY"
_HOSTS: dict[str, str] = {
    "global": "https://api.elevenlabs.io",
    "us": "https://api.us.elevenlabs.io",
    "eu": "https://api.eu.residency.elevenlabs.io",
    "in": "https://api.in.residency.elevenlabs.io",
    "sg": "https://api.sg.residency.elevenlabs.io",
}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_DEFAULT_TIMEOUT = 60.0
_DEFAULT_CONCURRENCY = 64
_DEFAULT_MAX_RESPONSE_BYTES = 128 * 1024 * 1024
_DEFAULT_MAX_MEMORY_BYTES = 512 * 1024 * 1024
_DEFAULT_MAX_STREAM_BYTES = 1024 * 1024 * 1024
_DEFAULT_MIN_STREAM_RATE = 1024


class ConvAIClient:
    """A client of the ElevenLabs Agents conversations API.

    Make one for each event loop and keep it: connections, the limit on requests in flight and a pause that
    the service asked for are shared by everything that uses it. Nothing is opened before the first request.
    Close it with ``async with``, or with `close`. When its event loop is closed, as by each `asyncio.run` of a
    task queue, the next loop that uses it gets new connections; another loop while the first is open is refused.

    Args:
        api_key: The key; by default what ``ELEVENLABS_API_KEY`` holds at this moment.
        region: Where the workspace is: ``"global"`` (default), ``"us"``, ``"eu"``, ``"in"`` or ``"sg"``.
            A workspace with data residency has keys of its own, which work in its region only.
        base_url: Another address of the service, instead of a region.
        timeout: Seconds for one attempt of a request, 60 by default; for a stream, seconds to connect and
            seconds without a byte. None disables it. With ``retry=None``, seconds from the call of the method:
            waiting for one of the ``max_concurrency`` slots counts.
        retry: When to retry, and the time limit for all attempts (``retry.timeout``, which includes waiting for a
            slot); by default 5 attempts that start within 60 seconds. None disables retries.
        max_concurrency: The most requests in flight at once, 64 by default. The client sends fewer when the service
            refuses some: it adapts to the service's own limit. A request that gets no slot in time is not sent, and
            raises `RequestTimeoutError`.
        share: The share of the service's limit to use, more than 0 and at most 1 (default). A smaller share leaves
            room for other processes with the same key. From time to time the client briefly uses the whole limit, to
            measure it.
        session: Your own aiohttp session. The client does not close it, and uses its connector, proxies and trace
            configs.
        connector: Your own aiohttp connector. The client does not close it.
        trust_env: Whether to take proxies and netrc from the environment.
        ssl: An `ssl.SSLContext` to trust a private CA; False disables certificate verification.
        trace_configs: aiohttp's hooks for tracing.
        headers: More headers for every request.
        max_response_bytes: The largest reply that is read into memory, decompressed; 128 MiB by default.
        max_memory_bytes: Memory that replies larger than 1 MiB may take together while they are read and decoded,
            and in a harvest until they are written; 512 MiB by default. A body counts four times its size. A reply
            that does not fit waits; one that is larger than the whole limit is read alone.
        max_stream_bytes: The largest recording or file that is streamed or saved; 1 GiB by default.
        min_stream_rate: The fewest bytes per second of a recording or file, averaged over a minute of waiting for it;
            1,024 by default, 0 disables the check.

    Raises:
        ConfigurationError: There is no key, or what is given contradicts itself.
        InvalidArgumentError: A value has the wrong type or is out of range.

    Attributes:
        conversations: The conversations of the workspace.
        agents: Its agents.
    """

    _base_url = "an unknown address"  # for the repr of one that could not be made

    def __init__(  # noqa: PLR0913 - a client has many settings, each by its name
        self,
        api_key: str | None = None,
        *,
        region: Region = "global",
        base_url: str | None = None,
        timeout: float | None = _DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = RetryPolicy(),  # noqa: B008 - frozen
        max_concurrency: int = _DEFAULT_CONCURRENCY,
        share: float = 1.0,
        session: aiohttp.ClientSession | None = None,
        connector: aiohttp.BaseConnector | None = None,
        trust_env: bool = False,
        ssl: ssl_module.SSLContext | aiohttp.Fingerprint | bool = True,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        headers: Mapping[str, str] | None = None,
        max_response_bytes: int = _DEFAULT_MAX_RESPONSE_BYTES,
        max_memory_bytes: int = _DEFAULT_MAX_MEMORY_BYTES,
        max_stream_bytes: int = _DEFAULT_MAX_STREAM_BYTES,
        min_stream_rate: int = _DEFAULT_MIN_STREAM_RATE,
    ) -> None:
        # Keep the key out of tracebacks that show local variables.
        api_key = Secret(api_key) if isinstance(api_key, str) else api_key
        if session is not None and (connector is not None or trust_env or trace_configs):
            raise ConfigurationError("session has its own connector, trust_env and trace_configs: set them there")
        self._base_url = _address(region, base_url)
        self._set_up(
            Engine(
                Session(
                    self._base_url,
                    {"user-agent": f"convai-async/{__version__}", **_checked_headers(headers or {})},
                    _checked_key(Secret(os.environ.get(_API_KEY_VARIABLE, "")) if api_key is None else api_key),
                    borrowed=session,
                    connector=connector,
                    trust_env=trust_env,
                    ssl=ssl,
                    trace_configs=trace_configs,
                    max_response_bytes=validate_integer("max_response_bytes", max_response_bytes, 1),
                    max_memory_bytes=validate_integer("max_memory_bytes", max_memory_bytes, 1),
                    stream_limits=StreamLimits(
                        validate_integer("max_stream_bytes", max_stream_bytes, 1),
                        validate_integer("min_stream_rate", min_stream_rate, 0),
                    ),
                ),
                ConcurrencyLimiter(validate_integer("max_concurrency", max_concurrency, 1), _checked_share(share)),
                _checked_retry(retry),
                _checked_timeout(timeout),
            )
        )
        self._owns_session = True

    def _set_up(self, engine: Engine) -> None:
        self._engine = engine
        self.conversations = Conversations(engine)
        self.agents = Agents(engine)

    def __repr__(self) -> str:
        return f"<ConvAIClient of {self._base_url}>"

    @property
    def base_url(self) -> str:
        """Where the service is."""
        return self._base_url

    @property
    def concurrency(self) -> int:
        """The current limit on requests in flight: an estimate of the service's own limit."""
        return self._engine.limiter.limit

    def key_fingerprint(self, salt: bytes) -> bytes:
        """Return a slow hash (scrypt) of the API key, to recognise the key without storing it. Blocks for about 50 ms.

        Args:
            salt: Random bytes, kept beside the hash.
        """
        return self._engine.session.key_fingerprint(salt)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; a session or connector of yours stays open. Closing twice is no error.

        What `with_options` returned shares the connections, and does not close them.
        """
        if self._owns_session:
            await self._engine.session.close()

    def with_options(
        self,
        *,
        timeout: float | UnsetType | None = UNSET,
        retry: RetryPolicy | UnsetType | None = UNSET,
        priority: Priority | UnsetType = UNSET,
    ) -> ConvAIClient:
        """Return a client that differs in these options and shares everything else, connections too.

        Args:
            timeout: As in the constructor; None disables it.
            retry: As in the constructor; None disables retries.
            priority: ``"bulk"`` requests get a slot only when no ``"interactive"`` request (the default) is waiting
                for one. They wait for a slot without a time limit; their timeouts start when they get it. `get_many`,
                `delete_many` and `harvest` send bulk requests.

        Raises:
            InvalidArgumentError: A value has the wrong type or is out of range.
        """
        options: dict[str, Any] = {}
        if not isinstance(timeout, UnsetType):
            options["timeout"] = _checked_timeout(timeout)
        if not isinstance(retry, UnsetType):
            options["retry"] = _checked_retry(retry)
        if not isinstance(priority, UnsetType):
            options["priority"] = validate_choice("priority", priority, get_args(Priority))
        derived = object.__new__(type(self))
        derived._base_url = self._base_url
        derived._owns_session = False
        derived._set_up(self._engine.with_options(**options))
        return derived

    async def send_raw(self, request: Request[T]) -> Response[T]:
        """Send a request and return the whole reply: ``.status .headers .body .request_id .decode()``.

        Args:
            request: One of `convai_async.endpoints`, such as ``endpoints.get_conversation("conv_1")``.

        Raises:
            ConvAIError: As for any request, less `DecodeError`, which ``.decode()`` raises.
        """
        return await self._engine.send_raw(request)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        idempotent: bool | None = None,
    ) -> Any:
        """Send a request to an endpoint that the client has no method for, and return the reply's JSON.

        Args:
            method: The HTTP method.
            path: The path from the root, such as ``"/v1/convai/agents"``.
            query: The query; lists repeat their name, None is left out, datetimes become unix seconds.
            json: What to send as JSON.
            idempotent: Whether repeating the request is safe; by default what HTTP says of the method.

        Raises:
            InvalidArgumentError: The path is invalid, or a value cannot be sent.
            ConvAIError: As for any request.
        """
        return await self._engine.send(endpoints.request(method, path, query=query, json=json, idempotent=idempotent))


def get_engine(client: ConvAIClient) -> Engine:
    """Return the engine of a client, for the parts of this package that are built on it."""
    return client._engine  # noqa: SLF001 - of the same module


def _address(region: str, base_url: str | None) -> str:
    if base_url is None:
        if region not in _HOSTS:
            raise ConfigurationError(f"region must be one of {', '.join(_HOSTS)}; got {region!r}")
        return _HOSTS[region]
    if region != "global":
        raise ConfigurationError("region and base_url both say where the service is: pass one of them")
    if not isinstance(base_url, str):
        raise ConfigurationError(f"base_url must be a string, not {type(base_url).__name__}")
    if any(char in base_url for char in "@?#"):  # not repeated: there may be a password in it
        raise ConfigurationError("base_url must be scheme, host and path only: no user, query or fragment")
    if not _is_address(base_url):
        raise ConfigurationError(f"base_url must look like 'https://api.elevenlabs.io', got {base_url!r}")
    return base_url.rstrip("/")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")
        known = parts.scheme in {"http", "https"} and bool(host) and parts.port != 0
    except ValueError:
        return False
    return known and text.isascii() and text.isprintable() and " " not in text


def _checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not (isinstance(name, str) and _HEADER_NAME.fullmatch(name)):
            raise InvalidArgumentError("headers", f"{name!r} is no name of a header")
        if not (isinstance(value, str) and value.isprintable()):
            raise InvalidArgumentError("headers", f"the value of {name!r} must be text without control characters")
    return headers


def _checked_share(share: float) -> float:
    if not _is_number(share) or not 0 < share <= 1:
        raise InvalidArgumentError("share", f"must be a number, more than 0 and at most 1, got {share!r}")
    return share


def _checked_retry(retry: RetryPolicy | None) -> RetryPolicy | None:
    if not isinstance(retry, RetryPolicy | None):
        raise InvalidArgumentError("retry", f"must be a RetryPolicy, or None for never; got {retry!r}")
    return retry


def _checked_key(key: object) -> Secret:
    if not isinstance(key, Secret):
        raise ConfigurationError(f"the API key must be a string, not {type(key).__name__}")
    if not key:
        raise ConfigurationError(f"there is no API key: set {_API_KEY_VARIABLE}, or pass api_key=")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigurationError("the API key holds a space, a line break or another character that no key has")
    return key


def _checked_timeout(timeout: float | None) -> float | None:
    if timeout is not None and (not _is_number(timeout) or not 0 < timeout < math.inf):
        raise InvalidArgumentError("timeout", f"must be more than 0 seconds, or None for no bound; got {timeout!r}")
    return timeout


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
