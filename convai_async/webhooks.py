"""Verify and decode webhooks.

::

    event = construct_event(await request.body(), request.headers.get("elevenlabs-signature"), secret)
    if isinstance(event, PostCallTranscription):
        print(event.data.conversation_id)
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
        """Return the event with its timestamp in Unix seconds; None if it is not a number or an ISO 8601 date."""
        value["event_timestamp"] = _to_unix_secs(value.get("event_timestamp"))
        return value


class PostCallTranscription(_Event, kw_only=True):
    """A conversation was analysed.

    Attributes:
        event_timestamp: The time of the event in Unix seconds.
        data: The conversation, as `Conversations.get` returns it.
    """

    data: Conversation
    type: str = "post_call_transcription"


class CallAudio(Model):
    """The recording of a conversation.

    Attributes:
        full_audio: The bytes of the MP3 file.
    """

    agent_id: str | None = None
    conversation_id: str | None = None
    full_audio: bytes | None = None


class PostCallAudio(_Event):
    """The recording of a conversation is available.

    Attributes:
        event_timestamp: The time of the event in Unix seconds.
        data: The recording.
    """

    type: str = "post_call_audio"
    data: CallAudio = field(default_factory=CallAudio)


class InitiationFailure(Model):
    """A phone call that could not be started.

    Attributes:
        failure_reason: The reason, such as ``"busy"`` or ``"no-answer"``.
        metadata: The details of the telephony provider, as decoded JSON.
    """

    agent_id: str | None = None
    conversation_id: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class CallInitiationFailure(_Event):
    """A phone call could not be started.

    Attributes:
        event_timestamp: The time of the event in Unix seconds.
        data: The call, and the reason.
    """

    type: str = "call_initiation_failure"
    data: InitiationFailure = field(default_factory=InitiationFailure)


class UnknownEvent(UnknownVariant):
    """An event that this version does not know, or whose data has no conversation id.

    Attributes:
        tag: The type of the event.
        raw: The event as decoded JSON.
    """


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
    """Verify the signature of a webhook and decode its event.

    Args:
        body: The raw body of the request. Do not parse and re-encode it, which would change the bytes.
        signature: The value of the header ``ElevenLabs-Signature``, or None if it is missing.
        secret: The secret of the webhook, from the workspace's settings.
        tolerance: The maximum difference between the webhook's timestamp and the clock in seconds, 1,800 by default.
        clock: A function that returns the time in Unix seconds.

    Raises:
        WebhookSignatureError: The signature is missing or wrong, or its timestamp is outside the tolerance. Respond
            with 401, and ignore the webhook.
        DecodeError: The signature is valid, but the body cannot be decoded. Not retryable: the service would send the
            same body again.
        TypeError: The body is not bytes.
    """
    verify(body, signature, secret, tolerance=tolerance, clock=clock)
    try:
        return _decode(body)
    except DecodeError as error:
        event = _decode_without_id(body)
        if event is None:  # not retryable: the service would send the same body again
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
    """Verify the signature of a webhook without decoding it.

    The signature is ``t=<Unix seconds>,v0=<hexadecimal HMAC-SHA256 of "t.body">``. If there are several ``v0``, one of
    them must match. The arguments and errors are those of `construct_event`.
    """
    if not isinstance(body, bytes):
        raise TypeError(f"body must be the raw bytes of the request, not {type(body).__name__}")
    if not secret:
        raise WebhookSignatureError("the secret is empty")
    timestamp, digests = _read_signature(signature or "")
    expected = _compute_digest(timestamp, body, secret)
    if not any(hmac.compare_digest(digest.encode(), expected.encode()) for digest in digests):
        raise WebhookSignatureError("the signature does not match the webhook's body and the secret")
    if not abs(clock() - int(timestamp)) <= tolerance:  # also refuses a tolerance of NaN
        raise WebhookSignatureError(
            f"the webhook was signed at {timestamp}, more than {tolerance:g} s from now:"
            " an old one sent again, or a wrong clock"
        )


def sign(body: bytes, secret: str, *, timestamp: float | None = None) -> str:
    """Return a signature header, to test your own webhook handler.

    ::

        body = b'{"type": "post_call_transcription", "data": {"conversation_id": "conv_1", "agent_id": "agent_1"}}'
        headers = {"elevenlabs-signature": sign(body, secret)}
        response = await client.post("/webhooks", content=body, headers=headers)

    Args:
        body: The exact body of the request.
        secret: The secret that your handler uses.
        timestamp: The time of the signature in Unix seconds; now by default.

    Returns:
        The value of the header ``ElevenLabs-Signature``.
    """
    signed_at = str(int(time.time() if timestamp is None else timestamp))
    return f"t={signed_at},v0={_compute_digest(signed_at, body, secret)}"


def _compute_digest(timestamp: str, body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def _read_signature(signature: str) -> tuple[str, list[str]]:
    pairs = [part.strip().partition("=") for part in signature[:_LONGEST_HEADER].split(",")]
    timestamps = [value for name, _, value in pairs if name == "t"]
    digests = [value for name, _, value in pairs if name == "v0" and value and value.isascii()]
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]) or not digests:
        raise WebhookSignatureError("the header ElevenLabs-Signature is missing, or not like 't=1700000000,v0=…'")
    return timestamps[0], digests


def _decode_without_id(body: bytes) -> UnknownEvent | None:
    """Return the event if its data has no conversation id; None if it has one."""
    try:
        event = decode_json(body)
        tag, data = event["type"], event.get("data")
    except (*DECODE_ERRORS, KeyError):
        return None
    has_id = isinstance(data, dict) and data.get("conversation_id") is not None
    return None if has_id else UnknownEvent(tag=tag, raw=event)


def _to_unix_secs(time_of_day: Any) -> int | None:
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
