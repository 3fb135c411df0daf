"""Under pairs of faults, every operation returns correct data or raises one of the client's errors.

``CHAOS_ROUNDS=100 pytest -m slow tests/robustness/test_chaos.py`` injects more than ten thousand faults. By default
there are fewer. ``-rP`` prints the number of faults.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING, get_args

import pytest
from world import OPERATIONS, World

from convai_async import ConvAIClient, ConvAIError, RetryPolicy
from convai_async.errors import RateLimitError
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiohttp import web

    from convai_async.testing.faults import Fault, Proceed

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "10"))
OPERATION_TIMEOUT = 30
CONVERSATIONS = 30
MAX_RESPONSE_BYTES = 4 * 1024 * 1024
ENDS = get_args(faults.ConnectionEnd)


def label_as_gzip(content: bytes) -> Fault:
    """Answer with this body and ``Content-Encoding: gzip``."""

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        response = await faults.body(content)(request, proceed)
        response.headers["content-encoding"] = "gzip"
        return response

    return answer


def limit_to(matches: Callable[[str], bool], fault: Fault) -> Fault:
    """Limit a fault to matching paths."""

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        return await (fault(request, proceed) if matches(request.path) else proceed())

    return answer


def limit_to_json(fault: Fault) -> Fault:
    """Limit a fault to JSON, because it does not support streamed responses."""
    return limit_to(lambda path: not path.endswith("/audio"), fault)


def limit_to_conversations(fault: Fault) -> Fault:
    """Limit a fault to single conversations."""
    return limit_to(lambda path: not path.endswith(("/conversations", "/audio")), fault)


def limit_to_lists(fault: Fault) -> Fault:
    """Limit a fault to lists, because other documents have no cursor."""
    return limit_to(lambda path: path.endswith("/conversations"), fault)


TRANSIENT: dict[str, Fault] = {
    **{f"status {code}": faults.status(code) for code in (408, 409, 425, 500, 502, 503, 504, 529)},
    **{f"status 500, shape {shape}": faults.status(500, shape=shape) for shape in (2, 3, 4, 5)},
    **{
        f"429 {error} {form}": faults.rate_limited(error, retry_after=0.001, form=form)
        for error in ("rate_limit_exceeded", "system_busy", "concurrent_limit_exceeded", "too_many_concurrent_requests")
        for form in ("seconds", "milliseconds")
    },
    "429 with a date": faults.rate_limited(retry_after=-1, form="date"),
    "429 without Retry-After": faults.rate_limited(),
    "error page": faults.html(502),
    "empty error": faults.body(b"", code=504),
    "binary error": faults.body(bytes(range(256)), code=500, content_type="application/octet-stream"),
    **{f"dropped connection, {end}": faults.drop(end=end) for end in ENDS},
    "dropped connection after acting": faults.drop(after_acting=True),
    **{f"truncated body, {end}": limit_to_json(faults.truncate(end=end)) for end in ENDS},
    **{f"truncated chunked body, {end}": limit_to_json(faults.truncate(chunked=True, end=end)) for end in ENDS},
    "empty truncated body": limit_to_json(faults.truncate(share=0)),
    "slow body": limit_to_json(faults.slow_body(chunk=2048, pause=0)),
    "huge header": faults.status(200, headers={"x-giant": "x" * 100_000}),
    "many headers": faults.status(200, headers={f"x-{number}": "x" for number in range(10_000)}),
    "JSON labelled as text": limit_to_json(faults.mislabelled("text/plain")),
    "JSON labelled as UTF-16": limit_to_json(faults.mislabelled("application/json; charset=utf-16")),
    "empty pages": limit_to_lists(faults.empty_page()),
}
"""Faults after which a retry can succeed."""

INVALID: dict[str, Fault] = {
    "HTML": faults.body(b"<html>"),
    "empty body": faults.body(b""),
    "empty document": faults.body(b"{}"),
    "JSON list": faults.body(b"[]"),
    "another conversation": limit_to_conversations(
        faults.change(lambda document: document.update(conversation_id="c"))
    ),
    "duplicate key": faults.body(b'{"conversation_id": "c", "conversation_id": 5, "conversations": 5}'),
    "unknown charset": limit_to_json(faults.mislabelled("application/json; charset=klingon")),
    "recording labelled as JSON": faults.mislabelled("application/json"),
    "deeply nested JSON": faults.body(b'{"conversation_id": "c", "metadata": ' + b"[" * 100_000),
    "huge number": faults.body(b'{"conversation_id": 1' + b"0" * 10_000 + b"}"),
    "invalid UTF-8": faults.body(b'{"conversation_id": "\xff\xfe"}'),
    "lone surrogate": faults.body(b'{"conversation_id": "\\ud800"}'),
    "broken gzip": label_as_gzip(gzip.compress(b"{}" * 100)[:-9] + b"\x00" * 9),
    "JSON labelled as gzip": label_as_gzip(b"{}"),
    "decompression bomb": label_as_gzip(gzip.compress(b" " * (2 * MAX_RESPONSE_BYTES))),
    "large body": faults.body(b" " * (2 * MAX_RESPONSE_BYTES)),
    "repeated cursor": limit_to_lists(faults.repeat_cursor("")),
    "more without cursor": limit_to_lists(faults.more_without_cursor()),
    "redirect to another origin": faults.redirect("https://elsewhere.example/"),
    "redirect to itself": faults.redirect("?"),
    **{f"status {code}": faults.status(code) for code in (400, 402, 404, 418, 422)},
}
"""Faults after which an error of the client is allowed."""


async def run(seed: int, folder: Path, *, invalid: bool) -> tuple[int, list[str]]:
    """Run all operations under a pair of faults; return the number of faults and the failed operations."""
    rng = random.Random(seed)
    names = [rng.choice(sorted(TRANSIENT)), rng.choice(sorted(INVALID if invalid else TRANSIENT))]
    failed = []
    patient = RetryPolicy(attempts=60, timeout=None, wait_initial=0, wait_max=0)
    async with (
        FakeConvAI(conversations=CONVERSATIONS, seed=seed, audio_bytes=50_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=patient, max_response_bytes=MAX_RESPONSE_BYTES) as client,
    ):
        world = World(fake.conversations, client, folder)
        await world.load_recording()
        rules = [fake.faults.add((TRANSIENT | INVALID)[name], times=None, rate=0.3) for name in names]
        for operation in OPERATIONS:
            try:
                async with asyncio.timeout(OPERATION_TIMEOUT):
                    await getattr(world, operation)()
            except ConvAIError as error:
                failed.append(f"{operation} under {' and '.join(names)}: {error!r}")
        fake.faults.clear()
        for operation in OPERATIONS:  # faults have no lasting effect
            await getattr(world, operation)()
        assert not any("range" in request.headers for request in fake.requests), (
            "recordings are never continued with a range"
        )
    return sum(rule.hits for rule in rules), failed


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_transient_faults_are_retried_until_all_operations_succeed(seed: int, tmp_path: Path) -> None:
    hits, failed = await run(seed, tmp_path, invalid=False)
    print(f"{hits} faults")
    assert failed == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_invalid_responses_raise_convai_error_and_never_give_wrong_data(seed: int, tmp_path: Path) -> None:
    hits, failed = await run(seed, tmp_path, invalid=True)
    print(f"{hits} faults: {failed}")


async def test_list_that_changes_while_it_is_read_yields_unchanged_conversations_once() -> None:
    async with FakeConvAI(conversations=60) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        there = list(fake.conversations)
        leaving = there[::3]

        async def change(request: web.Request, proceed: Proceed) -> web.StreamResponse:
            fake.add()
            fake.conversations.remove(leaving.pop())
            return await proceed()

        fake.faults.add(change, times=None)
        listed = [summary.conversation_id async for summary in client.conversations.list(page_size=7)]
        stayed = [each for each in there if each in fake.conversations]
        assert [each for each in listed if each in stayed] == stayed
        assert len(listed) == len(set(listed))


async def test_clock_jumps_do_not_change_waits_or_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    real = time.time
    async with (
        FakeConvAI(conversations=CONVERSATIONS, audio_bytes=50_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=RetryPolicy(wait_initial=0)) as client,
        asyncio.timeout(OPERATION_TIMEOUT),
    ):
        world = World(fake.conversations, client, tmp_path)
        await world.load_recording()
        monkeypatch.setattr(time, "time", lambda: real() + rng.choice([0, -1, 1]) * rng.uniform(0, 10 * 365 * 86_400))
        for operation in OPERATIONS:
            await getattr(world, operation)()
        async with client.conversations.watch(since=0) as watch:
            assert {(await anext(watch)).conversation_id for _ in world.ids} == set(world.ids)
        fake.faults.add(faults.rate_limited(retry_after=60, form="date"))
        with suppress(RateLimitError):
            await client.conversations.list()
        assert client._engine.limiter.throttle_left <= 15 * 60
