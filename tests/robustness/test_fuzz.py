"""Randomly mutated responses, error responses and webhooks are decoded or raise one of the client's errors.

``FUZZ_INPUTS=1000000 pytest tests/robustness/test_fuzz.py -rP`` reads a million mutated documents and prints how many
were decoded. By default there are fewer. All inputs are drawn from fixed seeds, so every run is the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import math
import os
import random
from typing import Any, get_args

import contract_models
import msgspec
import pytest
from every_endpoint import build_request, get_result_type
from multidict import CIMultiDict
from mutations import HOSTILE, Mutator
from seeds import JSON_ENDPOINTS, MODELS, Seeds, collect_seeds, find_model

from convai_async import Page, models
from convai_async._transport.status_errors import error_from_response, parse_retry_after
from convai_async.endpoints import get_request_id
from convai_async.errors import APIStatusError, DecodeError, InvalidArgumentError, WebhookSignatureError
from convai_async.models import Model, get_decoder
from convai_async.webhooks import construct_event

INPUTS = int(os.environ.get("FUZZ_INPUTS", "20000"))
LARGE = {models.Conversation: 0.4, contract_models.ConversationsPage: 0.12, models.TranscriptTurn: 0.12}
"""The shares of the inputs for the largest models; the others share the rest."""
SECRET = "wsec_very_secret"
NOW = 1_780_000_000

pytestmark = pytest.mark.timeout(300 + INPUTS // 1000)


@pytest.fixture(scope="module")
def seeds() -> Seeds:
    return asyncio.run(collect_seeds())


def count_inputs(model: type[Model]) -> int:
    rest = (1 - sum(LARGE.values())) / (len(MODELS) - len(LARGE))
    return math.ceil(INPUTS * LARGE.get(model, rest))


def decode_or_catch(model: type[Model], body: bytes) -> Model | DecodeError:
    try:
        return get_decoder(model)(body)
    except DecodeError as error:
        return error


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_mutated_document_is_decoded_like_json_or_raises_decode_error(model: type[Model], seeds: Seeds) -> None:
    mutator = Mutator(seeds.documents[model], random.Random(f"decoder of {model.__name__}"))
    inputs, decoded = count_inputs(model), 0
    for _ in range(inputs):
        body = mutator.draw()
        made = decode_or_catch(model, body)
        if isinstance(made, DecodeError):
            assert made.body == body
            assert made.path.startswith("$")
            continue
        decoded += 1
        # Python limits the digits of an integer, JSON does not; invalid UTF-8 is replaced.
        json.loads(body.decode("utf-8-sig", errors="replace"), parse_int=str, strict=False)
        assert model.from_json(made.to_json()) == made, body
        assert repr(made).removeprefix("<").startswith(model.__name__)
    print(f"{inputs:,} inputs: {decoded:,} decoded, {inputs - decoded:,} refused")
    assert 0 < decoded < inputs


@pytest.mark.parametrize("endpoint", JSON_ENDPOINTS)
def test_mutated_response_of_an_endpoint_is_decoded_or_raises_decode_error(endpoint: str, seeds: Seeds) -> None:
    mutator = Mutator(seeds.responses[endpoint], random.Random(endpoint))
    decode = build_request(endpoint, seeds.existing).decode
    expected = Page if get_args(get_result_type(endpoint)) else find_model(endpoint)
    inputs, decoded = INPUTS // 100, 0
    for _ in range(inputs):
        body = mutator.draw()
        try:
            result = decode(body)
        except DecodeError as error:
            result = error
        if isinstance(result, DecodeError):
            assert result.body in {body, b""}, "an error does not keep secrets"
        else:
            assert isinstance(result, expected)
            decoded += 1
    print(f"{inputs:,} inputs: {decoded:,} decoded, {inputs - decoded:,} refused")
    assert 0 < decoded < inputs


ERRORS = [
    b'{"detail":{"type":"t","code":"rate_limit_exceeded","message":"m","status":"s","request_id":"r"}}',
    b'{"detail":[{"loc":["query","page_size",0],"msg":"too large","type":"le"},{"loc":[],"msg":"","type":""}]}',
    b'{"detail":"Not Found","status":"s","message":"m"}',
    b'{"status":"s","message":"\\u001b[31mred\\nline"}',
    b"<html><body>Bad Gateway</body></html> null 5",
]
RETRY_AFTER = [
    b"3",
    b"0.25",
    b"1e5",
    b"1500",
    b"Sun, 06 Nov 1994 08:49:37 GMT",
    b"Sunday, 06-Nov-94 08:49:37 GMT",
    b"Sun Nov  6 08:49:37 1994",
    b"Fri, 31 Dec 9999 23:59:59 -0800",
    b"Sat, 21 Nov 2026 14:00:00 +0100 (CET)",
]


def draw_header_value(mutator: Mutator, rng: random.Random, texts: list[bytes]) -> str:
    """Return a mutated header value as aiohttp decodes it, with surrogates for invalid UTF-8."""
    text = mutator.mutate_bytes(rng.choice(texts), rng.randrange(4))
    return rng.choice((text, text, text, rng.choice(HOSTILE)))[:5_000].decode(errors="surrogateescape")


def test_mutated_error_response_raises_status_error_with_a_one_line_message() -> None:
    rng = random.Random("errors")
    bodies, headers = Mutator(ERRORS, rng), Mutator(RETRY_AFTER, rng)
    inputs = INPUTS // 10
    for _ in range(inputs):
        body, value = bodies.draw(), draw_header_value(headers, rng, RETRY_AFTER)
        status = rng.choice((400, 401, 402, 403, 404, 408, 409, 422, 425, 429, 500, 503, 599))
        response = CIMultiDict({"Retry-After": value, rng.choice(("request-id", "date")): value})
        error = error_from_response("GET /x", status, response, body, get_request_id(response))
        assert isinstance(error, APIStatusError)
        assert (error.status, error.body) == (status, body)
        assert error.retry_after is None or 0 <= error.retry_after < math.inf
        assert str(error).isprintable(), body
        assert len(str(error)) < 2_000
    print(f"{inputs:,} inputs")


@pytest.mark.parametrize("header", ["retry-after", "retry-after-ms"])
def test_mutated_retry_after_is_none_or_a_finite_number_of_seconds(header: str) -> None:
    rng = random.Random(header)
    mutator = Mutator(RETRY_AFTER, rng)
    inputs, understood = INPUTS // 5, 0
    for _ in range(inputs):
        seconds = parse_retry_after({header: draw_header_value(mutator, rng, RETRY_AFTER)}, now=NOW)
        assert seconds is None or 0 <= seconds < math.inf
        understood += seconds is not None
    print(f"{inputs:,} inputs: {understood:,} understood")
    assert 0 < understood < inputs


def sign(body: bytes, timestamp: str) -> str:
    return hmac.new(SECRET.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def build_webhooks(seeds: Seeds) -> list[bytes]:
    conversation = min(seeds.documents[models.Conversation], key=len)
    data = b'{"agent_id":"a","conversation_id":"c","full_audio":"//NtcDM=","failure_reason":"busy","metadata":{"a":1}}'
    return [
        b'{"type":"%s","event_timestamp":1780000000,"data":%s}' % (kind, content)
        for kind, content in (
            (b"post_call_transcription", conversation),
            (b"post_call_audio", data),
            (b"call_initiation_failure", data),
            (b"telepathy", data),
        )
    ]


def construct_or_catch(body: bytes, signature: str) -> Any:
    try:
        return construct_event(body, signature, SECRET, clock=lambda: float(NOW))
    except (WebhookSignatureError, DecodeError, InvalidArgumentError) as error:
        return error


def test_webhook_with_changed_body_or_signature_is_refused(seeds: Seeds) -> None:
    rng = random.Random("forged")
    bodies = build_webhooks(seeds)
    mutator = Mutator(bodies, rng)
    inputs, through = INPUTS // 10, 0
    for _ in range(inputs):
        signed = rng.choice(bodies)
        genuine = sign(signed, str(NOW))
        header = f"t={NOW},v0={genuine}".encode()
        body = mutator.draw() if rng.random() < 0.5 else signed
        signature = mutator.mutate_bytes(header, rng.randrange(4)).decode(errors="replace")
        if not isinstance(construct_or_catch(body, signature), Exception):
            assert body == signed
            assert f"v0={genuine}" in signature
            assert f"t={NOW}" in signature
            through += 1
    print(f"{inputs:,} inputs: {through:,} through")
    assert 0 < through < inputs


def test_webhook_signature_with_invalid_utf_8_is_refused() -> None:
    signature = f"t={NOW},v0=".encode() + b"\xff"
    error = construct_or_catch(b"{}", signature.decode(errors="surrogateescape"))  # as aiohttp's server has it
    assert isinstance(error, WebhookSignatureError)


def test_signed_webhook_with_huge_timestamp_is_refused() -> None:
    timestamp = "9" * 400
    error = construct_or_catch(b"{}", f"t={timestamp},v0={sign(b'{}', timestamp)}")
    assert isinstance(error, WebhookSignatureError)


def test_mutated_signed_webhook_is_an_event_or_raises_decode_error(seeds: Seeds) -> None:
    rng = random.Random("signed")
    mutator = Mutator(build_webhooks(seeds), rng)
    inputs, events = INPUTS // 10, 0
    for _ in range(inputs):
        body = mutator.draw()
        event = construct_or_catch(body, f"t={NOW},v0={sign(body, str(NOW))}")
        if isinstance(event, Exception):
            assert isinstance(event, DecodeError)
            assert event.body == body
        else:
            events += 1
            assert repr(event)
            assert msgspec.json.encode(event)
    print(f"{inputs:,} inputs: {events:,} events")
    assert 0 < events < inputs
