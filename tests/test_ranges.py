"""Ranges of recordings, and what a player gets through a web backend."""

from __future__ import annotations

import asyncio
import importlib
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from uvicorn_server import served_by_uvicorn

from convai_async import ConvAIClient, RetryPolicy
from convai_async._support.byte_range import matches_range, normalize_range
from convai_async.errors import APIStatusError, DecodeError
from convai_async.testing import FakeConvAI, faults, mp3

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
SIZE = 300_001
WHOLE = b"".join(mp3.iter_blocks(SIZE - 1000)) + bytes(range(250)) * 4
ONCE = RetryPolicy(attempts=1)


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def service_with_ranges(tmp_path: Path) -> AsyncIterator[ConvAIClient]:
    file = tmp_path / "whole.mp3"
    file.write_bytes(WHOLE)

    async def get_audio(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(file)

    app = web.Application()
    app.router.add_get("/v1/convai/conversations/{id}/audio", get_audio)
    async with served(app) as url, ConvAIClient("key", base_url=url, retry=ONCE) as client:
        yield client


@pytest.mark.parametrize(
    ("header", "part", "content_range"),
    [
        ("bytes=100-199", WHOLE[100:200], f"bytes 100-199/{len(WHOLE)}"),
        ("bytes=0-", WHOLE, f"bytes 0-{len(WHOLE) - 1}/{len(WHOLE)}"),
        ("bytes=-5", WHOLE[-5:], f"bytes {len(WHOLE) - 5}-{len(WHOLE) - 1}/{len(WHOLE)}"),
        (" Bytes = 7 - 7 ", WHOLE[7:8], f"bytes 7-7/{len(WHOLE)}"),
        (f"bytes=10-{10**12}", WHOLE[10:], f"bytes 10-{len(WHOLE) - 1}/{len(WHOLE)}"),
    ],
)
async def test_requested_range_is_returned(
    service_with_ranges: ConvAIClient, header: str, part: bytes, content_range: str
) -> None:
    async with service_with_ranges.conversations.audio.stream("conv_1", range=header) as audio:
        assert b"".join([chunk async for chunk in audio]) == part
        assert audio.status == 206
        assert audio.response_headers() == {
            "content-type": "audio/mpeg",
            "content-length": str(len(part)),
            "content-range": content_range,
            "accept-ranges": "bytes",
        }


@pytest.mark.parametrize(
    "header", [None, "", "bytes", "bytes=-", "bytes=5-4", "bytes=0-1,5-6", "lines=1-2", "bytes=x-"]
)
async def test_malformed_range_or_several_ranges_return_the_whole_recording(
    service_with_ranges: ConvAIClient, header: str | None
) -> None:
    async with service_with_ranges.conversations.audio.stream("conv_1", range=header) as audio:
        assert b"".join([chunk async for chunk in audio]) == WHOLE
        assert (audio.status, audio.content_range) == (200, None)
        assert audio.response_headers()["accept-ranges"] == "bytes"


async def test_service_without_ranges_returns_the_whole_recording(fake: FakeConvAI, client: ConvAIClient) -> None:
    fake.faults.add(faults.body(WHOLE, content_type="audio/mpeg"))
    async with client.conversations.audio.stream("conv_1", range="bytes=10-19") as audio:
        assert b"".join([chunk async for chunk in audio]) == WHOLE
        assert audio.status == 200
        assert audio.response_headers() == {"content-type": "audio/mpeg", "content-length": str(len(WHOLE))}
    assert fake.requests[-1].headers["range"] == "bytes=10-19"


async def test_range_beyond_the_end_raises_416(service_with_ranges: ConvAIClient) -> None:
    with pytest.raises(APIStatusError) as caught:
        await service_with_ranges.conversations.audio.stream("conv_1", range="bytes=9999999-").__aenter__()
    assert caught.value.status == 416


@pytest.mark.parametrize(
    ("content_range", "length"),
    [
        (None, 10),
        ("bytes 0-9/100", 10),
        ("bytes 10-19/100", 11),
        ("bytes 10-20/100", 11),
        ("bytes 10-19/15", 10),
        ("bytes 19-10/100", 10),
        ("bytes */100", 10),
        ("nonsense", 10),
    ],
)
async def test_part_that_was_not_requested_is_refused(content_range: str | None, length: int) -> None:
    async def get_audio(_request: web.Request) -> web.Response:
        headers = {"content-type": "audio/mpeg"} | ({"content-range": content_range} if content_range else {})
        return web.Response(status=206, body=b"x" * length, headers=headers)

    app = web.Application()
    app.router.add_get("/v1/convai/conversations/conv_1/audio", get_audio)
    async with served(app) as url, ConvAIClient("key", base_url=url, retry=ONCE) as client:
        with pytest.raises(DecodeError):
            await client.conversations.audio.stream("conv_1", range="bytes=10-19").__aenter__()


@given(st.integers(1, 50), st.integers(0, 60) | st.none(), st.integers(0, 60) | st.none())
def test_only_the_matching_content_range_is_accepted(total: int, first: int | None, last: int | None) -> None:
    header = normalize_range(f"bytes={'' if first is None else first}-{'' if last is None else last}")
    if (first is None and last is None) or (first is not None and last is not None and last < first):
        assert header is None
        return
    assert header is not None
    wanted = range(total)[first if first is not None else -(last or 0) or total :]
    if first is not None and last is not None:
        wanted = range(total)[first : last + 1]
    if not wanted:
        return  # a 416
    start, end = wanted[0], wanted[-1]
    assert matches_range(f"bytes {start}-{end}/{total}", header, str(len(wanted)))
    assert matches_range(f"bytes {start}-{end}/{total}", header, None)
    assert not matches_range(f"bytes {start}-{end}/{total}", header, str(len(wanted) + 1))
    assert not matches_range(f"bytes {start + 1}-{end + 1}/{total + 1}", header, None) or first is None
    if first is not None and last is not None:
        assert not matches_range(f"bytes {start}-{last + 1}/{last + 5}", header, None)


@pytest.mark.parametrize("example", ["play_in_fastapi", "play_in_starlette", "play_in_aiohttp"])
async def test_player_can_seek_through_each_example(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    module = importlib.import_module(example)
    async with FakeConvAI(conversations=30, audio_bytes=SIZE) as fake:
        monkeypatch.setattr(module, "ConvAIClient", lambda: ConvAIClient(fake.api_key, base_url=fake.url))
        whole = b"".join(mp3.iter_blocks(SIZE))
        has_audio = fake.conversations.has_audio
        url = f"/calls/{next(filter(has_audio, fake.conversations))}/audio"
        silent = f"/calls/{next(each for each in fake.conversations if not has_audio(each))}/audio"
        running = served(module.make_app()) if example == "play_in_aiohttp" else served_by_uvicorn(module.app)
        async with running as base_url, httpx.AsyncClient(base_url=base_url) as player:
            head, part, rest = await asyncio.gather(
                player.head(url),
                player.get(url, headers={"range": "bytes=1000-1999"}),
                player.get(url, headers={"range": f"bytes={SIZE - 10}-"}),
            )
            assert (await player.get(silent)).status_code == 404
        assert (head.status_code, head.headers["content-length"], head.content) == (200, str(SIZE), b"")
        assert head.headers["content-type"] == "audio/mpeg"
        assert (part.status_code, part.content) == (206, whole[1000:2000])
        assert part.headers["content-range"] == f"bytes 1000-1999/{SIZE}"
        assert (rest.status_code, rest.content) == (206, whole[-10:])
        assert len(fake.requests) == 2, "the recording was downloaded once"


async def test_cache_of_recordings_does_not_exceed_its_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    cache_class = importlib.import_module("recording_cache").RecordingCache
    async with (
        FakeConvAI(conversations=60, audio_bytes=1000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        recorded = list(filter(fake.conversations.has_audio, fake.conversations))[:6]
        cache = cache_class(client, tmp_path, max_bytes=3000)
        for turn, each in enumerate(recorded):
            path = await cache.get_path(each)
            os.utime(path, (turn, turn))
            await cache.get_path(recorded[0])  # the one that is played most
            os.utime(await cache.get_path(recorded[0]), (1000 + turn, 1000 + turn))
        kept = {path.name for path in tmp_path.iterdir()}
        assert kept == {(await cache.get_path(each)).name for each in (recorded[0], *recorded[-2:])}
        await cache.remove(recorded[0])
        assert len(list(tmp_path.iterdir())) == 2
        small = cache_class(client, tmp_path, max_bytes=10)
        assert (await small.get_path(recorded[1])).stat().st_size == 1000
        assert len(list(tmp_path.iterdir())) == 1
