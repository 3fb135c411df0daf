"""Models of schemas that the package does not need a model of: pages, which it reads as `Page`, and a request body."""

from __future__ import annotations

from typing import Literal, TypeAlias

from convai_async.models import (
    AgentTopic,
    ConversationSummary,
    ConversationTag,
    FeedbackScore,
    MessageHit,
    Model,
    SipMessage,
)

SummaryMode: TypeAlias = Literal["exclude", "include"] | str  # noqa: PYI051 - as the enums of the package


class FeedbackRequest(Model):
    """A rating of a conversation, as it is sent.

    Schema: ConversationFeedbackRequestModel.

    Attributes:
        feedback: None takes the rating back.
    """

    feedback: FeedbackScore | None = None


class ConversationsPage(Model):
    """A page of the list of conversations.

    Schema: GetConversationsPageResponseModel.
    """

    conversations: tuple[ConversationSummary, ...]
    next_cursor: str | None = None
    has_more: bool | None = None


class ListMeta(Model):
    """What the service says about a list.

    Schema: ListResponseMeta.
    """

    total: int | None = None
    page: int | None = None
    page_size: int | None = None


class MessageHitsPage(Model):
    """A page of what a search found.

    Schema: MessagesSearchResponse.
    """

    results: tuple[MessageHit, ...]
    meta: ListMeta | None = None
    next_cursor: str | None = None
    has_more: bool | None = None


class SipMessagesPage(Model):
    """A page of a call's SIP messages.

    Schema: GetSipLogMessagesResponse.
    """

    sip_messages: tuple[SipMessage, ...]
    next_cursor: str | None = None
    has_more: bool | None = None


class ConversationTagsPage(Model):
    """A page of the list of tags.

    Schema: GetConversationTagsPageResponseModel.
    """

    conversation_tags: tuple[ConversationTag, ...]
    next_cursor: str | None = None
    has_more: bool | None = None


class AgentTopicsPage(Model):
    """A page of an agent's topics.

    Schema: GetAgentTopicsResponseModel.

    Attributes:
        window_start_unix_secs: The start of the window, in Unix seconds.
        window_end_unix_secs: The end of the window, in Unix seconds.
        aggregated_run_count: The number of daily runs whose results were added up.
    """

    topics: tuple[AgentTopic, ...]
    window_start_unix_secs: int | None = None
    window_end_unix_secs: int | None = None
    aggregated_run_count: int | None = None
    next_cursor: str | None = None
    has_more: bool | None = None
