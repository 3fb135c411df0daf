"""The decoder and the encoder of events."""

from __future__ import annotations

from functools import cache
from typing import Any, Union

import msgspec

from convai_async._support.lenient_json import DECODE_ERRORS, decode_json
from convai_async.errors import DecodeError
from convai_async.live.events import _conversation, _status, _tools
from convai_async.live.events._base import Event, UnknownEvent
from convai_async.models._decoding import get_item_decoder

_CLASSES: dict[str, type[Event]] = {
    kind.event_type: kind
    for module in (_conversation, _status, _tools)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind.event_type
}


def parse_event(text: str) -> Event:
    """Decode an event. Never fails: an event that cannot be decoded is an `UnknownEvent`.

    Args:
        text: The text of a WebSocket message.
    """
    try:
        event: Event = _get_envelope_decoder()(text).payload
    except DECODE_ERRORS:
        return _parse_leniently(text)
    return event


def encode_event(event: Event) -> str:
    """Return an event as the text of a WebSocket message, which `parse_event` decodes."""
    if isinstance(event, UnknownEvent):
        return event.raw if isinstance(event.raw, str) else msgspec.json.encode(event.raw).decode()
    return msgspec.json.encode({"type": event.event_type, event.payload_key: event}).decode()


@cache
def _get_envelope_decoder() -> Any:
    """Return the decoder of all events that conform to the protocol. It is created on first use, for a fast import."""
    envelopes = tuple(
        msgspec.defstruct(
            f"{kind.__name__}Envelope",
            [("payload", kind)],
            rename={"payload": kind.payload_key},
            tag_field="type",
            tag=event_type,
            gc=False,
        )
        for event_type, kind in _CLASSES.items()
    )
    return msgspec.json.Decoder(Union[envelopes], strict=False).decode  # noqa: UP007 - of a tuple


def _parse_leniently(text: str) -> Event:
    try:
        value = decode_json(text.encode(errors="surrogatepass"))
    except DECODE_ERRORS:
        return UnknownEvent(raw=text)
    tag = value.get("type") if isinstance(value, dict) else None
    if not isinstance(tag, str):
        return UnknownEvent(raw=value)
    kind = _CLASSES.get(tag)
    if kind is None:
        return UnknownEvent(tag=tag, raw=value)
    payload = value.get(kind.payload_key)
    if kind.can_be_flat and not isinstance(payload, dict):
        payload = value
    try:
        return get_item_decoder(kind)(msgspec.json.encode(payload))
    except DecodeError:
        return UnknownEvent(tag=tag, raw=value)
