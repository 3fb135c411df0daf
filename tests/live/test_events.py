"""Events of live conversations are decoded, whatever the service sends."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convai_async.live import events
from convai_async.live.events import (
    AgentResponse,
    AgentResponsePart,
    Alignment,
    AudioChunk,
    ClientToolCall,
    ConversationStarted,
    ErrorEvent,
    Event,
    ExternalAgentConnected,
    Interruption,
    MCPToolCall,
    Ping,
    QueueStatus,
    UnknownEvent,
    encode_event,
    parse_event,
)

KINDS = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
KNOWN = [kind for kind in KINDS if kind.event_type]

PAYLOADS: dict[str, dict[str, Any]] = {
    "audio": {"audio_base_64": "AAEC"},
    "client_tool_call": {"tool_call_id": "call_1"},
    "mcp_tool_call": {"tool_call_id": "call_1"},
    "conversation_initiation_metadata": {"conversation_id": "conv_1"},
}
"""The required fields of the events that have some."""


def envelope(kind: type[Event], **fields: Any) -> str:
    return json.dumps({"type": kind.event_type, kind.payload_key: PAYLOADS.get(kind.event_type, {}) | fields})


@pytest.mark.parametrize("kind", KNOWN)
def test_event_with_only_its_required_fields_is_decoded_and_encoded(kind: type[Event]) -> None:
    event = parse_event(envelope(kind, field_of_a_later_version=1))
    assert type(event) is kind
    assert parse_event(encode_event(event)) == event


@pytest.mark.parametrize("kind", [kind for kind in KNOWN if "event_id" in kind.__struct_fields__])
@pytest.mark.parametrize("event_id", [7, "evt_7", None])
def test_event_id_can_be_a_number_text_or_missing(kind: type[Event], event_id: object) -> None:
    assert parse_event(envelope(kind, event_id=event_id)).event_id == event_id  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KNOWN)
def test_null_fields_have_their_defaults(kind: type[Event]) -> None:
    fields = msgspec.structs.fields(kind)
    optional = {field.encode_name: None for field in fields if not field.required}
    assert parse_event(envelope(kind, **optional)) == parse_event(envelope(kind))


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (
            envelope(
                AudioChunk,
                event_id=5,
                alignment={"chars": ["H"], "char_start_times_ms": [0.5], "char_durations_ms": [104]},
            ),
            AudioChunk(
                data=b"\0\1\2",
                event_id=5,
                alignment=Alignment(chars=("H",), char_start_times_ms=(0.5,), char_durations_ms=(104,)),
            ),
        ),
        (
            '{"ping_event":{"event_id":3.0,"ping_ms":51},"type":"ping"}',
            Ping(event_id=3, ping_ms=51),
        ),
        (
            '{"type":"agent_response","agent_response_event":{"agent_response":"Hi. ","event_id":[]}}',
            AgentResponse(text="Hi. ", event_id="[]"),
        ),
        (
            '{"type":"agent_chat_response_part","text_response_part":{"text":"Hi"}}',
            AgentResponsePart(text="Hi", kind="delta"),
        ),
        ('{"type":"error","code":1008,"message":"no"}', ErrorEvent(code=1008, message="no")),
        ('{"type":"error"}', ErrorEvent()),
        ('{"type":"external_agent_connected"}', ExternalAgentConnected()),
        (
            '{"type":"client_tool_call","client_tool_call":{"tool_call_id":"a","parameters":null}}',
            ClientToolCall(tool_call_id="a", parameters={}, expects_response=True),
        ),
        (
            '{"type":"mcp_tool_call","mcp_tool_call":{"tool_call_id":"a","state":"success","result":[{"type":"text"}]}}',
            MCPToolCall(tool_call_id="a", state="success", result=({"type": "text"},)),
        ),
        (
            '\ufeff{"type":"interruption","interruption_event":{"event_id":4,"reason":"\\ud800"}}',
            Interruption(event_id=4, reason="\N{REPLACEMENT CHARACTER}"),
        ),
        ('{"type":"audio"}', UnknownEvent(tag="audio", raw={"type": "audio"})),
        ('{"type":"ping","ping_event":"x"}', UnknownEvent(tag="ping", raw={"type": "ping", "ping_event": "x"})),
        ('{"type":"later","later_event":{}}', UnknownEvent(tag="later", raw={"type": "later", "later_event": {}})),
        ('{"type":7}', UnknownEvent(raw={"type": 7})),
        ("{}", UnknownEvent(raw={})),
        ("[1]", UnknownEvent(raw=[1])),
        ("<html>", UnknownEvent(raw="<html>")),
        ("", UnknownEvent(raw="")),
    ],
)
def test_event_is_decoded(text: str, event: Event) -> None:
    assert parse_event(text) == event
    if not text.startswith("\ufeff"):
        assert parse_event(encode_event(event)) == event


def test_audio_that_is_not_base64_is_kept_as_an_unknown_event() -> None:
    text = envelope(AudioChunk, audio_base_64="A*")
    assert parse_event(text) == UnknownEvent(tag="audio", raw=json.loads(text))


def test_repr_of_audio_has_its_size_only() -> None:
    assert repr(AudioChunk(data=bytes(8000), event_id=1)) == (
        "AudioChunk(data='<8000 bytes>', event_id=1, alignment=None, is_final=False)"
    )


def test_missing_formats_are_those_of_the_official_client() -> None:
    assert parse_event(envelope(ConversationStarted)) == ConversationStarted(
        conversation_id="conv_1", output_format="pcm_16000", input_format="pcm_16000"
    )


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def frames(draw: st.DrawFn) -> str:
    """Frames of any kind, whose fields have the right names and any values."""
    kind = draw(st.sampled_from(KNOWN))
    names = [field.encode_name for field in msgspec.structs.fields(kind)]
    payload = draw(st.dictionaries(st.sampled_from([*names, "other"]), JSON_VALUES, max_size=4) | JSON_VALUES)
    return json.dumps({"type": kind.event_type, kind.payload_key: payload})


@settings(max_examples=100)
@given(frames() | JSON_VALUES.map(json.dumps) | st.text(max_size=40))
def test_any_frame_is_an_event_and_encodes_to_itself(text: str) -> None:
    event = parse_event(text)
    repr(event)
    again = parse_event(encode_event(event))
    assert encode_event(again) == encode_event(event)


def test_deeply_nested_frame_is_an_unknown_event() -> None:
    assert isinstance(parse_event('{"type":"ping","ping_event":' + "[" * 100_000), UnknownEvent)


def test_status_of_the_queue_can_be_flat() -> None:
    assert parse_event('{"type":"queue_status","status":"waiting"}') == QueueStatus(status="waiting")
