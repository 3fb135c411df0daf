"""Webhooks: make sure that they come from the service, and read them.

::

    event = construct_event(await request.body(), request.headers["elevenlabs-signature"], secret)
    if isinstance(event, PostCallTranscription): ...
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from msgspec import field

from convai_async._support.lenient_json import DECODE_ERRORS, decode_json
from convai_async._support.validate import INT64_MAX
from convai_async.errors import DecodeError, WebhookSignatureError
from convai_async.models import Conversation  # noqa: TC001 - msgspec reads the annotations at run time
from convai_async.models._base import Model, UnknownVariant
from convai_async.models._decoding import get_decoder
from convai_async.models._open_union import OpenUnion

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_TOLERANCE_SECS = 30 * 60.0
_LONGEST_HEADER = 4096

_TIMESTAMP = re.compile(r"[0-9]{1,18}")


class _Event(Model):
    event_timestamp: int | None = None

    @classmethod
    def upgrade(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Return an event with its time as a number; None when it is neither a number nor an ISO 8601 date."""
        value["event_timestamp"] = _unix_secs(value.get("event_timestamp"))
        return value


class PostCallTranscription(_Event, kw_only=True):
    """A conversation has been analysed; its data is what `Conversations.get` returns.

    Attributes:
        event_timestamp: When that was, in unix seconds.
    """

    data: Conversation
    type: str = "post_call_transcription"


class CallAudio(Model):
    """A recording.

    Attributes:
        full_audio: The MP3's bytes, decoded.
    """

    agent_id: str | None = None
    conversation_id: str | None = None
    full_audio: bytes | None = None


class PostCallAudio(_Event):
    """The recording of a conversation is ready.

    Attributes:
        event_timestamp: When that was, in unix seconds.
    """

    type: str = "post_call_audio"
    data: CallAudio = field(default_factory=CallAudio)


class InitiationFailure(Model):
    """A call that could not be started.

    Attributes:
        failure_reason: Such as ``"busy"`` or ``"no-answer"``.
        metadata: What the telephone network said.
    """

    agent_id: str | None = None
    conversation_id: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class CallInitiationFailure(_Event):
    """A call could not be started.

    Attributes:
        event_timestamp: When that was, in unix seconds.
    """

    type: str = "call_initiation_failure"
    data: InitiationFailure = field(default_factory=InitiationFailure)


class UnknownEvent(UnknownVariant):
    """An event that this version does not know, or whose data has no id: ``tag`` is its type, ``raw`` all of it."""


Event = PostCallTranscription | PostCallAudio | CallInitiationFailure | UnknownEvent
"""The event of a webhook."""

OpenUnion(
    Event,
    tag="type",
    variants={
        "post_call_transcription": PostCallTranscription,
        "post_call_audio": PostCallAudio,
        "call_initiation_failure": CallInitiationFailure,
    },
    unknown=UnknownEvent,
)


def construct_event(
    body: bytes,
    signature: str | None,
    secret: str,
    *,
    tolerance: float = DEFAULT_TOLERANCE_SECS,
    clock: Callable[[], float] = time.time,
) -> Event:
    """Verify a webhook's signature and decode its event.

    Args:
        body: The raw body of the request: decoding and encoding it again would change it.
        signature: The header ``ElevenLabs-Signature``, or None when it is missing.
        secret: The webhook's secret, from the workspace's settings.
        tolerance: Seconds by which its timestamp may differ from the clock, 1,800 by default.
        clock: Returns the time in unix seconds.

    Raises:
        WebhookSignatureError: The signature is missing or wrong, or its timestamp is too far from the clock: answer
            401, and do nothing.
        DecodeError: The signature is right, but the body does not decode. It would not if it were sent again.
        TypeError: The body is not bytes.
    """
    verify(body, signature, secret, tolerance=tolerance, clock=clock)
    try:
        return _decode(body)
    except DecodeError as error:
        event = _without_id(body)
        if event is None:  # not retryable: it is signed, and would come again as it is
            raise DecodeError(error.problem, path=error.path, body=body, source="the webhook") from None
        return event


def verify(
    body: bytes,
    signature: str | None,
    secret: str,
    *,
    tolerance: float = DEFAULT_TOLERANCE_SECS,
    clock: Callable[[], float] = time.time,
) -> None:
    """Verify a webhook's signature; the arguments are those of `construct_event`.

    The signature is ``t=<unix seconds>,v0=<HMAC-SHA256 of "t.body" in hexadecimal>``; one of several ``v0`` must fit.

    Raises:
        WebhookSignatureError: As `construct_event`.
        TypeError: The body is not bytes.
    """
    if not isinstance(body, bytes):
        raise TypeError(f"body must be the raw bytes of the request, not {type(body).__name__}")
    if not secret:
        raise WebhookSignatureError("the secret is empty")
    timestamp, digests = _read_signature(signature or "")
    expected = _digest(timestamp, body, secret)
    if not any(hmac.compare_digest(digest.encode(), expected.encode()) for digest in digests):
        raise WebhookSignatureError("the signature does not match the webhook's body and the secret")
    if not abs(clock() - int(timestamp)) <= tolerance:  # also when the tolerance is no number
        raise WebhookSignatureError(
            f"the webhook was signed at {timestamp}, more than {tolerance:g} s from now:"
            " an old one sent again, or a wrong clock"
        )


def sign(body: bytes, secret: str, *, timestamp: float | None = None) -> str:
    """Return a signature header, for tests of your own webhook handler.

    ::

        body = b'{"type": "post_call_transcription", "data": {"conversation_id": "conv_1", "agent_id": "agent_1"}}'
        headers = {"elevenlabs-signature": sign(body, secret)}
        response = await client.post("/webhooks", content=body, headers=headers)

    Args:
        body: The request's body, byte for byte as it will be sent.
        secret: The secret that the handler verifies with.
        timestamp: When it is signed, in unix seconds; now by default.
    """
    signed_at = str(int(time.time() if timestamp is None else timestamp))
    return f"t={signed_at},v0={_digest(signed_at, body, secret)}"


def _digest(timestamp: str, body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def _read_signature(signature: str) -> tuple[str, list[str]]:
    pairs = [part.strip().partition("=") for part in signature[:_LONGEST_HEADER].split(",")]
    timestamps = [value for name, _, value in pairs if name == "t"]
    digests = [value for name, _, value in pairs if name == "v0" and value and value.isascii()]
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]) or not digests:
        raise WebhookSignatureError("the header ElevenLabs-Signature is missing, or not like 't=1700000000,v0=…'")
    return timestamps[0], digests


def _without_id(body: bytes) -> UnknownEvent | None:
    """Return the event that a body is when its data has no conversation's id; None when it has."""
    try:
        event = decode_json(body)
        tag, data = event["type"], event.get("data")
    except (*DECODE_ERRORS, KeyError):
        return None
    has_id = isinstance(data, dict) and data.get("conversation_id") is not None
    return None if has_id else UnknownEvent(tag=tag, raw=event)


def _unix_secs(time_of_day: Any) -> int | None:
    try:
        seconds = int(time_of_day)
    except (TypeError, ValueError):
        pass
    else:
        return seconds if abs(seconds) <= INT64_MAX else None
    try:
        moment = datetime.fromisoformat(time_of_day)
    except (TypeError, ValueError):
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


_decode: Callable[[bytes], Event] = get_decoder(cast("Any", Event))
