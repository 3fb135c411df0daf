from __future__ import annotations

import inspect
import json
import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from every_endpoint import EXAMPLES, build_request
from hypothesis import given
from hypothesis import strategies as st

from convai_async import endpoints
from convai_async.endpoints import FileBody, JSONBody, Request, _filter_help
from convai_async.errors import DecodeError, InvalidArgumentError
from convai_async.models import ConversationSummary
from convai_async.resources import Conversations
from convai_async.resources._messages import MessagesResource
from convai_async.testing.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable

HALF = "\ud800"
CONTRACT = msgspec.json.decode((Path(__file__).parents[1] / "data/openapi.json").read_bytes())

EVERY_REQUEST: dict[str, Request[Any]] = {name: build_request(name) for name in EXAMPLES}


def test_endpoints_include_every_operation_of_the_openapi_document() -> None:
    ours = {(each.method, re.sub(r"(conv|agent|file|tag)_1", "{}", each.path)) for each in EVERY_REQUEST.values()}
    contract = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, methods in CONTRACT["paths"].items()
        for method in methods
    }
    fake = {(each.methods[0], re.sub(r"\{\w+\}", "{}", each.path)) for each in ROUTES.values()}
    assert ours == fake >= contract


def test_the_filters_are_the_contracts_parameters() -> None:
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
def test_help_names_every_filter_with_its_meaning(
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


def test_help_names_the_filters_also_without_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_help_says_which_parameters_are_not_filters() -> None:
    listed = inspect.getdoc(Conversations.list) or ""
    for name, field in (
        ("data_collection_ids", "data_collection_results"),
        ("evaluation_criteria_ids", "evaluation_criteria_results"),
    ):
        assert re.search(rf"{name}: Not a filter: [^.]*``{field}``", listed)
        assert field in ConversationSummary.__struct_fields__


@pytest.mark.parametrize("name", EVERY_REQUEST)
def test_only_posts_are_not_idempotent(name: str) -> None:
    request = EVERY_REQUEST[name]
    assert request.idempotent is (request.method != "POST" or name == "assign_tags")


def test_every_filter_goes_to_the_wire_in_its_form() -> None:
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


def test_filters_that_say_nothing_are_left_out_and_pages_are_as_large_as_they_may_be() -> None:
    assert endpoints.list_conversations(agent_id=None, tool_names=None).query == (("page_size", "100"),)


@pytest.mark.parametrize("filters", [{"agent_id": ""}, {"tool_names": []}, {"search": ""}, {"user_id": ""}])
def test_a_filter_that_is_empty_is_refused_since_it_would_list_everything(filters: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{next(iter(filters))}: is empty"):
        endpoints.list_conversations(**filters)


def test_unix_seconds_may_have_a_fraction() -> None:
    query = dict(endpoints.list_conversations(call_start_after_unix=12.5, call_start_before_unix=13.5).query)
    assert (query["call_start_after_unix"], query["call_start_before_unix"]) == ("12", "14")
    for odd in (float("nan"), float("inf"), True):
        with pytest.raises(InvalidArgumentError, match=r"^call_start_after_unix: "):
            endpoints.list_conversations(call_start_after_unix=odd)


def test_json_that_goes_in_circles_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidArgumentError, match=r"^json: "):
        endpoints.request("POST", "/x", json=circle)


def test_a_rating_that_is_none_is_refused() -> None:
    odd: Any = "meh"
    with pytest.raises(InvalidArgumentError, match=r"^feedback: must be 'like', 'dislike' or None"):
        endpoints.create_feedback("conv_1", odd)


def test_fractions_of_a_second_never_narrow_the_range() -> None:
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
def test_a_filter_that_cannot_be_meant_is_refused_by_name(filters: dict[str, Any], parameter: str) -> None:
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
NO_NUMBER = [True, 1.5, "1", [1], b"1", 10**5000]
NO_TEXT = [True, 5, 1.5, b"a", "", " ", HALF, {"a": 1}, object()]


def of_another_type(name: str) -> list[Any]:
    if name in NUMBERS:
        return NO_NUMBER
    if name in FLAGS:
        return [0, 1, "true", "", [True]]
    if name in MOMENTS:
        return ["2026-01-01", True, [5], math.nan, math.inf, 10**400, datetime(2026, 1, 1), date(2026, 1, 1)]  # noqa: DTZ001
    if name in SINGLE:
        return [*NO_TEXT, ["a"], ["a", "b"]]
    return [*NO_TEXT, [], [""], ["a", " "], ["a", 5], [HALF], {"a"}, iter("a")]


@pytest.mark.parametrize(
    ("make", "known"),
    [
        (endpoints.list_conversations, endpoints.ConversationFilters),
        (partial(endpoints.text_search_messages, "a"), endpoints.MessageFilters),
    ],
)
def test_a_filter_of_another_type_is_refused_by_name(make: Callable[..., Request[Any]], known: type) -> None:
    for name in known.__annotations__:
        for value in of_another_type(name):
            with pytest.raises(InvalidArgumentError) as caught:
                make(**{name: value})
            assert caught.value.parameter == name, value


def test_numbers_at_the_ends_of_their_ranges_are_sent() -> None:
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
    ("query", "problem"),
    [
        ({"a": 1.5}, "a: cannot be sent in a query: its type is float"),
        ({"a": 2**63}, r"a: must be a whole number, -\d+ or more, got a huge number"),
        ({"a": -(2**63)}, r"a: must be a whole number, -\d+ or more, got a huge number"),
        ({"a": [b"x"]}, "a: cannot be sent in a query: its type is bytes"),
        ({"a": HALF}, "a: holds half a surrogate pair, which UTF-8 cannot encode"),
        ({"a": datetime(2026, 1, 1)}, r"a: 2026-01-01T00:00:00 has no time zone: add one"),  # noqa: DTZ001
    ],
)
def test_a_query_that_has_no_form_on_the_wire_is_refused(query: Any, problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{problem}"):
        endpoints.request("GET", "/x", query=query)


def test_a_query_holds_numbers_booleans_moments_and_lists() -> None:
    moment = datetime(2026, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)
    query = {"a": [2**63 - 1, 1 - 2**63], "b": True, "c": False, "d": moment, "e": (), "f": None, "g": "ü"}
    assert endpoints.request("GET", "/x", query=query).query == (
        ("a", str(2**63 - 1)),
        ("a", str(1 - 2**63)),
        ("b", "true"),
        ("c", "false"),
        ("d", "1767225600"),
        ("g", "ü"),
    )


@pytest.mark.parametrize(
    ("filters", "problem"),
    [
        ({"rating_min": 10**5000}, "rating_min: must be a whole number from 1 to 5, got a huge number$"),
        ({"call_duration_min_secs": -1}, "call_duration_min_secs: must be a whole number, 0 or more, got -1$"),
        ({"tool_names": b"a"}, "tool_names: must be a string or a list of strings, not bytes$"),
        ({"tool_names": ["a", 5]}, "tool_names: must be a string, not int$"),
        ({"visited_agent_ids": ["a"] * 51}, "visited_agent_ids: must have at most 50 values, got 51$"),
        ({"text_only": 1}, "text_only: must be True or False, got 1$"),
        ({"agent_id": ".."}, "agent_id: '..' is a step in a path, not an id$"),
        ({"call_start_after_unix": "now"}, "call_start_after_unix: must be a datetime or unix seconds, got 'now'$"),
        ({"rating_min": 4, "rating_max": 3}, "rating_min: 4 is more than rating_max, 3: nothing can match$"),
    ],
)
def test_an_error_says_what_a_filter_must_be(filters: Any, problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{problem}"):
        endpoints.list_conversations(**filters)


def test_free_text_that_is_blank_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^text_query: must not be empty$"):
        endpoints.search_messages(" \n")


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(str.strip))
def test_free_text_is_sent_as_it_is(text: str) -> None:
    assert dict(endpoints.search_messages(text).query)["text_query"] == text
    assert dict(endpoints.text_search_messages(text).query)["text_query"] == text
    assert (
        dict(endpoints.list_conversations(search=text, user_id=text).query).items()
        >= {"search": text, "user_id": text}.items()
    )
    assert dict(endpoints.resolve_conversation("agent_1", text).query)["reference"] == text
    assert dict(endpoints.get_webrtc_token("agent_1", participant_name=text).query)["participant_name"] == text
    for call in (endpoints.create_tag(text, text), endpoints.update_tag("tag_1", title=text, description=text)):
        assert isinstance(call.body, JSONBody)
        assert json.loads(call.body.content) == {"title": text, "description": text}


ACCESS: dict[str, list[Any]] = {
    "branch_id": ["", "..", "a\nb", 5],
    "version_id": ["", 5],
    "environment": ["", " ", 5],
    "debug_events_request": [1, "true"],
}
REFUSED: list[tuple[Callable[..., Request[Any]], dict[str, list[Any]]]] = [
    (partial(endpoints.get_conversation, "c"), {"format": ["xml", "", 5, ["json"]]}),
    (partial(endpoints.get_conversation_summary, "c"), {"max_messages": [-1, *NO_NUMBER]}),
    (partial(endpoints.resolve_conversation, "agent_1"), {"reference": NO_TEXT}),
    (partial(endpoints.resolve_conversation, reference="https://a.slack.com"), {"agent_id": ["", "..", 5]}),
    (
        partial(endpoints.run_evaluation, "c", "polite"),
        {"scope": ["turn", "", 5], "evaluated_agent_id": ["", "..", 5], "evaluated_branch_id": ["", 5]},
    ),
    (partial(endpoints.run_evaluation, "c"), {"evaluation_id": ["", "..", 5, None]}),
    (partial(endpoints.create_feedback, "c"), {"feedback": ["meh", "", 5, ["like"], {}]}),
    (partial(endpoints.get_sip_messages, "c"), {"page_size": [0, 101, *NO_NUMBER], "cursor": ["", 5]}),
    (partial(endpoints.get_signed_url, "a"), {"include_conversation_id": [1, "true"], **ACCESS}),
    (partial(endpoints.get_webrtc_token, "a"), {"participant_name": ["", 5], **ACCESS}),
    (endpoints.list_tags, {"page_size": [0, 101, *NO_NUMBER], "cursor": ["", 5]}),
    (endpoints.create_tag, {"title": [*NO_TEXT, None]}),
    (partial(endpoints.create_tag, "a"), {"description": [5, object(), HALF]}),
    (partial(endpoints.update_tag, "tag_1"), {"title": [*NO_TEXT, None], "description": [5, object(), HALF]}),
    (partial(endpoints.assign_tags, "c"), {"tag_ids": ["a", [], [""], [5], 5, None]}),
    (endpoints.search_messages, {"text_query": [*NO_TEXT, None]}),
    (
        partial(endpoints.search_messages, "a"),
        {"page_size": [0, 51, *NO_NUMBER], "agent_id": ["", "..", 5], "branch_id": ["", 5], "cursor": ["", 5]},
    ),
    (
        partial(endpoints.get_agent_topics, "a"),
        {
            "page_size": [0, 101, *NO_NUMBER],
            "sort_by": ["name", "", 5],
            "sort_direction": ["up", 5],
            "from_unix_secs": ["today", math.nan],
            "to_unix_secs": ["today", True],
            "include_evaluation_criteria": [1, "no"],
            "cursor": ["", 5],
        },
    ),
    (
        partial(endpoints.create_file, "c", filename="a", content_type="a/b"),
        {"content": ["text", None, bytearray(b"a")]},
    ),
    (
        partial(endpoints.create_file, "c", b"", filename="a"),
        {"content_type": ["", "pdf", "a/b\r\nx: y", "a/b; \n", "ä/b", 5, None]},
    ),
    (partial(endpoints.create_file, "c", b"", content_type="a/b"), {"filename": [*NO_TEXT, None]}),
]


def test_an_argument_without_a_meaning_is_refused_by_name() -> None:
    for make, arguments in REFUSED:
        for name, values in arguments.items():
            for value in values:
                with pytest.raises(InvalidArgumentError) as caught:
                    make(**{name: value})
                assert caught.value.parameter == name, (make, value)


def test_a_misspelt_keyword_is_a_type_error_and_never_part_of_the_body() -> None:
    misspelt: dict[str, Any] = {"titel": "x"}
    with pytest.raises(TypeError, match="titel"):
        endpoints.update_tag("tag_1", **misspelt)
    with pytest.raises(TypeError, match="titel"):
        endpoints.run_evaluation("conv_1", "polite", **misspelt)


def test_a_window_of_topics_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^from_unix_secs: 20 is more than to_unix_secs, 10"):
        endpoints.get_agent_topics("agent_1", from_unix_secs=20, to_unix_secs=10)
    call = endpoints.get_agent_topics("agent_1", from_unix_secs=10.5, to_unix_secs=10.5)
    assert call.query == (("from_unix_secs", "10"), ("to_unix_secs", "11"))


def test_a_description_can_be_emptied() -> None:
    assert endpoints.update_tag("tag_1", description="").body == JSONBody(b'{"description":""}')
    assert endpoints.update_tag("tag_1", description=None).body == JSONBody(b'{"description":null}')
    assert endpoints.create_tag("a", "").body == JSONBody(b'{"title":"a","description":""}')
    assert endpoints.create_tag("a").body == JSONBody(b'{"title":"a"}')


def test_a_misspelt_filter_is_refused_since_the_service_would_ignore_it() -> None:
    with pytest.raises(TypeError, match=r"'agent' is not a filter of this list: did you mean 'agent_id'\?"):
        endpoints.list_conversations(agent="agent_1")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="there are agent_id, "):
        endpoints.list_conversations(zzz=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("odd", ["", " ", ".", "..", "a\nb", "a\x00b", "a\x7f", "\u2028", None, 5, b"conv_1"])
def test_ids_that_are_none_are_refused_by_the_name_of_their_parameter(odd: Any) -> None:
    makers: dict[str, Callable[[Any], object]] = {
        "conversation_id": endpoints.get_conversation,
        "agent_id": endpoints.get_agent_link,
        "file_id": lambda value: endpoints.delete_file("conv_1", value),
    }
    for name, make in makers.items():
        with pytest.raises(InvalidArgumentError, match=f"^{name}: "):
            make(odd)
    with pytest.raises(InvalidArgumentError, match=r"^agent_id: "):
        endpoints.get_signed_url(odd)
    with pytest.raises(InvalidArgumentError, match=r"^agent_id: "):
        endpoints.get_webrtc_token(odd)


@given(st.text(min_size=1))
def test_an_id_stays_one_segment_of_the_path_whatever_it_holds(conversation_id: str) -> None:
    try:
        path = endpoints.get_conversation(conversation_id).path
    except InvalidArgumentError:
        return
    assert re.fullmatch(r"/v1/convai/conversations/[A-Za-z0-9_.~%-]+", path)
    assert path.rsplit("/", 1)[1] not in {".", ".."}


def test_feedback_sends_null_to_take_a_rating_back() -> None:
    assert endpoints.create_feedback("conv_1", "like").body == JSONBody(b'{"feedback":"like"}')
    assert endpoints.create_feedback("conv_1", None).body == JSONBody(b'{"feedback":null}')


def test_signed_url_and_token_take_all_their_parameters() -> None:
    call = endpoints.get_signed_url("agent_1", include_conversation_id=True, branch_id="b", environment="staging")
    assert dict(call.query) == {
        "agent_id": "agent_1",
        "include_conversation_id": "true",
        "branch_id": "b",
        "environment": "staging",
    }
    assert dict(endpoints.get_webrtc_token("agent_1", participant_name="Ann").query) == {
        "agent_id": "agent_1",
        "participant_name": "Ann",
    }


def test_an_upload_is_one_multipart_field() -> None:
    assert EVERY_REQUEST["create_file"].body == FileBody("file", b"%PDF", "a.pdf", "application/pdf")


def test_any_endpoint_can_be_called() -> None:
    call = endpoints.request("patch", "/v1/convai/tags/t 1", query={"a": [1, 2], "b": None}, json={"title": "x"})
    assert (call.method, call.path, call.query) == ("PATCH", "/v1/convai/tags/t%201", (("a", "1"), ("a", "2")))
    assert call.body == JSONBody(b'{"title":"x"}')
    assert call.idempotent is False
    assert endpoints.request("PUT", "/x").idempotent is True
    assert endpoints.request("POST", "/x", idempotent=True).idempotent is True


@pytest.mark.parametrize("path", ["", "v1/x", "https://evil.example/v1", "/v1?x=1", "/v1#x", "/v1\n"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^path: "):
        endpoints.request("GET", path)


def test_json_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^json: "):
        endpoints.request("POST", "/x", json=object())


def test_the_reply_to_any_endpoint_is_its_json() -> None:
    decode = endpoints.request("GET", "/x").decode
    assert decode(b'{"a": [1]}') == {"a": [1]}
    assert decode(b"") is None
    for broken in (b"{", b"<html>", b"\xff", b'{"a":' * 100_000):
        with pytest.raises(DecodeError) as caught:
            decode(broken)
        assert caught.value.body == broken
