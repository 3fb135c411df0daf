"""The short reprs of large models, and their HTML in notebooks."""

from __future__ import annotations

import copy
import pickle
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from convai_async import Page
from convai_async.models import (
    Conversation,
    ConversationSummary,
    ConversationSummaryWithMessages,
    TranscriptTurn,
)

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(1)">\x1b[31m\u202e\n"&'


class Tags(HTMLParser):
    """Collects the tags and attributes of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def build_conversation(**details: Any) -> Conversation:
    call = {"request_id": "r", "tool_name": HOSTILE, "type": "webhook", "params_as_json": HOSTILE}
    result = {**call, "is_error": True, "result_value": HOSTILE * 100, "tool_latency_secs": 1.0}
    document = {
        "conversation_id": "conv_1",
        "agent_id": HOSTILE,
        "status": "done",
        "metadata": {"start_time_unix_secs": 1_700_000_000, "call_duration_secs": 247, "termination_reason": HOSTILE},
        "analysis": {
            "call_summary_title": "Refund for a lamp",
            "transcript_summary": HOSTILE,
            "call_successful": "failure",
        },
        "transcript": [
            {"role": "user", "message": HOSTILE, "time_in_call_secs": 3, "interrupted": True},
            {"role": "agent", "message": None, "tool_calls": [call], "tool_results": [result, {"type": "new"}]},
        ],
        **details,
    }
    return Conversation.from_json(msgspec.json.encode(document))


def test_repr_is_short_and_says_the_most_important() -> None:
    assert repr(build_conversation()) == '<Conversation conv_1 done 4:07 2 turns "Refund for a lamp">'
    summary = ConversationSummary(
        conversation_id="conv_1", status="done", call_duration_secs=7, message_count=1, call_summary_title="A lamp"
    )
    assert repr(summary) == '<ConversationSummary conv_1 done 0:07 1 message "A lamp">'
    assert repr(Page([summary, summary], has_more=True)) == "<Page 2 items has_more>"
    with_messages = ConversationSummaryWithMessages(conversation_id="conv_1", status="done", message_count=1200)
    assert repr(with_messages) == "<ConversationSummaryWithMessages conv_1 done 1,200 messages>"
    first, second = build_conversation(
        transcript=[{"role": "user", "message": "Hi", "time_in_call_secs": 3}, {}]
    ).transcript
    assert (repr(first), repr(second)) == ('<TranscriptTurn user 0:03 "Hi">', "<TranscriptTurn>")
    assert repr(build_conversation().transcript[1]) == "<TranscriptTurn agent 1 tool call 2 tool results>"


def test_repr_of_hostile_text_is_one_short_line() -> None:
    analysis = {"call_summary_title": HOSTILE * 10_000, "call_successful": "x" * 10_000, "transcript_summary": ""}
    conversation = build_conversation(analysis=analysis, status=HOSTILE * 10_000, conversation_id="c" * 10_000)
    for each in (conversation, conversation.transcript[0]):
        assert len(repr(each)) < 250
        assert repr(each).isprintable()


@pytest.mark.parametrize("value", [None, 5, HOSTILE, (), [], {}, object()])
def test_repr_of_a_model_that_was_made_by_hand_never_raises(value: Any) -> None:
    for model in (Conversation, ConversationSummary, ConversationSummaryWithMessages, TranscriptTurn):
        made = model.from_json(b'{"conversation_id": "conv_1"}')
        for name in model.__struct_fields__:
            setattr(made, name, value)
        assert repr(made).startswith(f"<{model.__name__}")


def test_models_with_short_reprs_are_compared_copied_and_pickled_by_their_fields() -> None:
    conversation = build_conversation()
    assert conversation != build_conversation(agent_id="another")
    assert repr(conversation) == repr(build_conversation(agent_id="another"))
    for same in (pickle.loads(pickle.dumps(conversation)), copy.deepcopy(conversation)):
        assert same == conversation
    assert dict(conversation.__rich_repr__())["transcript"] == conversation.transcript, "rich still shows all fields"


def test_html_of_a_conversation_is_a_table_whose_text_is_escaped() -> None:
    html = Tags(build_conversation()._repr_html_())
    assert html.tags == {"div", "strong", "br", "p", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}
    assert html.attributes == {"style", "dir"}
    assert "Refund for a lamp" in html.text
    assert HOSTILE in html.text
    assert "(interrupted)" in html.text
    assert "2023-11-14 22:13 UTC" in html.text


def test_html_folds_long_text_and_cuts_long_transcripts() -> None:
    turns = [{"role": "user", "message": "x" * 10_000}] * 1000
    html = build_conversation(transcript=turns)._repr_html_()
    assert len(html) < 800_000
    assert "7,000 more characters" in html
    assert "800 more turns" in html


def test_html_of_a_conversation_without_a_transcript_says_so() -> None:
    html = Conversation(conversation_id="conv_1")._repr_html_()
    assert Tags(html).text == "Conversationconv_1No transcript."
    by_hand = Conversation(conversation_id="\udc00", metadata=None, transcript=None)  # type: ignore[arg-type]
    assert by_hand._repr_html_().encode()


def test_html_of_a_page_is_a_table_of_its_conversations() -> None:
    summary = ConversationSummary(conversation_id="conv_1", agent_name=HOSTILE, start_time_unix_secs=1_700_000_000)
    html = Tags(Page([summary] * 120, has_more=True)._repr_html_())
    assert html.tags == {"div", "p", "table", "thead", "tbody", "tr", "th", "td"}
    assert HOSTILE in html.text
    assert "120 items, 20 of them not shown, more pages follow" in html.text
    assert Tags(Page([])._repr_html_()).text == "0 items"
    other = Tags(Page([TranscriptTurn(message=HOSTILE)])._repr_html_())
    assert "script" not in other.tags
    assert "TranscriptTurn" in other.text
