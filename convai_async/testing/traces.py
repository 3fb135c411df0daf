"""Converts a conversation to OpenTelemetry traces in the JSON encoding of OTLP."""

from __future__ import annotations

import hashlib
from typing import Any

JSON = dict[str, Any]

_NANOSECONDS = 1_000_000_000
_INTERNAL = 1
_OK, _ERROR = 1, 2


def build_traces(details: JSON) -> JSON:
    """Build the traces of a conversation: a span for the conversation with a child span for each turn."""
    conversation_id = details["conversation_id"]
    start = details["metadata"]["start_time_unix_secs"]
    end = start + details["metadata"]["call_duration_secs"]
    trace_id = _hex_id(conversation_id, 32)
    root = _span("conversation", trace_id, conversation_id, start, end, {"conversation_id": conversation_id})
    root["status"] = {"code": _ERROR if details["status"] == "failed" else _OK}
    turns = details["transcript"]
    ends = [start + turn["time_in_call_secs"] for turn in turns[1:]] + [end]
    spans = [
        _span(
            f"{turn['role']}_turn",
            trace_id,
            f"{conversation_id}/{number}",
            start + turn["time_in_call_secs"],
            turn_end,
            {"turn_index": number, "message": turn["message"] or "", "interrupted": bool(turn["interrupted"])},
        )
        | {"parentSpanId": root["spanId"]}
        for number, (turn, turn_end) in enumerate(zip(turns, ends, strict=True))
    ]
    resource = {"service.name": "convai", "agent_id": details["agent_id"]}
    scope = {"scope": {"name": "convai", "version": "1"}, "spans": [root, *spans]}
    return {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scope]}]}


def _span(  # noqa: PLR0913, PLR0917 - the fields of a span
    name: str, trace_id: str, seed: str, start: float, end: float, attributes: JSON
) -> JSON:
    return {
        "traceId": trace_id,
        "spanId": _hex_id(seed, 16),
        "name": name,
        "kind": _INTERNAL,
        "startTimeUnixNano": str(int(start * _NANOSECONDS)),
        "endTimeUnixNano": str(int(max(start, end) * _NANOSECONDS)),
        "attributes": _attributes(attributes),
        "status": {"code": _OK},
    }


def _attributes(values: JSON) -> list[JSON]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> JSON:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def _hex_id(seed: str, digits: int) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()[:digits]
