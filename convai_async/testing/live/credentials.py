"""Decides who may open a conversation: signed URLs, tokens and API keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from convai_async.testing.responses import RefusedError, error_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

SIGNED_URL_SECONDS = 15 * 60
"""The time in which a signed URL must be opened."""

_BEARER = "bearer."


class _Grant(msgspec.Struct):
    agent_id: str
    conversation_id: str | None
    expires: float


class Credentials:
    """The signed URLs and tokens that were issued.

    Args:
        new_id: Generates a secret, given its prefix and number of digits.
    """

    def __init__(self, new_id: Callable[[str, int], str]) -> None:
        self._new_id = new_id
        self._signatures: dict[str, _Grant] = {}
        self._tokens: dict[str, str] = {}

    def sign(self, agent_id: str, conversation_id: str | None) -> str:
        """Return a new signature for the URL of a conversation.

        Args:
            agent_id: The agent.
            conversation_id: The id of the only conversation that the URL can open; None for any number.
        """
        signature = self._new_id("cvtkn", 24)
        self._signatures[signature] = _Grant(agent_id, conversation_id, time.monotonic() + SIGNED_URL_SECONDS)
        return signature

    def issue_token(self, agent_id: str, prefix: str) -> str:
        """Return a new token for conversations with an agent."""
        token = self._new_id(prefix, 24)
        self._tokens[token] = agent_id
        return token

    def expire(self) -> None:
        """Let all signed URLs expire."""
        for grant in self._signatures.values():
            grant.expires = 0

    def authorize(self, request: web.Request, *, has_key: bool | None, private: bool) -> str:
        """Return how the handshake is authorized, as the metadata of conversations say it.

        Args:
            request: The handshake.
            has_key: Whether the API key is the right one; None if there is none.
            private: Whether the agent needs an authorization.

        Raises:
            RefusedError: It is not authorized.
        """
        agent_id = request.query.get("agent_id", "")
        signature = request.query.get("conversation_signature") or request.query.get("token")
        if signature is not None:
            self._use_signature(signature, agent_id, request.query.get("conversation_id"))
            return "signed_url"
        token = _find_token(request)
        if token is not None and self._tokens.get(token) != agent_id:
            raise RefusedError(error_response(401, "invalid_authorization_token", "Invalid authorization token"))
        if token is None and has_key is False:
            raise RefusedError(error_response(401, "invalid_api_key", "Invalid API key"))
        if token is not None or has_key:
            return "authorization_header"
        if private:
            raise RefusedError(error_response(403, "authorization_required", "This agent requires authorization"))
        return "public"

    def _use_signature(self, signature: str, agent_id: str, conversation_id: str | None) -> None:
        grant = self._signatures.get(signature)
        if grant is None or (grant.agent_id, grant.conversation_id) != (agent_id, conversation_id):
            raise RefusedError(error_response(403, "invalid_signed_url", "The signed URL is invalid or was used"))
        if grant.expires <= time.monotonic():
            raise RefusedError(error_response(403, "signed_url_expired", "The signed URL has expired"))
        if conversation_id is not None:
            del self._signatures[signature]


def _find_token(request: web.Request) -> str | None:
    offered = request.headers.get("sec-websocket-protocol", "").split(",")
    return next((each.strip()[len(_BEARER) :] for each in offered if each.strip().startswith(_BEARER)), None)
