"""Summaries of conversations with their messages."""

from __future__ import annotations

from convai_async.models._base import Model
from convai_async.models._repr import build_repr, format_count, format_text, format_word
from convai_async.models.enums import ConversationStatus, EvaluationResult, TurnRole

__all__ = ["ConversationSummaryWithMessages", "SummaryMessage"]


class SummaryMessage(Model):
    """A message of a conversation.

    Schema: ConversationSummaryMessageModel.
    """

    role: TurnRole | None = None
    message: str | None = None


class ConversationSummaryWithMessages(Model):
    """The summary of a conversation, and its messages if there are few.

    Schema: GetConversationSummaryResponseModel.

    Attributes:
        call_summary_title: A generated title.
        transcript_summary: A generated summary.
        call_successful: The result of the success evaluation: ``"success"``, ``"failure"`` or ``"unknown"``.
        message_count: The number of messages of the conversation.
        messages: All messages, without tool calls; empty if there are more than ``max_messages``.
        messages_omitted: Whether the messages were left out, because there are more than ``max_messages``.
        note: The service's hint on how to get the whole transcript.
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

    def __repr__(self) -> str:
        return build_repr(
            self,
            format_word(self.conversation_id),
            format_word(self.status),
            format_count(self.message_count, "message"),
            format_text(self.call_summary_title),
        )
