from __future__ import annotations

import json
import math
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convai_async import endpoints
from convai_async.endpoints import JSONBody, Request
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable
from invalid_values import HALF_SURROGATE, NOT_INTEGERS, NOT_TEXTS


def test_unknown_rating_is_refused() -> None:
    value: Any = "meh"
    with pytest.raises(InvalidArgumentError, match=r"^feedback: must be 'like', 'dislike' or None"):
        endpoints.create_feedback("conv_1", value)


def test_blank_text_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^text_query: must not be empty$"):
        endpoints.search_messages(" \n")


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(str.strip))
def test_free_text_is_sent_unchanged(text: str) -> None:
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
    (partial(endpoints.get_conversation_summary, "c"), {"max_messages": [-1, *NOT_INTEGERS]}),
    (partial(endpoints.resolve_conversation, "agent_1"), {"reference": NOT_TEXTS}),
    (partial(endpoints.resolve_conversation, reference="https://a.slack.com"), {"agent_id": ["", "..", 5]}),
    (
        partial(endpoints.run_evaluation, "c", "polite"),
        {"scope": ["turn", "", 5], "evaluated_agent_id": ["", "..", 5], "evaluated_branch_id": ["", 5]},
    ),
    (partial(endpoints.run_evaluation, "c"), {"evaluation_id": ["", "..", 5, None]}),
    (partial(endpoints.create_feedback, "c"), {"feedback": ["meh", "", 5, ["like"], {}]}),
    (partial(endpoints.get_sip_messages, "c"), {"page_size": [0, 101, *NOT_INTEGERS], "cursor": ["", 5]}),
    (partial(endpoints.get_signed_url, "a"), {"include_conversation_id": [1, "true"], **ACCESS}),
    (partial(endpoints.get_webrtc_token, "a"), {"participant_name": ["", 5], **ACCESS}),
    (endpoints.list_tags, {"page_size": [0, 101, *NOT_INTEGERS], "cursor": ["", 5]}),
    (endpoints.create_tag, {"title": [*NOT_TEXTS, None]}),
    (partial(endpoints.create_tag, "a"), {"description": [5, object(), HALF_SURROGATE]}),
    (
        partial(endpoints.update_tag, "tag_1"),
        {"title": [*NOT_TEXTS, None], "description": [5, object(), HALF_SURROGATE]},
    ),
    (partial(endpoints.assign_tags, "c"), {"tag_ids": ["a", [], [""], [5], 5, None]}),
    (endpoints.search_messages, {"text_query": [*NOT_TEXTS, None]}),
    (
        partial(endpoints.search_messages, "a"),
        {"page_size": [0, 51, *NOT_INTEGERS], "agent_id": ["", "..", 5], "branch_id": ["", 5], "cursor": ["", 5]},
    ),
    (
        partial(endpoints.get_agent_topics, "a"),
        {
            "page_size": [0, 101, *NOT_INTEGERS],
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
    (partial(endpoints.create_file, "c", b"", content_type="a/b"), {"filename": [*NOT_TEXTS, None]}),
]


def test_invalid_argument_is_refused_by_name() -> None:
    for make, arguments in REFUSED:
        for name, values in arguments.items():
            for value in values:
                with pytest.raises(InvalidArgumentError) as caught:
                    make(**{name: value})
                assert caught.value.parameter == name, (make, value)


def test_unknown_keyword_raises_type_error() -> None:
    misspelt: dict[str, Any] = {"titel": "x"}
    with pytest.raises(TypeError, match="titel"):
        endpoints.update_tag("tag_1", **misspelt)
    with pytest.raises(TypeError, match="titel"):
        endpoints.run_evaluation("conv_1", "polite", **misspelt)


def test_topics_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^from_unix_secs: 20 is more than to_unix_secs, 10"):
        endpoints.get_agent_topics("agent_1", from_unix_secs=20, to_unix_secs=10)
    call = endpoints.get_agent_topics("agent_1", from_unix_secs=10.5, to_unix_secs=10.5)
    assert call.query == (("from_unix_secs", "10"), ("to_unix_secs", "11"))


@pytest.mark.parametrize("value", ["", " ", ".", "..", "a\nb", "a\x00b", "a\x7f", "\u2028", None, 5, b"conv_1"])
def test_invalid_id_is_refused_by_name(value: Any) -> None:
    makers: dict[str, Callable[[Any], object]] = {
        "conversation_id": endpoints.get_conversation,
        "agent_id": endpoints.get_agent_link,
        "file_id": lambda value: endpoints.delete_file("conv_1", value),
    }
    for name, make in makers.items():
        with pytest.raises(InvalidArgumentError, match=f"^{name}: "):
            make(value)
    with pytest.raises(InvalidArgumentError, match=r"^agent_id: "):
        endpoints.get_signed_url(value)
    with pytest.raises(InvalidArgumentError, match=r"^agent_id: "):
        endpoints.get_webrtc_token(value)


@given(st.text(min_size=1))
def test_any_id_stays_one_path_segment(conversation_id: str) -> None:
    try:
        path = endpoints.get_conversation(conversation_id).path
    except InvalidArgumentError:
        return
    assert re.fullmatch(r"/v1/convai/conversations/[A-Za-z0-9_.~%-]+", path)
    assert path.rsplit("/", 1)[1] not in {".", ".."}
