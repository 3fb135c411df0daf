"""Everything at once, under pairs of faults: what comes is the truth, or one of our errors; never anything else.

``CHAOS_ROUNDS=100 pytest tests/robustness/test_chaos.py``
injects more than ten thousand faults; the ordinary run is a slice
of that. With ``-rP`` it says how many there were.
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
SECONDS_AN_OPERATION = 30
CONVERSATIONS = 30
MAX_RESPONSE_BYTES = 4 * 1024 * 1024
ENDS = get_args(faults.End)


def encoded(content: bytes) -> Fault:
    """Answer with a body that claims to be gzip."""

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        reply = await faults.body(content)(request, proceed)
        reply.headers["content-encoding"] = "gzip"
        return reply

    return answer


def where(fits: Callable[[str], bool], fault: Fault) -> Fault:
    """Let a fault happen to some paths only."""

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        return await (fault(request, proceed) if fits(request.path) else proceed())

    return answer


def of_json_only(fault: Fault) -> Fault:
    """Leave recordings alone: a stream cannot be cut by a fault that needs the whole of it."""
    return where(lambda path: not path.endswith("/audio"), fault)


def of_conversations_only(fault: Fault) -> Fault:
    """Leave lists and recordings alone."""
    return where(lambda path: not path.endswith(("/conversations", "/audio")), fault)


def of_lists_only(fault: Fault) -> Fault:
    """Leave everything else alone: it has no cursor, and would only be given one."""
    return where(lambda path: path.endswith("/conversations"), fault)


HEALED: dict[str, Fault] = {
    **{f"status {code}": faults.status(code) for code in (408, 409, 425, 500, 502, 503, 504, 529)},
    **{f"status 500, shape {shape}": faults.status(500, shape=shape) for shape in (2, 3, 4, 5)},
    **{
        f"429 {error} {form}": faults.rate_limited(error, retry_after=0.001, form=form)
        for error in ("rate_limit_exceeded", "system_busy", "concurrent_limit_exceeded", "too_many_concurrent_requests")
        for form in ("seconds", "milliseconds")
    },
    "429 until a date": faults.rate_limited(retry_after=-1, form="date"),
    "429 without a time": faults.rate_limited(),
    "an error page": faults.html(502),
    "an empty error": faults.body(b"", code=504),
    "a binary error": faults.body(bytes(range(256)), code=500, content_type="application/octet-stream"),
    **{f"a dropped connection, {end}": faults.drop(end=end) for end in ENDS},
    "a dropped connection after acting": faults.drop(after_acting=True),
    **{f"a body cut short, {end}": of_json_only(faults.truncate(end=end)) for end in ENDS},
    **{
        f"a body cut short, of unknown length, {end}": of_json_only(faults.truncate(chunked=True, end=end))
        for end in ENDS
    },
    "a body that never begins": of_json_only(faults.truncate(share=0)),
    "a body that trickles": of_json_only(faults.slow_body(chunk=2048, pause=0)),
    "a giant header": faults.status(200, headers={"x-giant": "x" * 100_000}),
    "many headers": faults.status(200, headers={f"x-{number}": "x" for number in range(10_000)}),
    "JSON that calls itself text": of_json_only(faults.mislabelled("text/plain")),
    "JSON that calls itself another alphabet": of_json_only(faults.mislabelled("application/json; charset=utf-16")),
    "empty pages": of_lists_only(faults.empty_page()),
}
"""After these, the same request can succeed."""

RUINOUS: dict[str, Fault] = {
    "no JSON": faults.body(b"<html>"),
    "nothing": faults.body(b""),
    "another document": faults.body(b"{}"),
    "a list": faults.body(b"[]"),
    "another conversation": of_conversations_only(faults.change(lambda document: document.update(conversation_id="c"))),
    "a key that stands twice": faults.body(b'{"conversation_id": "c", "conversation_id": 5, "conversations": 5}'),
    "no such alphabet": of_json_only(faults.mislabelled("application/json; charset=klingon")),
    "a recording that calls itself JSON": faults.mislabelled("application/json"),
    "deep JSON": faults.body(b'{"conversation_id": "c", "metadata": ' + b"[" * 100_000),
    "a huge number": faults.body(b'{"conversation_id": 1' + b"0" * 10_000 + b"}"),
    "no UTF-8": faults.body(b'{"conversation_id": "\xff\xfe"}'),
    "half a character": faults.body(b'{"conversation_id": "\\ud800"}'),
    "broken gzip": encoded(gzip.compress(b"{}" * 100)[:-9] + b"\x00" * 9),
    "no gzip": encoded(b"{}"),
    "a bomb": encoded(gzip.compress(b" " * (2 * MAX_RESPONSE_BYTES))),
    "a long body": faults.body(b" " * (2 * MAX_RESPONSE_BYTES)),
    "an endless list": of_lists_only(faults.repeat_cursor("")),
    "a list without its end": of_lists_only(faults.more_without_cursor()),
    "another origin": faults.redirect("https://elsewhere.example/"),
    "itself": faults.redirect("?"),
    **{f"status {code}": faults.status(code) for code in (400, 402, 404, 418, 422)},
}
"""After these, an error of ours is as good as the truth."""


async def run(seed: int, folder: Path, *, ruinous: bool) -> tuple[int, list[str]]:
    """Do everything under a pair of faults, and return how many there were and which operations failed."""
    rng = random.Random(seed)
    names = [rng.choice(sorted(HEALED)), rng.choice(sorted(RUINOUS if ruinous else HEALED))]
    failed = []
    patient = RetryPolicy(attempts=60, timeout=None, wait_initial=0, wait_max=0)
    async with (
        FakeConvAI(conversations=CONVERSATIONS, seed=seed, audio_bytes=50_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=patient, max_response_bytes=MAX_RESPONSE_BYTES) as client,
    ):
        world = World(fake.conversations, client, folder)
        await world.learn_the_recording()
        rules = [fake.faults.add((HEALED | RUINOUS)[name], times=None, rate=0.3) for name in names]
        for operation in OPERATIONS:
            try:
                async with asyncio.timeout(SECONDS_AN_OPERATION):
                    await getattr(world, operation)()
            except ConvAIError as error:
                failed.append(f"{operation} under {' and '.join(names)}: {error!r}")
        fake.faults.clear()
        for operation in OPERATIONS:  # nothing of it stays
            await getattr(world, operation)()
        assert not any("range" in request.headers for request in fake.requests), "no part is ever taken for the whole"
    return sum(rule.hits for rule in rules), failed


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_what_passes_is_healed_and_nobody_notices(seed: int, tmp_path: Path) -> None:
    hits, failed = await run(seed, tmp_path, ruinous=False)
    print(f"{hits} faults")
    assert failed == []


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_what_ruins_a_reply_is_an_error_of_ours_and_never_wrong_data(seed: int, tmp_path: Path) -> None:
    hits, failed = await run(seed, tmp_path, ruinous=True)
    print(f"{hits} faults: {failed}")


async def test_a_list_that_changes_while_it_is_read_has_once_what_was_there_all_the_time() -> None:
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


async def test_a_clock_that_jumps_hurries_nobody_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(1)
    real = time.time
    async with (
        FakeConvAI(conversations=CONVERSATIONS, audio_bytes=50_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=RetryPolicy(wait_initial=0)) as client,
        asyncio.timeout(SECONDS_AN_OPERATION),
    ):
        world = World(fake.conversations, client, tmp_path)
        await world.learn_the_recording()
        monkeypatch.setattr(time, "time", lambda: real() + rng.choice([0, -1, 1]) * rng.uniform(0, 10 * 365 * 86_400))
        for operation in OPERATIONS:
            await getattr(world, operation)()
        async with client.conversations.watch(since=0) as watch:
            assert {(await anext(watch)).conversation_id for _ in world.ids} == set(world.ids)
        fake.faults.add(faults.rate_limited(retry_after=60, form="date"))
        with suppress(RateLimitError):
            await client.conversations.list()
        assert client._engine.limiter.throttle_left <= 15 * 60
