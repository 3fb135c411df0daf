from __future__ import annotations

import inspect
import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from convai_async import endpoints
from convai_async.endpoints import Request, _filter_help
from convai_async.errors import InvalidArgumentError
from convai_async.models import ConversationSummary
from convai_async.resources import Conversations
from convai_async.resources._messages import MessagesResource

if TYPE_CHECKING:
    from collections.abc import Callable
from invalid_values import HALF_SURROGATE, NOT_INTEGERS, NOT_TEXTS

CONTRACT = msgspec.json.decode((Path(__file__).parents[1] / "data/openapi.json").read_bytes())


def test_every_parameter_of_the_contract_is_a_filter() -> None:
    parameters = CONTRACT["paths"]["/v1/convai/conversations"]["get"]["parameters"]
    assert set(endpoints.ConversationFilters.__annotations__) >= {parameter["name"] for parameter in parameters}


@pytest.mark.parametrize(
    ("function", "known", "others"),
    [
        (Conversations.list, endpoints.ConversationFilters, ["self"]),
        (MessagesResource.text_search, endpoints.MessageFilters, ["self", "text_query"]),
        (endpoints.list_conversations, endpoints.ConversationFilters, []),
        (endpoints.text_search_messages, endpoints.MessageFilters, ["text_query"]),
    ],
)
def test_help_lists_every_filter_with_its_description(
    function: Callable[..., object], known: type, others: list[str]
) -> None:
    filters = sorted(known.__annotations__)
    parameters = inspect.signature(function).parameters
    assert list(parameters) == others + filters
    assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in filters)
    assert parameters["rating_min"].annotation == "Rating | None"
    _, _, arguments = (inspect.getdoc(function) or "").partition("\nArgs:\n")
    arguments, _, _ = arguments.partition("\nRaises:\n")
    entries = re.findall(r"^    (\w+): (\S.*(?:\n {8}.*)*)", arguments, re.MULTILINE)
    assert [name for name, _ in entries] == [name for name in others if name != "self"] + filters
    assert all(meaning.endswith(".") and '"""' not in meaning for _, meaning in entries)
    assert "filters" not in dict(entries)


def test_shared_filters_are_declared_once() -> None:
    source = Path(inspect.getfile(endpoints.ConversationFilters)).read_text()
    shared = endpoints.ConversationFilters.__annotations__.keys() & endpoints.MessageFilters.__annotations__.keys()
    assert shared - {"page_size", "summary_mode"} == set(endpoints.CommonFilters.__annotations__)
    for name in endpoints.CommonFilters.__annotations__:
        assert len(re.findall(rf"^    {name}: ", source, re.MULTILINE)) == 1


def test_help_lists_filters_without_source_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_os_error(_: object) -> str:
        raise OSError

    def search(**filters: object) -> None:
        """Search.

        Args:
            **filters: The filters.
        """

    monkeypatch.setattr(inspect, "getsource", raise_os_error)
    _filter_help._read_descriptions.cache_clear()
    described = _filter_help.describe_filters(endpoints.MessageFilters)(search)
    assert list(inspect.signature(described).parameters) == sorted(endpoints.MessageFilters.__annotations__)
    assert "    rating_min:" in (described.__doc__ or "")
    _filter_help._read_descriptions.cache_clear()


def test_help_says_which_parameters_do_not_filter() -> None:
    listed = inspect.getdoc(Conversations.list) or ""
    for name, field in (
        ("data_collection_ids", "data_collection_results"),
        ("evaluation_criteria_ids", "evaluation_criteria_results"),
    ):
        assert re.search(rf"{name}: Not a filter, [^.]*``{field}``", listed)
        assert field in ConversationSummary.__struct_fields__


def test_filters_are_encoded_in_the_query() -> None:
    call = endpoints.list_conversations(
        cursor="c/1",
        agent_id="agent_1",
        call_successful="failure",
        call_start_after_unix=datetime(2026, 1, 1, tzinfo=UTC),
        call_start_before_unix=datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=1))),
        call_duration_min_secs=0,
        call_duration_max_secs=60,
        rating_min=1,
        rating_max=5,
        has_feedback_comment=False,
        user_id="ü",
        evaluation_params=["a:success", "b:failure"],
        data_collection_params=("x:eq:1",),
        tool_names="only_one",
        page_size=7,
        summary_mode="include",
        search="refund please",
    )
    assert sorted(call.query) == sorted(
        [
            ("cursor", "c/1"),
            ("agent_id", "agent_1"),
            ("call_successful", "failure"),
            ("call_start_after_unix", "1767225600"),
            ("call_start_before_unix", "1767229200"),
            ("call_duration_min_secs", "0"),
            ("call_duration_max_secs", "60"),
            ("rating_min", "1"),
            ("rating_max", "5"),
            ("has_feedback_comment", "false"),
            ("user_id", "ü"),
            ("evaluation_params", "a:success"),
            ("evaluation_params", "b:failure"),
            ("data_collection_params", "x:eq:1"),
            ("tool_names", "only_one"),
            ("page_size", "7"),
            ("summary_mode", "include"),
            ("search", "refund please"),
        ]
    )


def test_none_filters_are_left_out_and_page_size_is_100_by_default() -> None:
    assert endpoints.list_conversations(agent_id=None, tool_names=None).query == (("page_size", "100"),)


@pytest.mark.parametrize("filters", [{"agent_id": ""}, {"tool_names": []}, {"search": ""}, {"user_id": ""}])
def test_empty_filter_is_refused(filters: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{next(iter(filters))}: is empty"):
        endpoints.list_conversations(**filters)


def test_fractional_unix_seconds_are_rounded_and_non_numbers_are_refused() -> None:
    query = dict(endpoints.list_conversations(call_start_after_unix=12.5, call_start_before_unix=13.5).query)
    assert (query["call_start_after_unix"], query["call_start_before_unix"]) == ("12", "14")
    for value in (float("nan"), float("inf"), True):
        with pytest.raises(InvalidArgumentError, match=r"^call_start_after_unix: "):
            endpoints.list_conversations(call_start_after_unix=value)


def test_fractional_datetimes_are_rounded_outwards() -> None:
    moment = datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    query = dict(endpoints.list_conversations(call_start_after_unix=moment, call_start_before_unix=moment).query)
    assert query["call_start_after_unix"] == "1767225600"
    assert query["call_start_before_unix"] == "1767225601"


@pytest.mark.parametrize(
    ("filters", "parameter"),
    [
        ({"page_size": 0}, "page_size"),
        ({"page_size": 101}, "page_size"),
        ({"page_size": True}, "page_size"),
        ({"page_size": "30"}, "page_size"),
        ({"rating_min": 0}, "rating_min"),
        ({"rating_max": 6}, "rating_max"),
        ({"rating_min": 4, "rating_max": 3}, "rating_min"),
        ({"call_duration_min_secs": -1}, "call_duration_min_secs"),
        ({"call_duration_min_secs": 61, "call_duration_max_secs": 60}, "call_duration_min_secs"),
        ({"visited_agent_ids": ["a"] * 51}, "visited_agent_ids"),
        ({"triggered_procedure_ids": ["a"] * 51}, "triggered_procedure_ids"),
        ({"visited_agent_branch_ids": ["a"] * 51}, "visited_agent_branch_ids"),
        ({"call_start_after_unix": 2**63}, "call_start_after_unix"),
        ({"call_start_after_unix": -(2**63)}, "call_start_after_unix"),
        ({"agent_id": ".."}, "agent_id"),
        ({"call_start_after_unix": datetime(2026, 1, 1)}, "call_start_after_unix"),  # noqa: DTZ001
        ({"call_start_before_unix": "2026-01-01"}, "call_start_before_unix"),
        ({"call_start_after_unix": 20, "call_start_before_unix": 10}, "call_start_after_unix"),
        ({"search": "\ud800"}, "search"),
        ({"search": b"bytes"}, "search"),
        ({"tool_names": [object()]}, "tool_names"),
    ],
)
def test_invalid_filter_is_refused_by_name(filters: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{parameter}: ") as caught:
        endpoints.list_conversations(**filters)
    assert caught.value.parameter == parameter


NUMBERS = {"page_size", "rating_min", "rating_max", "call_duration_min_secs", "call_duration_max_secs"}


FLAGS = {"has_feedback_comment", "include_invalid_tool_calls", "text_only"}


MOMENTS = {"call_start_after_unix", "call_start_before_unix"}


SINGLE = {
    "agent_id", "branch_id", "call_successful", "conversation_initiation_source", "conversation_product_type", "cursor",
    "data_collection_filter", "dynamic_variable_filter", "parent_conversation_id", "search", "sort_by",
    "sort_direction", "summary_mode", "user_id", "version_id", "workflow_node_entered_id",
}  # fmt: skip


def wrong_values(name: str) -> list[Any]:
    if name in NUMBERS:
        return NOT_INTEGERS
    if name in FLAGS:
        return [0, 1, "true", "", [True]]
    if name in MOMENTS:
        return ["2026-01-01", True, [5], math.nan, math.inf, 10**400, datetime(2026, 1, 1), date(2026, 1, 1)]  # noqa: DTZ001
    if name in SINGLE:
        return [*NOT_TEXTS, ["a"], ["a", "b"]]
    return [*NOT_TEXTS, [], [""], ["a", " "], ["a", 5], [HALF_SURROGATE], {"a"}, iter("a")]


@pytest.mark.parametrize(
    ("make", "known"),
    [
        (endpoints.list_conversations, endpoints.ConversationFilters),
        (partial(endpoints.text_search_messages, "a"), endpoints.MessageFilters),
    ],
)
def test_filter_of_wrong_type_is_refused_by_name(make: Callable[..., Request[Any]], known: type) -> None:
    for name in known.__annotations__:
        for value in wrong_values(name):
            with pytest.raises(InvalidArgumentError) as caught:
                make(**{name: value})
            assert caught.value.parameter == name, value


def test_numbers_at_the_ends_of_their_range_are_sent() -> None:
    ends: dict[str, Any] = {
        "page_size": (1, 100), "rating_min": (1, 5), "rating_max": (1, 5), "call_duration_min_secs": (0, 10**6),
        "call_duration_max_secs": (0, 10**6), "call_start_after_unix": (1 - 2**63, 2**63 - 1),
    }  # fmt: skip
    for name, values in ends.items():
        for value in values:
            assert (name, str(value)) in endpoints.list_conversations(**{name: value}).query
    same: dict[str, Any] = {"rating_min": 3, "rating_max": 3, "call_duration_min_secs": 9, "call_duration_max_secs": 9}
    assert len(endpoints.list_conversations(**same).query) == 5
    assert len(endpoints.list_conversations(visited_agent_ids=["a"] * 50).query) == 51
    assert dict(endpoints.text_search_messages("a", page_size=50).query)["page_size"] == "50"
    for make in (endpoints.text_search_messages, endpoints.search_messages):
        with pytest.raises(InvalidArgumentError, match=r"^page_size: must be a whole number from 1 to 50, got 51"):
            make("a", page_size=51)


@pytest.mark.parametrize(
    ("filters", "problem"),
    [
        ({"rating_min": 10**5000}, "rating_min: must be a whole number from 1 to 5, got a huge number$"),
        ({"call_duration_min_secs": -1}, "call_duration_min_secs: must be a whole number, 0 or more, got -1$"),
        ({"tool_names": b"a"}, "tool_names: must be a string or a list of strings, not bytes$"),
        ({"tool_names": ["a", 5]}, "tool_names: must be a string, not int$"),
        ({"visited_agent_ids": ["a"] * 51}, "visited_agent_ids: must have at most 50 values, got 51$"),
        ({"text_only": 1}, "text_only: must be True or False, got 1$"),
        ({"agent_id": ".."}, "agent_id: '..' is a path segment, not an id$"),
        ({"call_start_after_unix": "now"}, "call_start_after_unix: must be a datetime or Unix seconds, got 'now'$"),
        ({"rating_min": 4, "rating_max": 3}, "rating_min: 4 is more than rating_max, 3$"),
    ],
)
def test_error_says_which_values_a_filter_accepts(filters: Any, problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{problem}"):
        endpoints.list_conversations(**filters)


def test_unknown_filter_raises_type_error_with_a_suggestion() -> None:
    with pytest.raises(TypeError, match=r"'agent' is not a filter of this list: did you mean 'agent_id'\?"):
        endpoints.list_conversations(agent="agent_1")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="there are agent_id, "):
        endpoints.list_conversations(zzz=1)  # type: ignore[call-arg]
