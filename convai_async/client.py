"""The client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar, get_args

from msgspec import UNSET, UnsetType

from convai_async import endpoints
from convai_async._configuration import (
    Region,
    resolve_base_url,
    validate_api_key,
    validate_headers,
    validate_retry,
    validate_share,
    validate_timeout,
)
from convai_async._support.text import Secret
from convai_async._support.validate import validate_choice, validate_integer
from convai_async._transport.engine import Engine
from convai_async._transport.limiter import ConcurrencyLimiter, Priority
from convai_async._transport.session import Session
from convai_async._transport.streamed_response import StreamLimits
from convai_async._version import __version__
from convai_async.errors import ConfigurationError
from convai_async.resources import Agents, Conversations
from convai_async.retry import RetryPolicy

if TYPE_CHECKING:
    import ssl as ssl_module
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    import aiohttp

    from convai_async.endpoints import Request, Response

__all__ = ["ConvAIClient", "Region"]

T = TypeVar("T")

_DEFAULT_TIMEOUT = 60.0
_DEFAULT_CONCURRENCY = 64
_DEFAULT_MAX_RESPONSE_BYTES = 128 * 1024 * 1024
_DEFAULT_MAX_MEMORY_BYTES = 512 * 1024 * 1024
_DEFAULT_MAX_STREAM_BYTES = 1024 * 1024 * 1024
_DEFAULT_MIN_STREAM_RATE = 1024


class ConvAIClient:
    """A client for the ElevenLabs Agents conversations API.

    Create one client for each event loop and reuse it: all requests share its connections, its limit on requests in
    flight and the pauses that the service asks for. No connection is opened before the first request. Close the client
    with ``async with`` or `close`.

    If the event loop is closed, as after each `asyncio.run` of a task queue, the client opens new connections in the
    next event loop. Using the client in a second event loop while the first one is open raises `ConfigurationError`.

    Args:
        api_key: The API key; by default the value of the environment variable ``ELEVENLABS_API_KEY``, read now.
        region: The region of the workspace: ``"global"`` (default), ``"us"``, ``"eu"``, ``"in"`` or ``"sg"``. A
            workspace with data residency has its own API keys, which work only in its region.
        base_url: The address of the service, instead of a region.
        timeout: The timeout of one attempt in seconds, 60 by default; for a stream, the seconds to connect and the
            seconds without a byte. None disables it. With ``retry=None``, the time in which the request waits for one
            of the ``max_concurrency`` slots counts as well.
        retry: When to retry, and the time limit for all attempts (``retry.timeout``, which includes the wait for a
            slot); by default up to 5 attempts within 60 seconds. None disables retries.
        max_concurrency: The maximum number of requests in flight, 64 by default. The client sends fewer if the service
            rejects requests: it adapts to the service's limit. A request that does not get a slot in time is not sent,
            and raises `RequestTimeoutError`.
        share: The share of the service's limit to use: more than 0, and at most 1 (default). A smaller share leaves
            room for other processes with the same key. Every now and then the client uses the whole limit for a
            moment, to measure it.
        session: An aiohttp session to use, with its connector, proxies and trace configs. The client does not close it.
        connector: An aiohttp connector to use. The client does not close it.
        trust_env: Whether to read proxies and netrc from the environment.
        ssl: An `ssl.SSLContext`, for example to trust a private CA. False disables certificate verification.
        trace_configs: Trace configs of aiohttp.
        headers: Additional headers for every request.
        max_response_bytes: The maximum size of a decompressed response in bytes, 128 MiB by default.
        max_memory_bytes: The maximum memory in bytes for all responses larger than 1 MiB while they are read and
            decoded (and, in a harvest, until they are written); 512 MiB by default. Each counts as four times its size.
            A response that does not fit waits, and one that is larger than the limit is read alone.
        max_stream_bytes: The maximum size of a recording or a file in bytes, 1 GiB by default.
        min_stream_rate: The minimum rate of a recording or a file in bytes per second, averaged over a minute of
            waiting for data; 1,024 by default. 0 disables the check.

    Raises:
        ConfigurationError: There is no API key, or arguments contradict each other.
        InvalidArgumentError: An argument has the wrong type or is out of range.

    Attributes:
        conversations: The conversations of the workspace.
        agents: The agents of the workspace.
    """

    _base_url = "unknown address"  # for the repr of a client whose constructor raised

    def __init__(  # noqa: PLR0913 - keyword-only settings
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
            raise ConfigurationError("set connector, trust_env and trace_configs in the session that you pass")
        self._base_url = resolve_base_url(region, base_url)
        self._set_up(
            Engine(
                Session(
                    self._base_url,
                    {"user-agent": f"convai-async/{__version__}", **validate_headers(headers or {})},
                    validate_api_key(api_key),
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
                ConcurrencyLimiter(validate_integer("max_concurrency", max_concurrency, 1), validate_share(share)),
                validate_retry(retry),
                validate_timeout(timeout),
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
        """The address of the service."""
        return self._base_url

    @property
    def concurrency(self) -> int:
        """The current limit on requests in flight: an estimate of the service's limit."""
        return self._engine.limiter.limit

    def hash_api_key(self, salt: bytes) -> bytes:
        """Return a salted hash (HMAC-SHA256) of the API key, to recognise the key without storing it.

        A fast hash is enough: an API key is long and random, so it cannot be guessed.

        Args:
            salt: Random bytes, which you store with the hash.
        """
        return self._engine.session.hash_api_key(salt)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Does nothing if the client is already closed.

        A session or connector that you passed stays open. Closing a client that `with_options` returned has no effect,
        since it shares the connections of the original.
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
        """Return a client with other options, which shares everything else with this one, such as the connections.

        Args:
            timeout: As in the constructor. None disables it.
            retry: As in the constructor. None disables retries.
            priority: ``"interactive"`` (default) or ``"bulk"``. A bulk request gets a slot only if no interactive
                request is waiting for one. It waits for a slot without a time limit, and its timeouts start when it
                gets one. `Conversations.get_many`, `Conversations.delete_many` and `harvest` send bulk requests.

        Raises:
            InvalidArgumentError: An argument has the wrong type or is out of range.
        """
        options: dict[str, Any] = {}
        if not isinstance(timeout, UnsetType):
            options["timeout"] = validate_timeout(timeout)
        if not isinstance(retry, UnsetType):
            options["retry"] = validate_retry(retry)
        if not isinstance(priority, UnsetType):
            options["priority"] = validate_choice("priority", priority, get_args(Priority))
        derived = object.__new__(type(self))
        derived._base_url = self._base_url
        derived._owns_session = False
        derived._set_up(self._engine.with_options(**options))
        return derived

    async def send_raw(self, request: Request[T]) -> Response[T]:
        """Send a request and return the complete response, without decoding its body.

        `Response.decode` returns the result, or raises `DecodeError`.

        Args:
            request: A request from `convai_async.endpoints`, such as ``endpoints.get_conversation("conv_1")``.
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
        """Send a request to any endpoint, such as one without its own method, and return the response's JSON.

        Args:
            method: The HTTP method.
            path: The absolute path, such as ``"/v1/convai/agents"``.
            query: The query parameters. A list repeats its name, None is left out, a datetime becomes Unix seconds.
            json: The value to send as JSON; None sends no body.
            idempotent: Whether the request is safe to retry; by default whether its method is idempotent (RFC 9110,
                9.2.2).

        Returns:
            The decoded JSON; None if the body is empty.
        """
        return await self._engine.send(endpoints.request(method, path, query=query, json=json, idempotent=idempotent))


def get_engine(client: ConvAIClient) -> Engine:
    """Return the engine of a client, for the parts of this package that are built on it."""
    return client._engine  # noqa: SLF001 - of the same module
