from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convai_async.errors import DecodeError, WebhookSignatureError
from convai_async.models import Conversation
from convai_async.testing import FakeConvAI
from convai_async.webhooks import (
    CallInitiationFailure,
    PostCallAudio,
    PostCallTranscription,
    UnknownEvent,
    construct_event,
    sign,
    verify,
)

SECRET = "wsec_very_secret"
NOW = 1_780_000_000
BODY = msgspec.json.encode(
    {"type": "post_call_transcription", "event_timestamp": NOW, "data": {"conversation_id": "c"}}
)


def digest(body: bytes, timestamp: int | str = NOW, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def signed(body: bytes, timestamp: int | str = NOW, secret: str = SECRET) -> str:
    return f"t={timestamp},v0={digest(body, timestamp, secret)}"


def construct(body: bytes, signature: str | None = None, **options: Any) -> Any:
    return construct_event(body, signed(body) if signature is None else signature, SECRET, clock=lambda: NOW, **options)


def test_transcription_event_has_the_conversation() -> None:
    corpus = FakeConvAI(conversations=1).conversations
    details = corpus.details(next(iter(corpus)))
    body = msgspec.json.encode({"type": "post_call_transcription", "event_timestamp": NOW, "data": details})
    event = construct(body)
    assert isinstance(event, PostCallTranscription)
    assert event.event_timestamp == NOW
    assert event.data == Conversation.from_json(corpus.document(next(iter(corpus))))


def test_audio_event_has_the_decoded_bytes() -> None:
    data = {"agent_id": "a", "conversation_id": "c", "full_audio": base64.b64encode(b"\xff\xf3mp3").decode()}
    event = construct(msgspec.json.encode({"type": "post_call_audio", "event_timestamp": NOW, "data": data}))
    assert isinstance(event, PostCallAudio)
    assert event.data.full_audio == b"\xff\xf3mp3"


def test_call_failure_event_has_the_reason() -> None:
    data = {"agent_id": "a", "conversation_id": "c", "failure_reason": "busy", "metadata": {"type": "twilio"}}
    event = construct(msgspec.json.encode({"type": "call_initiation_failure", "event_timestamp": NOW, "data": data}))
    assert isinstance(event, CallInitiationFailure)
    assert (event.data.failure_reason, event.data.metadata) == ("busy", {"type": "twilio"})


@pytest.mark.parametrize("document", [{"type": "telepathy", "data": 5}, {"data": 5}, {"type": None}, [1], "x"])
def test_unknown_event_is_kept(document: Any) -> None:
    event = construct(msgspec.json.encode(document))
    assert isinstance(event, UnknownEvent)
    assert event.raw == document


@pytest.mark.parametrize(
    "signature",
    [
        signed(BODY, secret="another"),
        signed(BODY + b" "),
        f"t={NOW + 1},v0={digest(BODY)}",
        f"t={NOW},v0={digest(BODY)[:-1]}",
        f"t={NOW},v0={digest(BODY)}0",
        f"t={NOW},v0={'0' * 64}",
        f"t={NOW},v0=",
        f"t={NOW},v1={digest(BODY)}",
        f"t={NOW}",
        f"v0={digest(BODY)}",
        f"t=,v0={digest(BODY, '')}",
        f"t=-5,v0={digest(BODY, -5)}",
        f"t=1e9,v0={digest(BODY, '1e9')}",
        f"t=١٢٣,v0={digest(BODY, '١٢٣')}",
        f"t={NOW},t={NOW - 1},v0={digest(BODY)}",
        f"t={NOW},v0=ü",
        "",
        ",,,=",
        "x" * 100_000,
    ],
)
def test_forged_or_malformed_signature_is_refused(signature: str) -> None:
    with pytest.raises(WebhookSignatureError) as caught:
        construct(BODY, signature)
    assert SECRET not in str(caught.value)
    assert digest(BODY) not in str(caught.value)


def test_missing_signature_or_secret_is_refused() -> None:
    with pytest.raises(WebhookSignatureError, match="is missing"):
        construct_event(BODY, None, SECRET)
    with pytest.raises(WebhookSignatureError, match="secret is empty"):
        verify(BODY, signed(BODY, secret=""), "")


@pytest.mark.parametrize("signature", [f"t={NOW}", f"t={NOW},v0=", f"t={NOW},v1={digest(BODY)}", digest(BODY)])
def test_message_says_that_the_header_is_malformed_instead_of_wrong(signature: str) -> None:
    with pytest.raises(WebhookSignatureError, match="is missing, or not like 't="):
        construct(BODY, signature)


@pytest.mark.parametrize("age", [-1801, 1801, 10**9])
def test_timestamp_outside_the_tolerance_is_refused(age: int) -> None:
    with pytest.raises(WebhookSignatureError, match="more than 1800 s from now"):
        construct(BODY, signed(BODY, NOW - age))


@pytest.mark.parametrize("age", [-1800, 0, 1800])
def test_timestamp_within_the_tolerance_is_accepted(age: int) -> None:
    assert construct(BODY, signed(BODY, NOW - age)).data.conversation_id == "c"
    with pytest.raises(WebhookSignatureError):
        construct(BODY, signed(BODY, NOW - 11), tolerance=10)


def test_one_valid_signature_of_several_is_enough() -> None:
    several = f"t={NOW},v0={'0' * 64},v0={digest(BODY)},v0={'f' * 64}"
    assert construct(BODY, several).data.conversation_id == "c"
    assert construct(BODY, f" t={NOW} , v0={digest(BODY)} ").data.conversation_id == "c"


def test_body_that_is_not_bytes_raises_type_error() -> None:
    text: Any = BODY.decode()
    with pytest.raises(TypeError, match="raw bytes"):
        construct_event(text, signed(BODY), SECRET)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"type": "post_call_transcription", "data": {"conversation_id": 5}}', "$.data.conversation_id"),
        (b'{"type": "post_call_transcription", "data": {"conversation_id": "c", "status": 5}}', "$.data.status"),
        (b'{"type": "post_call_audio", "data": {"conversation_id": "c", "full_audio": "%"}}', "$.data.full_audio"),
        (b"nonsense", "$"),
        (b"", "$"),
    ],
)
def test_undecodable_webhook_has_path_and_is_not_retryable(body: bytes, path: str) -> None:
    with pytest.raises(DecodeError, match=r"^the webhook cannot be decoded: ") as caught:
        construct(body)
    assert (caught.value.path, caught.value.body, caught.value.retryable) == (path, body, False)


@pytest.mark.parametrize("kind", ["post_call_transcription", "post_call_audio", "call_initiation_failure"])
@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        (NOW, NOW),
        (NOW + 0.75, NOW),
        (str(NOW), NOW),
        ("2026-05-28T20:26:40Z", NOW),
        ("2026-05-28T22:26:40.5+02:00", NOW),
        ("2026-05-28T20:26:40", NOW),
        ("yesterday", None),
        ("", None),
        (None, None),
        ([], None),
        ({"seconds": NOW}, None),
        (1e30, None),
    ],
)
def test_any_event_timestamp_decodes(kind: str, timestamp: Any, expected: int | None) -> None:
    document = {"type": kind, "event_timestamp": timestamp, "data": {"conversation_id": "c"}}
    event = construct(msgspec.json.encode(document))
    assert event.event_timestamp == expected
    assert event.type == kind
    assert event.data.conversation_id == "c"


def test_timestamp_as_text_is_a_number_in_normalized_event() -> None:
    data = {"conversation_id": "c", "metadata": {"cost": 1.5}}
    event = construct(
        msgspec.json.encode({"type": "post_call_transcription", "event_timestamp": str(NOW), "data": data})
    )
    assert (event.event_timestamp, event.data.metadata.cost) == (NOW, 1)


@pytest.mark.parametrize("data", [{"agent_id": "a"}, {"conversation_id": None}, {}, None, 5, []])
def test_event_without_conversation_id_is_unknown_event(data: Any) -> None:
    document = {"type": "post_call_transcription", "event_timestamp": NOW, "data": data}
    assert construct(msgspec.json.encode(document)) == UnknownEvent(tag="post_call_transcription", raw=document)
    del document["data"]
    assert construct(msgspec.json.encode(document)) == UnknownEvent(tag="post_call_transcription", raw=document)


@given(st.text(), st.binary())
def test_any_unsigned_body_is_refused(signature: str, body: bytes) -> None:
    with pytest.raises(WebhookSignatureError):
        verify(body, signature, SECRET)


@pytest.mark.parametrize("forged", [f"t={NOW},v0=\udcff", f"t={NOW},v0=é", f"t=\udcff,v0={digest(BODY)}"])
def test_signature_with_non_ascii_characters_is_refused(forged: str) -> None:
    with pytest.raises(WebhookSignatureError):
        construct(BODY, forged)


@pytest.mark.parametrize(("characters", "accepted"), [(4096, True), (4097, False)])
def test_signature_header_is_read_up_to_4096_characters(characters: int, accepted: bool) -> None:
    valid = f",v0={digest(BODY)}"
    header = f"t={NOW},".ljust(characters - len(valid), "x") + valid
    assert len(header) == characters
    if accepted:
        verify(BODY, header, SECRET, clock=lambda: NOW)
    else:
        with pytest.raises(WebhookSignatureError):
            verify(BODY, header, SECRET, clock=lambda: NOW)


def test_event_that_is_created_by_hand_has_its_type() -> None:
    data = Conversation(conversation_id="c")
    events: list[Any] = [PostCallTranscription(data=data), PostCallAudio(), CallInitiationFailure()]
    assert [event.type for event in events] == ["post_call_transcription", "post_call_audio", "call_initiation_failure"]


def test_signed_timestamp_with_hundreds_of_digits_is_refused() -> None:
    with pytest.raises(WebhookSignatureError):
        construct_event(BODY, signed(BODY, "9" * 400), SECRET)


def test_nan_tolerance_refuses_everything() -> None:
    with pytest.raises(WebhookSignatureError):
        construct(BODY, signed(BODY, 5), tolerance=float("nan"))


@given(st.binary(), st.text(min_size=1), st.integers(0, 10**12))
def test_sign_creates_a_valid_signature(body: bytes, secret: str, timestamp: int) -> None:
    signature = sign(body, secret, timestamp=timestamp + 0.9)
    assert signature == signed(body, timestamp, secret)
    verify(body, signature, secret, clock=lambda: timestamp)
    for other in (body + b" ", b"x" + body):
        with pytest.raises(WebhookSignatureError):
            verify(other, signature, secret, clock=lambda: timestamp)


def test_sign_uses_the_current_time_by_default() -> None:
    event = construct_event(BODY, sign(BODY, SECRET), SECRET, tolerance=60)
    assert isinstance(event, PostCallTranscription)
