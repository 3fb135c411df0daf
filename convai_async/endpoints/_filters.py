"""The filters of the conversations list and of the text search in messages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeAlias,
    TypedDict,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from convai_async._support.validate import (
    INT64_MAX,
    MAX_PAGE_SIZE,
    MAX_SEARCH_PAGE_SIZE,
    validate_flag,
    validate_id,
    validate_integer,
    validate_order,
    validate_text,
    validate_texts,
)
from convai_async.endpoints._query import to_unix_seconds
from convai_async.errors import InvalidArgumentError
from convai_async.models.enums import (  # noqa: TC001 - `get_type_hints` reads them
    ConversationProduct,
    ConversationStatus,
    GuardrailType,
    InitiationSource,
)

__all__ = ["MAX_PAGE_SIZE", "ConversationFilters", "MessageFilters", "Moment"]

F = TypeVar("F", bound=Callable[..., object])


class _Bounds(NamedTuple):
    """The smallest and the largest number, or number of values."""

    smallest: int
    largest: int = INT64_MAX


Moment: TypeAlias = datetime | float
"""An aware datetime, or unix seconds."""

Strings: TypeAlias = str | Sequence[str]
"""One value, or several; several are sent as a repeated parameter."""

UpTo50Strings: TypeAlias = Annotated[str | Sequence[str], _Bounds(1, 50)]
Rating: TypeAlias = Annotated[int, _Bounds(1, 5)]
Seconds: TypeAlias = Annotated[int, _Bounds(0)]
PageSize: TypeAlias = Annotated[int, _Bounds(1, MAX_PAGE_SIZE)]
SearchPageSize: TypeAlias = Annotated[int, _Bounds(1, MAX_SEARCH_PAGE_SIZE)]

_RANGES = (
    ("call_start_after_unix", "call_start_before_unix"),
    ("call_duration_min_secs", "call_duration_max_secs"),
    ("rating_min", "rating_max"),
)


class ConversationFilters(TypedDict, total=False):
    """Which conversations `Conversations.list` lists, and how; each parameter is optional, and None leaves it out.

    Several values of one parameter are alternatives where it says "one of these"; of tools, tags, topics and
    conditions it is undocumented whether one or all of them must match.

    Attributes:
        agent_id: Only conversations that this agent (``agent_…``) or speech engine (``seng_…``) had.
        branch_id: Only conversations with this branch of an agent.
        call_duration_max_secs: Only conversations of at most this many seconds.
        call_duration_min_secs: Only conversations of at least this many seconds.
        call_start_after_unix: Only conversations that started after this moment: an aware datetime, or unix seconds.
            A fraction of a second is rounded down. Whether the moment itself is included is undocumented.
        call_start_before_unix: Only conversations that started before this moment: an aware datetime, or unix
            seconds. A fraction of a second is rounded up. Whether the moment itself is included is undocumented.
        call_successful: Only conversations with this result of the success evaluation: ``"success"``,
            ``"failure"``, ``"unknown"`` or ``"error"``.
        conversation_initiation_source: Only conversations that were started from this source, such as ``"widget"``
            or ``"twilio"``.
        conversation_product_type: Only conversations of this product: ``"agents"`` or ``"speech_engine"``.
        cursor: The page to begin with: the ``next_cursor`` of the page before it.
        custom_guardrail_names: Only conversations in which a custom guardrail with one of these names triggered.
        data_collection_filter: One more condition of the form that ``data_collection_params`` has, for callers that
            cannot send a parameter twice; both apply if both are given.
        data_collection_ids: Not a filter: the ids of the data collection fields to include in each summary, as
            ``data_collection_results``. By default none are included.
        data_collection_params: Only conversations whose collected data meet these conditions, each
            ``"id:op:value"``. ``op`` is eq (equals exactly), neq, gt, gte, lt, lte (numbers only) or in (values
            separated by ``|``). ``"id:eq:"`` matches where nothing was collected, ``"id:neq:"`` where something was.
        dynamic_variable_filter: One more condition of the form that ``dynamic_variable_params`` has, for callers
            that cannot send a parameter twice; both apply if both are given.
        dynamic_variable_params: Only conversations whose dynamic variables meet these conditions, each
            ``"name:op:value"``, with the ops of ``data_collection_params``. A name with a colon cannot be expressed.
        evaluation_criteria_ids: Not a filter: the ids of the evaluation criteria whose results to include in each
            summary, as ``evaluation_criteria_results``. By default none are included.
        evaluation_params: Only conversations with these evaluation results, each ``"criteria_id:result"``; the
            result is success, failure or unknown.
        exclude_statuses: Leave out conversations with one of these statuses, such as ``"in-progress"``.
        guardrail_types: Only conversations in which a guardrail of one of these types triggered.
        has_feedback_comment: True: only conversations with a comment by the user. Whether False selects those without
            one is undocumented.
        include_invalid_tool_calls: Whether the filters on tools also match tool calls that never ran.
        main_languages: Only conversations whose detected main language is one of these codes, such as ``"en"``.
        page_size: The most conversations in a page, 1 to 100. 100 by default here, for the fewest requests; 30 if the
            service were left to choose.
        parent_conversation_id: Only conversations of subagents that this conversation started.
        phone_number_ids: Only conversations over one of the agent's phone numbers with these ids (``phnum_…``): not
            telephone numbers, and not the caller's.
        rating_max: Only conversations with an overall rating of at most this, 1 to 5.
        rating_min: Only conversations with an overall rating of at least this, 1 to 5.
        search: Only conversations in whose messages this text is found, by full-text or fuzzy search.
        sort_direction: The order by start: ``"desc"``, the newest first, by default; or ``"asc"``.
        summary_mode: ``"include"`` fills in ``transcript_summary`` of each summary; ``"exclude"`` by default.
        tag_ids: Only conversations with these tags.
        termination_reasons: Only conversations that ended for one of these reasons (``metadata.termination_reason``).
        text_only: Only conversations that were (True) or were not (False) without audio.
        tool_ids: Only conversations that used these tools. A system tool has the id
            ``"__system_<tool_name>"``. Unlike ``tool_names``, it tells apart tools that share a name.
        tool_ids_errored: Only conversations in which a call of these tools failed.
        tool_ids_successful: Only conversations in which a call of these tools succeeded.
        tool_names: Only conversations that used tools with these names.
        tool_names_errored: Only conversations in which a call of tools with these names failed.
        tool_names_successful: Only conversations in which a call of tools with these names succeeded.
        topic_ids: Only conversations to which topic discovery assigned these topics.
        triggered_procedure_ids: Only conversations in which one of these procedures was triggered; 50 at most.
        user_id: Only conversations that this user started: the id that your application gave to the user.
        version_id: Only conversations with this version of an agent.
        visited_agent_branch_ids: Only conversations in which one of these branches of agents took part; 50 at most.
        visited_agent_ids: Only conversations in which one of these agents took part; 50 at most.
        whatsapp_phone_number_ids: Only conversations over one of the agent's WhatsApp numbers with these ids.
        workflow_node_entered_id: Only conversations that entered this node of the workflow.
    """

    agent_id: str | None
    branch_id: str | None
    call_duration_max_secs: Seconds | None
    call_duration_min_secs: Seconds | None
    call_start_after_unix: Moment | None
    call_start_before_unix: Moment | None
    call_successful: Literal["success", "failure", "unknown", "error"] | str | None  # noqa: PYI051 - completion
    conversation_initiation_source: InitiationSource | None
    conversation_product_type: ConversationProduct | None
    cursor: str | None
    custom_guardrail_names: Strings | None
    data_collection_filter: str | None
    data_collection_ids: Strings | None
    data_collection_params: Strings | None
    dynamic_variable_filter: str | None
    dynamic_variable_params: Strings | None
    evaluation_criteria_ids: Strings | None
    evaluation_params: Strings | None
    exclude_statuses: ConversationStatus | Sequence[ConversationStatus] | None
    guardrail_types: GuardrailType | Sequence[GuardrailType] | None
    has_feedback_comment: bool | None
    include_invalid_tool_calls: bool | None
    main_languages: Strings | None
    page_size: PageSize | None
    parent_conversation_id: str | None
    phone_number_ids: Strings | None
    rating_max: Rating | None
    rating_min: Rating | None
    search: str | None
    sort_direction: Literal["asc", "desc"] | str | None  # noqa: PYI051 - completion
    summary_mode: Literal["exclude", "include"] | str | None  # noqa: PYI051 - completion
    tag_ids: Strings | None
    termination_reasons: Strings | None
    text_only: bool | None
    tool_ids: Strings | None
    tool_ids_errored: Strings | None
    tool_ids_successful: Strings | None
    tool_names: Strings | None
    tool_names_errored: Strings | None
    tool_names_successful: Strings | None
    topic_ids: Strings | None
    triggered_procedure_ids: UpTo50Strings | None
    user_id: str | None
    version_id: str | None
    visited_agent_branch_ids: UpTo50Strings | None
    visited_agent_ids: UpTo50Strings | None
    whatsapp_phone_number_ids: Strings | None
    workflow_node_entered_id: str | None


class MessageFilters(TypedDict, total=False):
    """What a text search in messages is narrowed to; what is not named here means the same as in `ConversationFilters`.

    Attributes:
        page_size: The most results in a page, 1 to 50; the service's choice by default.
        sort_by: ``"search_score"``, the best match first, by default; or ``"created_at"``, by the conversation's start.
        summary_mode: Whether the service includes transcript summaries: ``"include"`` or ``"exclude"``. Results have
            no field for them, so it makes no difference here.
    """

    agent_id: str | None
    branch_id: str | None
    call_duration_max_secs: Seconds | None
    call_duration_min_secs: Seconds | None
    call_start_after_unix: Moment | None
    call_start_before_unix: Moment | None
    call_successful: Literal["success", "failure", "unknown", "error"] | str | None  # noqa: PYI051 - completion
    conversation_initiation_source: InitiationSource | None
    conversation_product_type: ConversationProduct | None
    cursor: str | None
    data_collection_params: Strings | None
    dynamic_variable_params: Strings | None
    evaluation_params: Strings | None
    exclude_statuses: ConversationStatus | Sequence[ConversationStatus] | None
    has_feedback_comment: bool | None
    include_invalid_tool_calls: bool | None
    main_languages: Strings | None
    page_size: SearchPageSize | None
    phone_number_ids: Strings | None
    rating_max: Rating | None
    rating_min: Rating | None
    sort_by: Literal["search_score", "created_at"] | str | None  # noqa: PYI051 - completion
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
    triggered_procedure_ids: UpTo50Strings | None
    user_id: str | None
    version_id: str | None
    visited_agent_branch_ids: UpTo50Strings | None
    visited_agent_ids: UpTo50Strings | None
    whatsapp_phone_number_ids: Strings | None


def describe_filters(known: type) -> Callable[[F], F]:
    """Return a decorator that names these filters, with their meanings, in the docstring and the signature.

    ``help()`` and the completion of IPython then show what ``**filters`` may be; type checkers read the TypedDict.
    """

    def describe(function: F) -> F:
        meanings = {**_meanings(ConversationFilters), **_meanings(known)}
        listed = "".join(f"    {name}: {meanings.get(name, '')}\n" for name in known.__annotations__)
        function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nFilters:\n{listed}"
        signature = inspect.signature(function)
        filters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation.__forward_arg__)
            for name, annotation in known.__annotations__.items()
        ]
        *others, _ = signature.parameters.values()
        function.__signature__ = signature.replace(parameters=[*others, *filters])  # type: ignore[attr-defined]
        return function

    return describe


def _meanings(known: type) -> dict[str, str]:
    _, _, attributes = inspect.cleandoc(known.__doc__ or "").partition("Attributes:\n")
    return {
        name: meaning.strip()
        for name, meaning in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE)
    }


def validate_filters(filters: Mapping[str, Any], known: type) -> dict[str, Any]:
    """Return the filters as they go into the query, after refusing what the service would misunderstand.

    The service ignores a parameter that it does not know: a misspelt filter would return everything.

    Args:
        filters: The values, by name.
        known: The TypedDict that names what there is.

    Raises:
        TypeError: There is no such filter.
        InvalidArgumentError: A value is empty, out of range or of another type, or a range ends before it begins.
    """
    validators = _validators(known)
    values: dict[str, Any] = {}
    for name, value in filters.items():
        if name not in validators:
            from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

            close = get_close_matches(name, validators, n=1)
            hint = f": did you mean {close[0]!r}?" if close else f"; there are {', '.join(sorted(validators))}"
            raise TypeError(f"{name!r} is not a filter of this list{hint}")
        if value is None:
            continue
        if _is_empty(value):
            # The service would take it for no filter at all.
            raise InvalidArgumentError(name, "is empty, which would list everything: leave it out, or pass None")
        values[name] = validators[name](name, value)
    for low, high in _RANGES:
        validate_order(low, values.get(low), high, values.get(high))
    return values


@cache
def _validators(known: type) -> dict[str, Callable[[str, Any], Any]]:
    hints = get_type_hints(known, include_extras=True)
    return {name: _validator(name, get_args(hint)) for name, hint in hints.items()}


def _validator(name: str, kinds: Sequence[Any]) -> Callable[[str, Any], Any]:
    """Return the check of a filter that may be of these types."""
    for kind in kinds:
        if get_origin(kind) is Annotated:
            inner, bounds = get_args(kind)
            if inner is int:
                return partial(validate_integer, **bounds._asdict())
            return partial(validate_texts, most=bounds.largest)
        if kind is bool:
            return validate_flag
        if kind is datetime:
            # Rounding never makes the range narrower.
            return partial(to_unix_seconds, up=name.endswith("_before_unix"))
        if get_origin(kind) is Sequence:
            return validate_texts
    return validate_id if name == "agent_id" else validate_text


def _is_empty(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, Sequence) and not value
