"""Signed URLs, tokens and links. They are secrets: reprs do not show them."""

from __future__ import annotations

from urllib.parse import parse_qs

from convai_async.models._base import Model
from convai_async.models.enums import ConversationTokenPurpose

__all__ = ["AgentLink", "ConversationToken", "SignedUrl", "WebRTCToken"]


class SignedUrl(Model):
    """A URL that starts a conversation with a private agent, and expires after 15 minutes.

    Schema: ConversationSignedUrlResponseModel.

    Attributes:
        signed_url: The WebSocket URL.
    """

    secret_fields = ("signed_url",)

    signed_url: str

    @property
    def conversation_id(self) -> str | None:
        """The id of the conversation, if it was requested with ``include_conversation_id=True``."""
        values = parse_qs(self.signed_url.partition("?")[2]).get("conversation_id")
        return values[0] if values else None


class WebRTCToken(Model):
    """A token that starts a WebRTC session with a private agent.

    Schema: TokenResponseModel.

    Attributes:
        token: The token.
        conversation_id: The id of the conversation, or None if the service did not send it.
    """

    secret_fields = ("token",)

    token: str
    conversation_id: str | None = None


class ConversationToken(Model):
    """The token of a link that shares an agent.

    Schema: ConversationTokenDBModel.

    Attributes:
        expiration_time_unix_secs: The time at which the token expires, in Unix seconds; None if it does not expire.
    """

    secret_fields = ("conversation_token",)

    agent_id: str | None = None
    conversation_token: str | None = None
    expiration_time_unix_secs: int | None = None
    conversation_id: str | None = None
    purpose: ConversationTokenPurpose | None = None
    token_requester_user_id: str | None = None


class AgentLink(Model):
    """The current link that shares an agent.

    Schema: GetAgentLinkResponseModel.

    Attributes:
        token: The token of the link, or None if there is no link.
    """

    agent_id: str
    token: ConversationToken | None = None
