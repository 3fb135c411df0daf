"""The filters of the conversations list and of the text search in messages.

The string under a filter is its description, which editors show, and `describe_filters` puts into ``help()``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, NamedTuple, TypeAlias, TypedDict

from convai_async._support.validate import INT64_MAX, MAX_PAGE_SIZE, MAX_SEARCH_PAGE_SIZE
from convai_async.models.enums import (  # noqa: TC001 - `get_type_hints` reads them
    ConversationProduct,
    ConversationStatus,
    GuardrailType,
    InitiationSource,
)

__all__ = ["MAX_PAGE_SIZE", "CommonFilters", "ConversationFilters", "MessageFilters", "Moment"]


class Bounds(NamedTuple):
    """The smallest and the largest allowed number, or number of values."""

    smallest: int
    largest: int = INT64_MAX


Moment: TypeAlias = datetime | float
"""An aware datetime, or unix seconds."""

Strings: TypeAlias = str | Sequence[str]
"""One value or several; several are sent as a repeated parameter."""

UpTo50Strings: TypeAlias = Annotated[str | Sequence[str], Bounds(1, 50)]
Rating: TypeAlias = Annotated[int, Bounds(1, 5)]
Seconds: TypeAlias = Annotated[int, Bounds(0)]
PageSize: TypeAlias = Annotated[int, Bounds(1, MAX_PAGE_SIZE)]
SearchPageSize: TypeAlias = Annotated[int, Bounds(1, MAX_SEARCH_PAGE_SIZE)]


class CommonFilters(TypedDict, total=False):
    """The filters of both `Conversations.list` and the text search in messages.

    Each is optional; None leaves it out. A sequence matches conversations with any of its values, but whether several
    tools, tags, topics or conditions must all match is undocumented.
    """

    agent_id: str | None
    """Only conversations with this agent (``agent_…``) or speech engine (``seng_…``)."""
    branch_id: str | None
    """Only conversations with this branch of an agent."""
    call_duration_max_secs: Seconds | None
    """Only conversations of at most this many seconds."""
    call_duration_min_secs: Seconds | None
    """Only conversations of at least this many seconds."""
    call_start_after_unix: Moment | None
    """Only conversations that started after this time, an aware datetime or unix seconds. A fraction of a second is
    rounded down. Whether the time itself is included is undocumented."""
    call_start_before_unix: Moment | None
    """Only conversations that started before this time, an aware datetime or unix seconds. A fraction of a second is
    rounded up. Whether the time itself is included is undocumented."""
    call_successful: Literal["success", "failure", "unknown", "error"] | str | None  # noqa: PYI051 - completion
    """Only conversations with this result of the success evaluation, which is ``"success"``, ``"failure"``,
    ``"unknown"`` or ``"error"``."""
    conversation_initiation_source: InitiationSource | None
    """Only conversations that were started from this source, such as ``"widget"`` or ``"twilio"``."""
    conversation_product_type: ConversationProduct | None
    """Only conversations of this product, ``"agents"`` or ``"speech_engine"``."""
    cursor: str | None
    """The ``next_cursor`` of the page before the first one to load."""
    data_collection_params: Strings | None
    """Only conversations whose collected data meet these conditions, each ``"id:op:value"``. ``op`` is eq (equal), neq,
    gt, gte, lt, lte (numbers only) or in (values separated by ``|``). ``"id:eq:"`` matches if no value was collected,
    ``"id:neq:"`` if one was."""
    dynamic_variable_params: Strings | None
    """Only conversations whose dynamic variables meet these conditions, each ``"name:op:value"``, with the ops of
    ``data_collection_params``. The name cannot contain a colon."""
    evaluation_params: Strings | None
    """Only conversations with these evaluation results, each ``"criteria_id:result"``; the result is success, failure
    or unknown."""
    exclude_statuses: ConversationStatus | Sequence[ConversationStatus] | None
    """Only conversations without any of these statuses, such as ``"in-progress"``."""
    has_feedback_comment: bool | None
    """Only conversations with a comment by the user, if True. The effect of False is undocumented."""
    include_invalid_tool_calls: bool | None
    """Whether the filters on tools also match tool calls that never ran."""
    main_languages: Strings | None
    """Only conversations whose detected main language is one of these codes, such as ``"en"``."""
    phone_number_ids: Strings | None
    """Only conversations over one of the agent's phone numbers with these ids (``phnum_…``), which are not telephone
    numbers."""
    rating_max: Rating | None
    """Only conversations with an overall rating of at most this number, 1 to 5."""
    rating_min: Rating | None
    """Only conversations with an overall rating of at least this number, 1 to 5."""
    termination_reasons: Strings | None
    """Only conversations that ended for one of these reasons (``metadata.termination_reason``)."""
    text_only: bool | None
    """Only conversations without audio (True), or with audio (False)."""
    tool_ids: Strings | None
    """Only conversations that used these tools. A system tool has the id ``"__system_<tool_name>"``. Unlike names, ids
    are unique."""
    tool_ids_errored: Strings | None
    """Only conversations in which a call of these tools failed."""
    tool_ids_successful: Strings | None
    """Only conversations in which a call of these tools succeeded."""
    tool_names: Strings | None
    """Only conversations that used tools with these names."""
    tool_names_errored: Strings | None
    """Only conversations in which a call of tools with these names failed."""
    tool_names_successful: Strings | None
    """Only conversations in which a call of tools with these names succeeded."""
    topic_ids: Strings | None
    """Only conversations to which topic discovery assigned these topics."""
    triggered_procedure_ids: UpTo50Strings | None
    """Only conversations in which one of these procedures was triggered; 50 at most."""
    user_id: str | None
    """Only conversations that this user started, by the id of the user in your application."""
    version_id: str | None
    """Only conversations with this version of an agent."""
    visited_agent_branch_ids: UpTo50Strings | None
    """Only conversations in which one of these branches of agents took part; 50 at most."""
    visited_agent_ids: UpTo50Strings | None
    """Only conversations in which one of these agents took part; 50 at most."""
    whatsapp_phone_number_ids: Strings | None
    """Only conversations over one of the agent's WhatsApp numbers with these ids."""


class ConversationFilters(CommonFilters, total=False):
    """The filters of `Conversations.list`, and what to include in each result."""

    custom_guardrail_names: Strings | None
    """Only conversations in which a custom guardrail with one of these names triggered."""
    data_collection_filter: str | None
    """One more condition like those of ``data_collection_params``, for clients that cannot repeat a parameter. Both
    apply if both are given."""
    data_collection_ids: Strings | None
    """Not a filter, but the ids of the data collection fields to include in each summary, as
    ``data_collection_results``; none by default."""
    dynamic_variable_filter: str | None
    """One more condition like those of ``dynamic_variable_params``, for clients that cannot repeat a parameter. Both
    apply if both are given."""
    evaluation_criteria_ids: Strings | None
    """Not a filter, but the ids of the evaluation criteria whose results to include in each summary, as
    ``evaluation_criteria_results``; none by default."""
    guardrail_types: GuardrailType | Sequence[GuardrailType] | None
    """Only conversations in which a guardrail of one of these types triggered."""
    page_size: PageSize | None
    """The maximum number of conversations in a page, 1 to 100; 100 by default, for the fewest requests."""
    parent_conversation_id: str | None
    """Only conversations that subagents of this conversation had."""
    search: str | None
    """Only conversations whose messages match this text, by full-text or fuzzy search."""
    sort_direction: Literal["asc", "desc"] | str | None  # noqa: PYI051 - completion
    """The order by start time, ``"desc"`` (newest first, default) or ``"asc"``."""
    summary_mode: Literal["exclude", "include"] | str | None  # noqa: PYI051 - completion
    """``"include"`` to get the ``transcript_summary`` of each conversation; ``"exclude"`` by default."""
    tag_ids: Strings | None
    """Only conversations with these tags."""
    workflow_node_entered_id: str | None
    """Only conversations that entered this node of the workflow."""


class MessageFilters(CommonFilters, total=False):
    """The filters of the text search in messages."""

    page_size: SearchPageSize | None
    """The maximum number of results in a page, 1 to 50; the service decides by default."""
    sort_by: Literal["search_score", "created_at"] | str | None  # noqa: PYI051 - completion
    """The order, ``"search_score"`` (best match first, default) or ``"created_at"`` (start of the conversation)."""
    summary_mode: Literal["exclude", "include"] | str | None  # noqa: PYI051 - completion
    """``"include"`` or ``"exclude"``. Has no effect here, since results have no field for transcript summaries."""
