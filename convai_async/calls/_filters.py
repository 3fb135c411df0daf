"""The filters of the conversations list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypedDict

from convai_async.calls._call import checked_id
from convai_async.calls._query import check_page_size, unix_seconds
from convai_async.errors import InvalidArgumentError

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
            lte, in (values parted by ``|``), exists or missing.
        tool_names: Used any of these tools.
        page_size: Conversations in a page, 1 to 100; 100 by default, for the fewest requests.
        summary_mode: Whether ``transcript_summary`` is filled in; ``"exclude"`` by default.
        search: Full-text or fuzzy search over the messages.
    """

    cursor: str | None
    agent_id: str | None
    call_successful: Literal["success", "failure", "unknown"] | str | None  # noqa: PYI051 - completion
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


def check_filters(filters: Mapping[str, Any], known: type) -> dict[str, Any]:
    """Return the filters as they go into the query, after refusing what the service would misunderstand.

    The service ignores a parameter that it does not know: a misspelt filter would return everything.

    Args:
        filters: The values, by name.
        known: The TypedDict that names what there is.

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
        if not isinstance(filters[name], int | float) and filters[name] is not None and not filters[name]:
            # The service would take it for no filter at all.
            raise InvalidArgumentError(name, "is empty, which would list everything: leave it out, or pass None")
    check_page_size(filters.get("page_size"))
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


def _moment(values: dict[str, Any], name: str, *, up: bool) -> int | None:
    value = values.get(name)
    if value is None:
        return None
    values[name] = seconds = unix_seconds(name, value, up=up)
    return seconds
