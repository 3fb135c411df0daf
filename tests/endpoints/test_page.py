"""Pages of lists: what a page keeps, and what one bad item of it does not spoil."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convai_async import Page, Paginator, endpoints
from convai_async.errors import DecodeError
from convai_async.models import ConversationSummary, MessageHit

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async.endpoints import Request

LISTS: dict[str, Request[Page[Any]]] = {
    "conversations": endpoints.list_conversations(),
    "sip_messages": endpoints.get_sip_messages("conv_1"),
    "results": endpoints.text_search_messages("hello"),
    "conversation_tags": endpoints.list_tags(),
    "topics": endpoints.get_agent_topics("agent_1"),
}
IDS = {
    "conversations": "conversation_id",
    "sip_messages": "call_id",
    "results": "conversation_id",
    "conversation_tags": "tag_id",
    "topics": "topic_id",
}
GOOD = b'{"conversation_id": "conv_0",  "agent_name": "\xc3\xa4", "new_field": 1.50}'

decode = LISTS["conversations"].decode


def page_of(
    *lines: bytes, field: str = "conversations", rest: bytes = b'"next_cursor": "c", "has_more": true'
) -> bytes:
    return b'{"%s": [%s], %s}' % (field.encode(), b" ,\n ".join(lines), rest)


KEPT: dict[bytes, dict[str, Any]] = {
    b'{"conversation_id": "c", "agent_name": "half \\ud83d"}': {"agent_name": "half \N{REPLACEMENT CHARACTER}"},
    b'{"conversation_id": "c", "agent_name": "\xff!"}': {"agent_name": "\N{REPLACEMENT CHARACTER}!"},
    b'{"conversation_id": "c", "agent_name": "a\nb"}': {"agent_name": "a\nb"},
    b'{"conversation_id": "c", "start_time_unix_secs": 1780000000.75}': {"start_time_unix_secs": 1780000000},
    b'{"conversation_id": "c", "call_duration_secs": 12.5}': {"call_duration_secs": 12},
    b'{"conversation_id": "c", "call_duration_secs": 1e30}': {"call_duration_secs": None},
    b'{"conversation_id": "c", "cost_fiat": NaN}': {"cost_fiat": None},
    b'{"conversation_id": "c", "cost_fiat": -Infinity}': {"cost_fiat": None},
    b'{"conversation_id": "c", "cost_fiat": 1e999}': {"cost_fiat": None},
    b'{"conversation_id": "c", "rating": "good", "agent_id": "a"}': {"rating": None, "agent_id": "a"},
    b'{"conversation_id": "c", "status": 5, "rating": []}': {"status": None, "rating": None},
    b'{"conversation_id": "c", "status": {"a": 1}}': {"status": None},
    b'{"conversation_id": "c", "transcript_summary": {"text": "x"}}': {"transcript_summary": '{"text":"x"}'},
    b'{"conversation_id": "c", "sentiment_analysis": {"overall_label": []}}': {"sentiment_analysis": None},
    b'{"conversation_id": "c", "tool_names": "x", "tag_ids": ["t"]}': {"tool_names": (), "tag_ids": ("t",)},
    b'{"conversation_id": "c", "tool_names": null}': {"tool_names": ()},
}


@pytest.mark.parametrize("line", KEPT)
def test_item_with_invalid_field_is_kept_without_it(line: bytes) -> None:
    page = decode(page_of(GOOD, line, GOOD))
    before, item, after = page.items
    assert before == after == ConversationSummary(conversation_id="conv_0", agent_name="ä")
    assert item == ConversationSummary(conversation_id="c", **KEPT[line])
    assert [each.raw_json for each in page] == [GOOD, line, GOOD]
    assert (page.next_cursor, page.has_more, page.undecodable) == ("c", True, ())
    assert ConversationSummary.from_json(line) == item


WITHOUT_ID = [
    b"null",
    b"NaN",
    b"[1]",
    b'"text"',
    b"{}",
    b'{"agent_id": "a"}',
    b'{"conversation_id": null}',
    b'{"conversation_id": 5}',
    b'{"conversation_id": {"a": 1}}',
    b'{"conversation_id": "broken \xff"}',
    b'{"conversation_id": "half \\ud83d"}',
    b'{"conversation_id": 7, "rating": NaN}',
]


@pytest.mark.parametrize("line", WITHOUT_ID)
def test_item_without_id_is_undecodable_and_others_are_kept(line: bytes) -> None:
    page = decode(page_of(GOOD, line, GOOD))
    assert [each.raw_json for each in page] == [GOOD, GOOD]
    (item,) = page.undecodable
    assert item.raw == line
    assert item.error.startswith(("Expected `", "Object missing required field `conversation_id`"))
    assert "broken" not in item.error
    assert repr(item) == f"UndecodableItem(raw=<{len(line)} bytes>, error={item.error!r})"


@given(st.lists(st.sampled_from([GOOD, *KEPT, *WITHOUT_ID])), st.sampled_from([b"", b"\xef\xbb\xbf", b" \n"]))
def test_every_item_is_decoded_or_undecodable_in_order_with_its_exact_json(lines: list[bytes], start: bytes) -> None:
    page = decode(start + page_of(*lines) + b" \n")
    assert [item.raw_json for item in page] == [line for line in lines if line not in WITHOUT_ID]
    assert [item.raw for item in page.undecodable] == [line for line in lines if line in WITHOUT_ID]
    assert (page.next_cursor, page.has_more) == ("c", True)


@pytest.mark.parametrize("field", LISTS)
def test_every_list_endpoint_keeps_valid_items_beside_invalid_ones(field: str) -> None:
    lines = [b'{"%s": "x", "z": %d}' % (IDS[field].encode(), number) for number in range(3)]
    whole = LISTS[field].decode(page_of(*lines, field=field))
    spoiled = LISTS[field].decode(page_of(lines[0], b"null", lines[1], b"NaN", lines[2], field=field))
    assert [item.raw_json for item in whole] == lines
    assert whole.items == spoiled.items
    assert [item.raw for item in spoiled.undecodable] == [b"null", b"NaN"]
    assert [item.to_builtins()["z"] for item in spoiled] == [0, 1, 2]
    assert LISTS[field].decode(b'{"%s": null}' % field.encode()).items == ()


@pytest.mark.parametrize(
    ("body", "path", "retryable"),
    [
        (b"", "$", True),
        (b"<html>", "$", True),
        (b"null", "$", True),
        (b"[]", "$", True),
        (b"{}", "$", True),
        (b'{"detail": "Not Found"}', "$", True),
        (b'{"conversations": [', "$", True),
        (b'{"conversations": [NaN', "$", True),
        (b'{"conversations": [NaN,]}', "$", True),
        (b'{"conversations": [NaN],}', "$", True),
        (b'{"conversations": [NaN]} {}', "$", True),
        (b'{"conversations": [NaN], 5: 1}', "$", True),
        (b'{"conversations" [NaN]}', "$", True),
        (b'{"conversations": [NaN}]', "$", True),
        (b"\xff\xfe", "$", True),
        (b'{"conversations": ' + b"[" * 100_000, "$", True),
        (b'{"conversations": 5}', "$.conversations", False),
        (b'{"conversations": {"a": NaN}}', "$.conversations", False),
        (b'{"conversations": [], "next_cursor": 5}', "$.next_cursor", False),
        (b'{"conversations": [], "has_more": "perhaps"}', "$.has_more", False),
    ],
)
def test_body_that_is_not_a_page_raises_decode_error(body: bytes, path: str, retryable: bool) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(body)
    assert (caught.value.path, caught.value.retryable, caught.value.body) == (path, retryable, body)


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (b'"next_cursor": "c"', ("c", True)),
        (b'"next_cursor": null', (None, False)),
        (b'"next_cursor": ""', ("", False)),
        (b'"has_more": true, "next_cursor": null', (None, True)),
        (b'"has_more": false, "next_cursor": "c"', ("c", False)),
        (b'"has_more": null, "next_cursor": "c"', ("c", True)),
        (b'"has_more": 1', (None, True)),
        (b'"has_more": 1, "new": [1]', (None, True)),
    ],
)
def test_missing_has_more_follows_from_cursor(rest: bytes, expected: object) -> None:
    page = decode(page_of(GOOD, rest=rest))
    assert (page.next_cursor, page.has_more) == expected


def test_valid_page_is_decoded_in_one_step() -> None:
    # Item by item takes four times as long; the raw JSON of the others is cut out of the page when it is asked for.
    page = decode(page_of(GOOD, b'{"conversation_id": "c", "call_duration_secs": 12.0, "cost": "5"}'))
    assert [type(vars(item)["_source"]) for item in page] == [tuple, tuple]
    assert (page[1].call_duration_secs, page[1].cost) == (12, 5)


def test_page_keeps_other_fields_in_extra() -> None:
    found = LISTS["results"].decode(
        b'{"results": [{"conversation_id": "c"}], "meta": {"total": 41, "page": 1}, "x": NaN}'
    )
    assert found.items == (MessageHit(conversation_id="c"),)
    assert found.total == 41
    assert found.extra == {"meta": {"total": 41, "page": 1}, "x": None}
    topics = LISTS["topics"].decode(
        b'{"window_start_unix_secs": 1, "window_end_unix_secs": 2, "aggregated_run_count": 3, "topics": []}'
    )
    assert topics.extra == {"window_start_unix_secs": 1, "window_end_unix_secs": 2, "aggregated_run_count": 3}
    assert topics.total is None
    assert LISTS["results"].decode(b'{"results": [], "meta": {"total": "many"}}').total is None
    assert LISTS["results"].decode(b'{"results": [], "meta": 5}').total is None


def test_page_to_json_has_items_cursor_and_extra() -> None:
    page = decode(page_of(GOOD, b"null", rest=b'"next_cursor": "c", "new": [1]'))
    document = page.to_builtins()
    assert document == json.loads(page.to_json())
    assert document["items"] == [page[0].to_builtins()]
    assert document["items"][0]["new_field"] == 1.5
    assert (document["next_cursor"], document["has_more"], document["extra"]) == ("c", True, {"new": [1]})
    assert document["undecodable"] == [{"raw": "bnVsbA==", "error": "Expected `object`, got `null` - at `$`"}]
    by_hand: dict[str, Any] = {"items": [1, 2], "next_cursor": None, "has_more": False, "undecodable": [], "extra": {}}
    assert Page([1, 2]).to_builtins() == by_hand


def fast() -> ConversationSummary:
    """An item of a page in which everything fits."""
    item: ConversationSummary = decode(page_of(b"{}".replace(b"{}", GOOD), GOOD))[1]
    return item


def slow() -> ConversationSummary:
    item: ConversationSummary = decode(page_of(b"null", GOOD))[0]
    return item


@pytest.mark.parametrize("make", [fast, slow, lambda: ConversationSummary.from_json(GOOD)])
def test_raw_json_survives_copying_and_pickling_and_is_not_compared(
    make: Callable[[], ConversationSummary],
) -> None:
    item = make()
    by_hand = ConversationSummary(conversation_id="conv_0", agent_name="ä")
    assert item.raw_json == item.raw_json == GOOD
    assert by_hand.raw_json == b""
    assert item == by_hand
    assert repr(item) == repr(by_hand)
    assert msgspec.json.encode(item) == msgspec.json.encode(by_hand)
    for twin in (copy.copy(item), copy.deepcopy(item), pickle.loads(pickle.dumps(item))):
        assert (twin, type(twin), twin.raw_json) == (item, ConversationSummary, GOOD)
    assert pickle.loads(pickle.dumps(by_hand)).raw_json == b""
    assert msgspec.structs.replace(item, rating=5).raw_json == b""


def test_item_to_json_has_changed_fields_and_unknown_fields() -> None:
    raw = (
        '{"conversation_id": "c", "rating": 1, "new": {"deep": [1]}, "status": "done",'
        ' "sentiment_analysis": {"overall_label": "positive", "of_tomorrow": 2}}'
    )
    item = ConversationSummary.from_json(raw)
    assert item.raw_json == raw.encode()
    item.rating = 4
    document = item.to_builtins()
    assert document["new"] == {"deep": [1]}
    assert document["rating"] == 4
    assert document["agent_id"] is None
    assert document["sentiment_analysis"]["overall_label"] == "positive"
    assert document["sentiment_analysis"]["overall_sentiment_score"] is None
    assert document["sentiment_analysis"]["of_tomorrow"] == 2
    item.sentiment_analysis = None
    assert item.to_builtins()["sentiment_analysis"] is None
    assert json.loads(item.to_json()) == item.to_builtins() == dict(item)
    assert ConversationSummary.from_json(item.to_json()) == item
    by_hand = ConversationSummary(conversation_id="c")
    assert json.loads(by_hand.to_json()) == by_hand.to_builtins() == json.loads(msgspec.json.encode(by_hand))


async def test_iteration_skips_undecodable_items_and_logs_one_warning_per_page(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bodies = iter(
        [
            page_of(b"null", GOOD, b'{"agent_name": "secret"}'),
            page_of(GOOD, rest=b'"next_cursor": "d"'),
            page_of(b"null", rest=b'"next_cursor": null'),
        ]
    )

    async def send(call: Request[Page[ConversationSummary]]) -> Page[ConversationSummary]:
        return call.decode(next(bodies))

    caplog.set_level(logging.WARNING, "convai_async")
    items = await Paginator(send, LISTS["conversations"]).collect()
    assert [item.conversation_id for item in items] == ["conv_0", "conv_0"]
    assert caplog.record_tuples == [
        ("convai_async", logging.WARNING, "/v1/convai/conversations: items of a page that cannot be decoded: 2"),
        ("convai_async", logging.WARNING, "/v1/convai/conversations: items of a page that cannot be decoded: 1"),
    ]
    bodies = iter([page_of(b"null")])
    assert len((await Paginator(send, LISTS["conversations"])).undecodable) == 1
    assert len(caplog.records) == 3
