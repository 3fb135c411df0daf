from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convai_async import calls
from convai_async.calls import Call, FileBody, JSONBody
from convai_async.errors import DecodeError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

CONTRACT = msgspec.json.decode((Path(__file__).parent / "data/openapi.json").read_bytes())

EVERY_CALL: dict[str, Call[Any]] = {
    "list": calls.list_conversations(),
    "get": calls.get_conversation("conv_1"),
    "delete": calls.delete_conversation("conv_1"),
    "audio": calls.get_audio("conv_1"),
    "signed URL": calls.get_signed_url("agent_1"),
    "token": calls.get_webrtc_token("agent_1"),
    "feedback": calls.create_feedback("conv_1", "like"),
    "link": calls.get_agent_link("agent_1"),
    "upload": calls.create_file("conv_1", b"%PDF", filename="a.pdf", content_type="application/pdf"),
    "delete file": calls.delete_file("conv_1", "file_1"),
    "SIP": calls.get_sip_messages("conv_1"),
}
BEYOND_THE_CONTRACT = {
    ("POST", "/v1/convai/conversations/{}/files"),
    ("DELETE", "/v1/convai/conversations/{}/files/{}"),
    ("GET", "/v1/convai/conversations/{}/sip-messages"),
}


def test_the_calls_are_the_contracts_operations_and_the_three_beyond_it() -> None:
    ours = {(call.method, re.sub(r"(conv|agent|file)_1", "{}", call.path)) for call in EVERY_CALL.values()}
    contract = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, methods in CONTRACT["paths"].items()
        for method in methods
    }
    assert ours == contract | BEYOND_THE_CONTRACT


def test_the_filters_are_the_contracts_parameters() -> None:
    parameters = CONTRACT["paths"]["/v1/convai/conversations"]["get"]["parameters"]
    assert set(calls.ConversationFilters.__annotations__) >= {parameter["name"] for parameter in parameters}
    for name in calls.ConversationFilters.__annotations__:
        assert f"{name}: " in (calls.ConversationFilters.__doc__ or "")


@pytest.mark.parametrize("call", EVERY_CALL.values(), ids=EVERY_CALL)
def test_only_posts_are_not_idempotent(call: Call[Any]) -> None:
    assert call.idempotent is (call.method != "POST")


def test_every_filter_goes_to_the_wire_in_its_form() -> None:
    call = calls.list_conversations(
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
    assert calls.list_conversations(agent_id=None, tool_names=None).query == (("page_size", "100"),)


@pytest.mark.parametrize("filters", [{"agent_id": ""}, {"tool_names": []}, {"search": ""}, {"user_id": ""}])
def test_a_filter_that_is_empty_is_refused_since_it_would_list_everything(filters: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{next(iter(filters))}: is empty"):
        calls.list_conversations(**filters)


def test_unix_seconds_may_have_a_fraction() -> None:
    query = dict(calls.list_conversations(call_start_after_unix=12.5, call_start_before_unix=13.5).query)
    assert (query["call_start_after_unix"], query["call_start_before_unix"]) == ("12", "14")
    for odd in (float("nan"), float("inf"), True):
        with pytest.raises(InvalidArgumentError, match=r"^call_start_after_unix: "):
            calls.list_conversations(call_start_after_unix=odd)


def test_json_that_goes_in_circles_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidArgumentError, match=r"^json: "):
        calls.request("POST", "/x", json=circle)


def test_a_rating_that_is_none_is_refused() -> None:
    odd: Any = "meh"
    with pytest.raises(InvalidArgumentError, match=r"^feedback: must be 'like', 'dislike' or None"):
        calls.create_feedback("conv_1", odd)


def test_fractions_of_a_second_never_narrow_the_range() -> None:
    moment = datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    query = dict(calls.list_conversations(call_start_after_unix=moment, call_start_before_unix=moment).query)
    assert query["call_start_after_unix"] == "1767225600"
    assert query["call_start_before_unix"] == "1767225601"


@pytest.mark.parametrize(
    ("filters", "parameter"),
    [
        ({"page_size": 0}, "page_size"),
        ({"page_size": 101}, "page_size"),
        ({"page_size": True}, "page_size"),
        ({"page_size": "30"}, "page_size"),
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
        calls.list_conversations(**filters)
    assert caught.value.parameter == parameter


def test_a_misspelt_filter_is_refused_since_the_service_would_ignore_it() -> None:
    with pytest.raises(TypeError, match=r"'agent' is not a filter of this list: did you mean 'agent_id'\?"):
        calls.list_conversations(agent="agent_1")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="there are agent_id, "):
        calls.list_conversations(zzz=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("odd", ["", " ", ".", "..", "a\nb", "a\x00b", "a\x7f", "\u2028", None, 5, b"conv_1"])
def test_ids_that_are_none_are_refused_by_the_name_of_their_parameter(odd: Any) -> None:
    makers: dict[str, Callable[[Any], object]] = {
        "conversation_id": calls.get_conversation,
        "agent_id": calls.get_agent_link,
        "file_id": lambda value: calls.delete_file("conv_1", value),
    }
    for name, make in makers.items():
        with pytest.raises(InvalidArgumentError, match=f"^{name}: "):
            make(odd)
    with pytest.raises(InvalidArgumentError, match=r"^agent_id: "):
        calls.get_signed_url(odd)
    with pytest.raises(InvalidArgumentError, match=r"^agent_id: "):
        calls.get_webrtc_token(odd)


@given(st.text(min_size=1))
def test_an_id_stays_one_segment_of_the_path_whatever_it_holds(conversation_id: str) -> None:
    try:
        path = calls.get_conversation(conversation_id).path
    except InvalidArgumentError:
        return
    assert re.fullmatch(r"/v1/convai/conversations/[A-Za-z0-9_.~%-]+", path)
    assert path.rsplit("/", 1)[1] not in {".", ".."}


def test_feedback_sends_null_to_take_a_rating_back() -> None:
    assert calls.create_feedback("conv_1", "like").body == JSONBody(b'{"feedback":"like"}')
    assert calls.create_feedback("conv_1", None).body == JSONBody(b'{"feedback":null}')


def test_signed_url_and_token_take_all_their_parameters() -> None:
    call = calls.get_signed_url("agent_1", include_conversation_id=True, branch_id="b", environment="staging")
    assert dict(call.query) == {
        "agent_id": "agent_1",
        "include_conversation_id": "true",
        "branch_id": "b",
        "environment": "staging",
    }
    assert dict(calls.get_webrtc_token("agent_1", participant_name="Ann").query) == {
        "agent_id": "agent_1",
        "participant_name": "Ann",
    }


def test_an_upload_is_one_multipart_field() -> None:
    assert EVERY_CALL["upload"].body == FileBody("file", b"%PDF", "a.pdf", "application/pdf")


def test_any_endpoint_can_be_called() -> None:
    call = calls.request("patch", "/v1/convai/tags/t 1", query={"a": [1, 2], "b": None}, json={"title": "x"})
    assert (call.method, call.path, call.query) == ("PATCH", "/v1/convai/tags/t%201", (("a", "1"), ("a", "2")))
    assert call.body == JSONBody(b'{"title":"x"}')
    assert call.idempotent is False
    assert calls.request("PUT", "/x").idempotent is True
    assert calls.request("POST", "/x", idempotent=True).idempotent is True


@pytest.mark.parametrize("path", ["", "v1/x", "https://evil.example/v1", "/v1?x=1", "/v1#x", "/v1\n"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^path: "):
        calls.request("GET", path)


def test_json_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^json: "):
        calls.request("POST", "/x", json=object())


def test_the_reply_to_any_endpoint_is_its_json() -> None:
    decode = calls.request("GET", "/x").decode
    assert decode(b'{"a": [1]}') == {"a": [1]}
    assert decode(b"") is None
    for broken in (b"{", b"<html>", b"\xff", b'{"a":' * 100_000):
        with pytest.raises(DecodeError) as caught:
            decode(broken)
        assert caught.value.body == broken
