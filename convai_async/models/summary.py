"""A short view of a conversation, for a model or a person to read."""

from __future__ import annotations

from convai_async.models._base import Model
from convai_async.models.enums import ConversationStatus, EvaluationResult, TurnRole

__all__ = ["ConversationSummaryWithMessages", "SummaryMessage"]


class SummaryMessage(Model):
    """Something that was said.

    Schema: ConversationSummaryMessageModel.
    """

    role: TurnRole | None = None
    message: str | None = None


class ConversationSummaryWithMessages(Model):
    """A conversation's outcome, and its messages if there are few.

    Schema: GetConversationSummaryResponseModel.

    Attributes:
        call_summary_title: A short title that was generated.
        transcript_summary: A summary that was generated.
        message_count: The number of messages in the conversation.
        messages: All messages, without tool calls; empty if there are more than ``max_messages``.
        messages_omitted: Whether the messages were left out because there are more than ``max_messages``.
        note: A hint by the service on how to get the whole transcript.
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
