"""The filters of the conversations list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypedDict

from convai_async.calls._call import checked_id
from convai_async.calls._query import MAX_PAGE_SIZE, check_page_size, unix_seconds
from convai_async.errors import InvalidArgumentError
from convai_async.models.enums import ConversationProduct, InitiationSource  # noqa: TC001 - a TypedDict of ours

Moment: TypeAlias = datetime | float
"""An aware datetime, or whole unix seconds."""

Strings: TypeAlias = str | Sequence[str]
"""One value, or several; several are sent as a repeated parameter."""


class ConversationFilters(TypedDict, total=False):
    """What `Conversations.list` can be asked for; every filter is optional, and None is no filter.

    Attributes:
        cursor: Where to begin: a page's ``next_cursor``.
        agent_id: Conversations with this agent (``agent_…`` or ``seng_…``).
        call_successful: With this result of the success evaluation.
        call_start_after_unix: Started at or after this moment: an aware datetime, or unix seconds.
        call_start_before_unix: Started at or before this moment. Whether the service includes the moment
            itself is undocumented.
        call_duration_min_secs: At least this long, in seconds.
        call_duration_max_secs: At most this long, in seconds.
        rating_min: Rated this or better, 1 to 5.
        rating_max: Rated this or worse, 1 to 5.
        has_feedback_comment: Whether the user left a comment.
        user_id: Initiated by this user.
        evaluation_params: Evaluation results, each as ``"criteria_id:result"``.
        data_collection_params: Collected data, each as ``"id:op:value"`` with an op of eq, neq, gt, gte, lt,
            lte, in (values parted by ``|``); ``"id:eq:"`` is missing, ``"id:neq:"`` is there. (The service once
            had exists and missing as ops.)
        tool_names: Used any of these tools.
        page_size: Conversations in a page, 1 to 100; 100 by default, for the fewest requests.
        summary_mode: Whether ``transcript_summary`` is filled in; ``"exclude"`` by default.
        search: Full-text or fuzzy search over the messages.
        branch_id: With this branch of the agent.
        conversation_initiation_source: Begun from there, such as ``"widget"`` or ``"twilio"``.
        conversation_product_type: ``"agents"`` or ``"speech_engine"``.
        custom_guardrail_names: Triggered any of these custom guardrails.
        data_collection_filter: A filter over collected data, as the service's documentation describes it.
        data_collection_ids: Has any of these collected data.
        dynamic_variable_filter: A filter over dynamic variables, as the service's documentation describes it.
        dynamic_variable_params: Dynamic variables, each as ``"name:op:value"``.
        evaluation_criteria_ids: Was judged by any of these criteria.
        exclude_statuses: Not in any of these statuses.
        guardrail_types: Triggered any of these kinds of guardrails.
        include_invalid_tool_calls: Whether invalid calls count for the filters of tools.
        main_languages: Mostly in any of these languages.
        parent_conversation_id: Begun by this conversation.
        phone_number_ids: Over any of these phone numbers.
        sort_direction: ``"desc"``, newest first, by default; or ``"asc"``.
        tag_ids: Has any of these tags.
        termination_reasons: Ended for any of these reasons.
        text_only: Whether it was without audio.
        tool_ids: Used any of these tools.
        tool_ids_errored: Any of these tools failed.
        tool_ids_successful: Any of these tools succeeded.
        tool_names_errored: Any tool of these names failed.
        tool_names_successful: Any tool of these names succeeded.
        topic_ids: About any of these topics.
        triggered_procedure_ids: Ran any of these procedures; 50 at most.
        version_id: With this version of the agent.
        visited_agent_branch_ids: Any of these branches took part; 50 at most.
        visited_agent_ids: Any of these agents took part; 50 at most.
        whatsapp_phone_number_ids: Over any of these WhatsApp numbers.
        workflow_node_entered_id: Entered this node of the workflow.
    """

    cursor: str | None
    agent_id: str | None
    call_successful: Literal["success", "failure", "unknown", "error"] | str | None  # noqa: PYI051 - completion
    call_start_after_unix: Moment | None
    call_start_before_unix: Moment | None
    call_duration_min_secs: int | None
    call_duration_max_secs: int | None
    rating_min: int | None
    rating_max: int | None
    has_feedback_comment: bool | None
    user_id: str | None
    evaluation_params: Strings | None
    data_collection_params: Strings | None
    tool_names: Strings | None
    page_size: int | None
    summary_mode: Literal["exclude", "include"] | str | None  # noqa: PYI051 - completion
    search: str | None
    branch_id: str | None
    conversation_initiation_source: InitiationSource | None
    conversation_product_type: ConversationProduct | None
    custom_guardrail_names: Strings | None
    data_collection_filter: str | None
    data_collection_ids: Strings | None
    dynamic_variable_filter: str | None
    dynamic_variable_params: Strings | None
    evaluation_criteria_ids: Strings | None
    exclude_statuses: Strings | None
    guardrail_types: Strings | None
    include_invalid_tool_calls: bool | None
    main_languages: Strings | None
    parent_conversation_id: str | None
    phone_number_ids: Strings | None
    sort_direction: Literal["asc", "desc"] | str | None  # noqa: PYI051 - completion
    tag_ids: Strings | None
    termination_reasons: Strings | None
    text_only: bool | None
    tool_ids: Strings | None
    tool_ids_errored: Strings | None
    tool_ids_successful: Strings | None
    tool_names_errored: Strings | None
    tool_names_successful: Strings | None
    topic_ids: Strings | None
    triggered_procedure_ids: Strings | None
    version_id: str | None
    visited_agent_branch_ids: Strings | None
    visited_agent_ids: Strings | None
    whatsapp_phone_number_ids: Strings | None
    workflow_node_entered_id: str | None


class MessageFilters(TypedDict, total=False):
    """What a text search in messages can be narrowed to; each filter means the same as in `ConversationFilters`.

    Attributes:
        sort_by: ``"search_score"``, the best first, by default; or ``"created_at"``.
        page_size: Results in a page, 1 to 50; the service's choice by default.
    """

    cursor: str | None
    page_size: int | None
    sort_by: Literal["search_score", "created_at"] | str | None  # noqa: PYI051 - completion
    agent_id: str | None
    branch_id: str | None
    call_duration_max_secs: int | None
    call_duration_min_secs: int | None
    call_start_after_unix: Moment | None
    call_start_before_unix: Moment | None
    call_successful: Literal["success", "failure", "unknown", "error"] | str | None  # noqa: PYI051 - completion
    conversation_initiation_source: InitiationSource | None
    conversation_product_type: ConversationProduct | None
    data_collection_params: Strings | None
    dynamic_variable_params: Strings | None
    evaluation_params: Strings | None
    exclude_statuses: Strings | None
    has_feedback_comment: bool | None
    include_invalid_tool_calls: bool | None
    main_languages: Strings | None
    phone_number_ids: Strings | None
    rating_max: int | None
    rating_min: int | None
    summary_mode: Literal["exclude", "include"] | str | None  # noqa: PYI051 - completion
    termination_reasons: Strings | None
    text_only: bool | None
    tool_ids: Strings | None
    tool_ids_errored: Strings | None
    tool_ids_successful: Strings | None
    tool_names: Strings | None
    tool_names_errored: Strings | None
    tool_names_successful: Strings | None
    topic_ids: Strings | None
    triggered_procedure_ids: Strings | None
    user_id: str | None
    version_id: str | None
    visited_agent_branch_ids: Strings | None
    visited_agent_ids: Strings | None
    whatsapp_phone_number_ids: Strings | None


def check_filters(filters: Mapping[str, Any], known: type, *, largest_page: int = MAX_PAGE_SIZE) -> dict[str, Any]:
    """Return the filters as they go into the query, after refusing what the service would misunderstand.

    The service ignores a parameter that it does not know: a misspelt filter would return everything.

    Args:
        filters: The values, by name.
        known: The TypedDict that names what there is.
        largest_page: The largest page size.

    Raises:
        TypeError: There is no such filter.
        InvalidArgumentError: A value is empty or out of range, or the time range is turned around.
    """
    names = known.__annotations__
    for name in filters:
        if name not in names:
            from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

            close = get_close_matches(name, names, n=1)
            hint = f": did you mean {close[0]!r}?" if close else f"; there are {', '.join(sorted(names))}"
            raise TypeError(f"{name!r} is not a filter of this list{hint}")
        if _is_empty(filters[name]):
            # The service would take it for no filter at all.
            raise InvalidArgumentError(name, "is empty, which would list everything: leave it out, or pass None")
    check_page_size(filters.get("page_size"), largest_page)
    if filters.get("agent_id") is not None:
        checked_id("agent_id", filters["agent_id"])
    values = dict(filters)
    after = _moment(values, "call_start_after_unix", up=False)
    before = _moment(values, "call_start_before_unix", up=True)
    if after is not None and before is not None and after > before:
        raise InvalidArgumentError(
            "call_start_after_unix", f"{after} is later than call_start_before_unix, {before}: nothing lies between"
        )
    return values


def _is_empty(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, Sequence) and (not value or any(map(_is_empty, value)))


def _moment(values: dict[str, Any], name: str, *, up: bool) -> int | None:
    value = values.get(name)
    if value is None:
        return None
    values[name] = seconds = unix_seconds(name, value, up=up)
    return seconds
