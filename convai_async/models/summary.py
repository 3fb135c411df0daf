"""A short view of a conversation, for a model or a person to read."""

from __future__ import annotations

from convai_async.models._base import Model
from convai_async.models.enums import ConversationStatus, EvaluationResult, TurnRole


class SummaryMessage(Model):
    """Something that was said.

    Schema: ConversationSummaryMessageModel.
    """

    role: TurnRole | None = None
    message: str | None = None


class ConversationDigest(Model):
    """A conversation's outcome and its first messages.

    Schema: GetConversationSummaryResponseModel.

    Attributes:
        message_count: How many messages there are in all.
        messages: As many of them as were asked for.
        messages_omitted: Whether there are more.
        note: What the service has to say about this view.
    """

    conversation_id: str
    agent_id: str | None = None
    status: ConversationStatus | None = None
    call_summary_title: str | None = None
    transcript_summary: str | None = None
    call_successful: EvaluationResult | None = None
    message_count: int | None = None
    messages: tuple[SummaryMessage, ...] = ()
    messages_omitted: bool = False
    note: str | None = None
