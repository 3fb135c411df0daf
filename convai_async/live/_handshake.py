"""Build the handshakes that open the WebSockets of conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from convai_async import endpoints
from convai_async._support.text import Secret
from convai_async._support.validate import validate_choice, validate_id, validate_text
from convai_async._transport.websocket import Handshake
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine

_PATH = "/v1/convai/conversation"

Authorization: TypeAlias = Literal["signed_url", "api_key", "none"]


class HandshakeBuilder:
    """Builds the handshake of a conversation: the agent and the authorization.

    Args:
        agent_id: The agent; can be None if there is a signed URL.
        signed_url: A signed URL.
        token: A token.
        authorization: How to authorize without either of them.
        branch_id: The branch of the agent.
        environment: The environment whose variables the agent uses.

    Raises:
        InvalidArgumentError: An argument is invalid, or contradicts another one.
    """

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        *,
        agent_id: str | None,
        signed_url: Secret | None,
        token: Secret | None,
        authorization: Authorization,
        branch_id: str | None,
        environment: str | None,
    ) -> None:
        validate_choice("authorization", authorization, get_args(Authorization))
        if signed_url is not None:
            if token is not None:
                raise InvalidArgumentError("token", "and signed_url both authorize: pass one of them")
            _validate_signed_url(signed_url)
        elif agent_id is None:
            raise InvalidArgumentError("agent_id", "is missing: pass an agent, or a signed_url")
        if agent_id is not None:
            validate_id("agent_id", agent_id)
        if token is not None:
            validate_id("token", token)
        self._agent_id = agent_id
        self._signed_url = signed_url
        self._token = token
        self._authorization = authorization
        self._branch_id = None if branch_id is None else validate_text("branch_id", branch_id)
        self._environment = None if environment is None else validate_text("environment", environment)
        self._needs_url = signed_url is None and token is None and authorization == "signed_url"

    @property
    def initiation_fields(self) -> dict[str, str | None]:
        """The options that the first message must contain, because the signed URL does not contain them."""
        return {} if self._needs_url else {"branch_id": self._branch_id, "environment": self._environment}

    async def build(self, engine: Engine) -> Handshake:
        """Return the handshake; gets a signed URL if there is none and one is needed.

        Raises:
            ConvAIError: There is no signed URL.
        """
        if self._signed_url is not None:
            return Handshake(path=_PATH, url=self._signed_url)
        agent_id = self._agent_id or ""
        if self._needs_url:
            signed = await engine.send(
                endpoints.get_signed_url(agent_id, branch_id=self._branch_id, environment=self._environment)
            )
            return Handshake(path=_PATH, url=Secret(signed.signed_url))
        return Handshake(
            path=_PATH,
            query=(("agent_id", agent_id),),
            api_key=self._token is None and self._authorization == "api_key",
            protocols=() if self._token is None else (Secret("convai"), Secret(f"bearer.{self._token}")),
        )


def _validate_signed_url(url: Secret) -> None:
    """Check a URL, which no error shows.

    Raises:
        InvalidArgumentError: It is not the URL of a WebSocket.
    """
    validate_text("signed_url", url)
    if not _is_websocket_url(url):
        raise InvalidArgumentError("signed_url", "must be a WebSocket URL, which begins with wss://")


def _is_websocket_url(url: Secret) -> bool:
    try:
        parts = urlsplit(url)
        known = parts.scheme in {"ws", "wss"} and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False
    return known and url.isascii() and url.isprintable() and " " not in url
