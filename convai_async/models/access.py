"""What lets somebody into a conversation. These are secrets: their reprs leave them out."""

from __future__ import annotations

from urllib.parse import parse_qs

from convai_async.models._base import Model
from convai_async.models.enums import ConversationTokenPurpose

__all__ = ["AgentLink", "ConversationToken", "SignedUrl", "WebRTCToken"]


class SignedUrl(Model):
    """A URL that opens a conversation with a private agent within 15 minutes.

    Schema: ConversationSignedUrlResponseModel.
    """

    secret_fields = ("signed_url",)

    signed_url: str

    @property
    def conversation_id(self) -> str | None:
        """The conversation that it opens, if it was asked for with ``include_conversation_id=True``."""
        values = parse_qs(self.signed_url.partition("?")[2]).get("conversation_id")
        return values[0] if values else None


class WebRTCToken(Model):
    """A token that opens a WebRTC session with a private agent.

    Schema: TokenResponseModel.
    """

    secret_fields = ("token",)

    token: str
    conversation_id: str | None = None


class ConversationToken(Model):
    """The token in a link that shares an agent.

    Schema: ConversationTokenDBModel.

    Attributes:
        expiration_time_unix_secs: Unix seconds, or None for never.
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
        token: None when there is no link.
    """

    agent_id: str
    token: ConversationToken | None = None
