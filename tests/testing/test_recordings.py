"""Recordings, parts of them, and compressed replies of the fake service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convai_async.testing import FakeConvAI, mp3

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SIZE = 200_000
WHOLE = b"".join(mp3.iter_blocks(SIZE))


@pytest.mark.parametrize("size", [0, 1, 417, 418, 65_520, 100_000, 5_000_000])
def test_recording_has_exactly_the_given_size(size: int) -> None:
    blocks = list(mp3.iter_blocks(size))
    assert sum(map(len, blocks)) == size
    assert size < 2 or b"".join(blocks)[:2] == b"\xff\xf3"
    assert max(map(len, blocks), default=0) <= 65_536
    assert len(set(blocks)) == len(blocks), "bytes from a wrong offset are detected"


@given(st.integers(0, SIZE), st.integers(0, SIZE))
def test_part_of_a_recording_equals_the_same_bytes_of_the_whole(one: int, other: int) -> None:
    start, stop = sorted((one, other))
    assert b"".join(mp3.iter_blocks(stop, start)) == WHOLE[start:stop]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        FakeConvAI(conversations=30, audio_bytes=SIZE) as fake,
        aiohttp.ClientSession(headers={"xi-api-key": fake.api_key}, base_url=audio_url(fake)) as opened,
    ):
        yield opened


def audio_url(fake: FakeConvAI) -> str:
    recorded = next(filter(fake.conversations.has_audio, fake.conversations))
    return f"{fake.url}/v1/convai/conversations/{recorded}/"


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=70000-70009", 70_000, 70_010),
        ("bytes=199990-", 199_990, SIZE),
        ("bytes=199990-999999", 199_990, SIZE),
        ("bytes=-10", 199_990, SIZE),
        ("bytes=-999999", 0, SIZE),
    ],
)
async def test_range_gets_a_206_with_exactly_these_bytes(
    session: aiohttp.ClientSession, asked: str, start: int, stop: int
) -> None:
    for method in ("GET", "HEAD"):
        async with session.request(method, "audio", headers={"range": asked}) as reply:
            assert reply.status == 206
            assert reply.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
            assert reply.headers["content-length"] == str(stop - start)
            assert await reply.read() == (WHOLE[start:stop] if method == "GET" else b"")


@pytest.mark.parametrize("asked", ["bytes=200000-", "bytes=-0", "bytes=999999-1000000"])
async def test_range_beyond_the_end_gets_a_416_with_the_size(session: aiohttp.ClientSession, asked: str) -> None:
    async with session.get("audio", headers={"range": asked}) as reply:
        assert reply.status == 416
        assert reply.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"range": "bytes=-"},
        {"range": "bytes=9-1"},
        {"range": "bytes=0-1,5-6"},
        {"range": "frames=0-1"},
        {"range": "bytes=0-1", "if-range": '"tag"'},
    ],
)
async def test_malformed_and_multiple_ranges_get_the_whole_recording(
    session: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with session.get("audio", headers=headers) as reply:
        assert (reply.status, reply.headers["accept-ranges"]) == (200, "bytes")
        assert await reply.read() == WHOLE
    async with session.head("audio", headers=headers) as reply:
        assert (reply.status, reply.headers["content-length"]) == (200, str(SIZE))


@pytest.mark.parametrize("settings", [{"audio_ranges": False}, {"audio_ranges": False, "audio_content_length": False}])
async def test_ranges_and_content_length_can_be_disabled(settings: Any) -> None:
    async with (
        FakeConvAI(conversations=30, audio_bytes=SIZE, **settings) as fake,
        aiohttp.ClientSession(headers={"xi-api-key": fake.api_key, "range": "bytes=1-2"}) as session,
    ):
        for method in ("GET", "HEAD"):
            async with session.request(method, audio_url(fake) + "audio") as reply:
                assert reply.status == 200
                assert "accept-ranges" not in reply.headers
                assert ("content-length" in reply.headers) is settings.get("audio_content_length", True)
                assert await reply.read() == (WHOLE if method == "GET" else b"")


async def test_large_range_is_streamed() -> None:
    async with (
        FakeConvAI(conversations=30, audio_bytes=9_000_000) as fake,
        aiohttp.ClientSession(headers={"xi-api-key": fake.api_key, "range": "bytes=1000000-"}) as session,
        session.get(audio_url(fake) + "audio") as reply,
    ):
        assert reply.status == 206
        assert await reply.read() == b"".join(mp3.iter_blocks(9_000_000, 1_000_000))


@pytest.mark.parametrize(("accepted", "gzip"), [("gzip", True), ("gzip", False), ("identity", True)])
async def test_json_is_compressed_for_clients_that_accept_gzip(accepted: str, gzip: bool) -> None:
    async with (
        FakeConvAI(conversations=3, gzip=gzip) as fake,
        aiohttp.ClientSession(headers={"xi-api-key": fake.api_key, "accept-encoding": accepted}) as session,
    ):
        conversation_id = next(iter(fake.conversations))
        async with session.get(f"{fake.url}/v1/convai/conversations/{conversation_id}") as reply:
            assert (reply.headers.get("content-encoding") == "gzip") is (gzip and accepted == "gzip")
            assert await reply.read() == fake.conversations.document(conversation_id)
        async with session.get(audio_url(fake) + "audio") as reply:
            assert "content-encoding" not in reply.headers
