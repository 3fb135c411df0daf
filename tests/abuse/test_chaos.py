"""Everything at once, under pairs of faults: what comes is the truth, or one of our errors; never anything else.

``CHAOS_ROUNDS=100 pytest tests/test_chaos.py`` injects more than ten thousand faults; the ordinary run is a slice of
that. With ``-rP`` it says how many there were.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import sqlite3
from typing import TYPE_CHECKING

import pytest

from convai_async import ConvAIClient, ConvAIError, RetryPolicy, calls
from convai_async.harvest import harvest
from convai_async.models import Conversation
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
    "a dropped connection": faults.drop(),
    "a dropped connection after acting": faults.drop(after_acting=True),
    "a body cut short": of_json_only(faults.truncate()),
    "a body cut short, of unknown length": of_json_only(faults.truncate(chunked=True)),
    "a body that never begins": of_json_only(faults.truncate(share=0)),
    "a body that trickles": of_json_only(faults.slow_body(chunk=2048, pause=0)),
}
"""After these, the same request can succeed."""

RUINOUS: dict[str, Fault] = {
    "no JSON": faults.body(b"<html>"),
    "nothing": faults.body(b""),
    "another document": faults.body(b"{}"),
    "a list": faults.body(b"[]"),
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


class World:
    """A service, what it has, and a client of it."""

    def __init__(self, fake: FakeConvAI, client: ConvAIClient, folder: Path) -> None:
        self.fake = fake
        self.client = client
        self.folder = folder
        self.ids = list(fake.conversations)
        self.documents = {each: fake.conversations.document(each) for each in self.ids}
        self.recorded = next(each for each in self.ids if fake.conversations.has_audio(each))
        self.recording = b""

    async def list(self) -> None:
        assert [summary.conversation_id async for summary in self.client.conversations.list(page_size=7)] == self.ids

    async def prefetch(self) -> None:
        async with self.client.conversations.list(page_size=7).prefetch() as summaries:
            assert [summary.conversation_id async for summary in summaries] == self.ids

    async def get_raw(self) -> None:
        response = await self.client.send_raw(calls.get_conversation(self.ids[0]))
        response.decode()
        assert response.body == self.documents[self.ids[0]]

    async def get_many(self) -> None:
        seen = set()
        errors = []
        async with self.client.conversations.get_many(self.ids) as results:
            async for result in results:
                seen.add(result.conversation_id)
                if result.error is not None:
                    errors.append(result.error)
                else:
                    assert result.conversation == Conversation.from_json(self.documents[result.conversation_id])
        assert seen == set(self.ids)
        if errors:
            raise errors[0]

    async def stream(self) -> None:
        async with self.client.conversations.audio.stream(self.recorded) as recording:
            assert b"".join([chunk async for chunk in recording]) == self.recording

    async def download(self) -> None:
        path = self.folder / "call.mp3"
        try:
            await self.client.conversations.audio.download(self.recorded, path)
            assert path.read_bytes() == self.recording
            path.unlink()
        finally:
            assert list(self.folder.glob("*call.mp3*")) == []

    async def harvest(self) -> None:
        path = self.folder / "calls.db"
        try:
            await harvest(self.client, path)
        finally:
            with sqlite3.connect(path) as connection:
                rows = dict(
                    connection.execute("SELECT conversation_id, raw FROM conversations WHERE decode_error IS NULL")
                )
                ((intact,),) = connection.execute("PRAGMA integrity_check").fetchall()
            connection.close()
        assert intact == "ok"
        assert all(raw == self.documents[conversation_id] for conversation_id, raw in rows.items())
        if rows.keys() != set(self.ids):
            raise ConvAIError("not all of them")


OPERATIONS = ("list", "prefetch", "get_raw", "get_many", "stream", "download", "harvest")


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
        world = World(fake, client, folder)
        async with client.conversations.audio.stream(world.recorded) as recording:
            world.recording = b"".join([chunk async for chunk in recording])
        rules = [fake.faults.add((HEALED | RUINOUS)[name], times=None, rate=0.3) for name in names]
        for operation in OPERATIONS:
            try:
                async with asyncio.timeout(SECONDS_AN_OPERATION):
                    await getattr(world, operation)()
            except ConvAIError as error:
                failed.append(f"{operation} under {' and '.join(names)}: {error!r}")
        fake.faults.clear()
        await world.get_raw()  # nothing of it stays
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
