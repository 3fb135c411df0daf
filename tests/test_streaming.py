from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import stat
import tracemalloc
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from raw_server import build_response, raw_server
from virtual_time import in_virtual_time

from convai_async import ConvAIClient, RetryPolicy
from convai_async._support.atomic_files import AtomicFile
from convai_async.errors import (
    ClientClosedError,
    ConnectionFailedError,
    DecodeError,
    IncompleteBodyError,
    InvalidArgumentError,
    NotFoundError,
    RequestTimeoutError,
    ResponseTooLargeError,
)
from convai_async.testing import FakeConvAI, faults, mp3

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SIZE = 700_001
AT_ONCE = RetryPolicy(wait_initial=0, wait_max=0)


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=30, audio_bytes=SIZE) as service:
        yield service


def find_recorded(fake: FakeConvAI) -> str:
    return next(filter(fake.conversations.has_audio, fake.conversations))


@pytest.fixture
def recorded(fake: FakeConvAI) -> str:
    return find_recorded(fake)


@pytest.fixture
def silent(fake: FakeConvAI) -> str:
    return next(
        conversation_id for conversation_id in fake.conversations if not fake.conversations.has_audio(conversation_id)
    )


WHOLE = b"".join(mp3.iter_blocks(SIZE))


async def test_recording_streams_completely(client: ConvAIClient, fake: FakeConvAI, recorded: str) -> None:
    async with client.conversations.audio.stream(recorded) as audio:
        assert audio.content_type == "audio/mpeg"
        assert audio.content_length == SIZE
        assert b"".join([chunk async for chunk in audio]) == WHOLE
    assert str(SIZE) in repr(audio)
    assert fake.requests[0].headers["accept-encoding"] == "identity", "a compressed one could be cut unnoticed"


async def test_range_is_sent(client: ConvAIClient, fake: FakeConvAI, recorded: str) -> None:
    async with client.conversations.audio.stream(recorded, range="bytes=0-"):
        pass
    assert fake.requests[0].headers["range"] == "bytes=0-"


async def test_recording_without_a_length_streams_completely() -> None:
    async with (
        FakeConvAI(conversations=30, audio_bytes=SIZE, audio_content_length=False) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        recorded = find_recorded(fake)
        async with client.conversations.audio.stream(recorded) as audio:
            assert audio.content_length is None
            assert b"".join([chunk async for chunk in audio]) == WHOLE


async def test_missing_recording_raises_before_the_stream_is_yielded(client: ConvAIClient, silent: str) -> None:
    entered = False
    with pytest.raises(NotFoundError, match="audio_not_found"):
        async with client.conversations.audio.stream(silent):
            entered = True
    assert not entered


async def test_stream_is_retried_until_it_starts(client: ConvAIClient, fake: FakeConvAI, recorded: str) -> None:
    fake.faults.add(faults.status(503), times=2)
    fake.faults.add(faults.drop(), times=1)
    async with client.conversations.audio.stream(recorded) as audio:
        assert sum([len(chunk) async for chunk in audio]) == SIZE
    assert len(fake.requests) == 4


@pytest.mark.parametrize("chunked", [True, False])
async def test_truncated_stream_raises_incomplete_body(
    client: ConvAIClient, fake: FakeConvAI, recorded: str, chunked: bool
) -> None:
    fake.faults.add(faults.truncate(chunked=chunked))

    async def read() -> None:
        async with client.conversations.audio.stream(recorded) as audio:
            async for chunk in audio:
                assert WHOLE.startswith(chunk) or chunk in WHOLE

    with pytest.raises(IncompleteBodyError, match="ended early"):
        await read()
    assert len(fake.requests) == 1


async def test_stream_that_does_not_start_in_time_raises_request_timeout(fake: FakeConvAI, recorded: str) -> None:
    fake.faults.add(faults.latency(60))
    async with ConvAIClient(fake.api_key, base_url=fake.url, timeout=0.1, retry=None) as client:
        with pytest.raises(RequestTimeoutError):
            await client.conversations.audio.stream(recorded).__aenter__()


async def test_stalls_are_noticed_while_a_stream_is_open(client: ConvAIClient, recorded: str) -> None:
    clock = client._engine.running
    async with client.conversations.audio.stream(recorded):
        assert clock._users == 1
    assert clock._users == 0


async def test_stream_ends_when_the_client_is_closed(fake: FakeConvAI, recorded: str) -> None:
    fake.faults.add(faults.slow_body(chunk=SIZE // 4, pause=60))
    client = ConvAIClient(fake.api_key, base_url=fake.url)
    async with client.conversations.audio.stream(recorded) as audio:
        chunks = aiter(audio)
        await anext(chunks)
        await client.close()
        with pytest.raises(ClientClosedError):
            async for _ in chunks:
                pass


@in_virtual_time
async def test_stream_times_out_when_it_stalls_but_not_when_it_is_slow() -> None:
    async with (
        FakeConvAI(conversations=30, audio_bytes=SIZE) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, timeout=1, retry=None) as client,
    ):
        recorded = find_recorded(fake)
        fake.faults.add(faults.slow_body(chunk=SIZE // 4, pause=0.9))
        async with client.conversations.audio.stream(recorded) as audio:
            assert sum([len(chunk) async for chunk in audio]) == SIZE
        fake.faults.add(faults.slow_body(chunk=SIZE // 4, pause=60))

        async def read() -> None:
            async with client.conversations.audio.stream(recorded) as audio:
                async for _ in audio:
                    pass

        with pytest.raises(RequestTimeoutError):
            await read()


async def test_leaving_a_stream_early_releases_its_slot(fake: FakeConvAI, recorded: str) -> None:
    async with ConvAIClient(fake.api_key, base_url=fake.url, max_concurrency=1, timeout=5, retry=None) as client:
        for _ in range(3):
            async with client.conversations.audio.stream(recorded) as audio:
                async for _ in audio:
                    break
        assert len(await client.conversations.list(page_size=1)) == 1


async def test_download_saves_the_recording(client: ConvAIClient, recorded: str, tmp_path: Path) -> None:
    counted: list[tuple[int, int | None]] = []
    saved = await client.conversations.audio.download(
        recorded, tmp_path / "call.mp3", progress=lambda size, total: counted.append((size, total))
    )
    assert saved.path.read_bytes() == WHOLE
    assert saved.size == SIZE
    assert saved.sha256 == hashlib.sha256(WHOLE).hexdigest()
    assert saved.content_type == "audio/mpeg"
    assert counted[-1] == (SIZE, SIZE)
    assert [size for size, _ in counted] == sorted({size for size, _ in counted}), "each size is reported once"
    assert list(tmp_path.iterdir()) == [saved.path]
    assert stat.S_IMODE(saved.path.stat().st_mode) == 0o600


async def test_writes_are_at_least_64_kib_except_the_last(
    client: ConvAIClient, recorded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    write = AtomicFile.write

    def noted(self: AtomicFile, data: bytes) -> None:
        sizes.append(len(data))
        write(self, data)

    monkeypatch.setattr(AtomicFile, "write", noted)
    await client.conversations.audio.download(recorded, tmp_path / "call.mp3")
    assert sum(sizes) == SIZE
    assert min(sizes[:-1]) >= 64 * 1024


@pytest.mark.parametrize("chunked", [True, False])
async def test_truncated_download_starts_again_and_is_complete(
    client: ConvAIClient, fake: FakeConvAI, recorded: str, tmp_path: Path, chunked: bool
) -> None:
    fake.faults.add(faults.truncate(chunked=chunked), times=2)
    counted: list[int] = []
    saved = await client.conversations.audio.download(
        recorded, tmp_path / "call.mp3", progress=lambda size, _: counted.append(size)
    )
    assert saved.path.read_bytes() == WHOLE
    assert saved.sha256 == hashlib.sha256(WHOLE).hexdigest()
    assert len(fake.requests) == 3
    assert list(tmp_path.iterdir()) == [saved.path]


async def test_download_that_always_fails_leaves_no_file(
    client: ConvAIClient, fake: FakeConvAI, recorded: str, tmp_path: Path
) -> None:
    fake.faults.add(faults.truncate(), times=None)
    with pytest.raises(IncompleteBodyError) as caught:
        await client.conversations.audio.download(recorded, tmp_path / "call.mp3")
    assert caught.value.attempts == 5
    assert list(tmp_path.iterdir()) == []


async def test_failed_download_keeps_the_existing_file(
    client: ConvAIClient, fake: FakeConvAI, recorded: str, tmp_path: Path
) -> None:
    there = tmp_path / "call.mp3"
    there.write_bytes(b"precious")
    with pytest.raises(InvalidArgumentError, match=r"^destination: .*exists already: pass overwrite=True"):
        await client.conversations.audio.download(recorded, there)
    assert fake.requests == []
    fake.faults.add(faults.truncate(), times=None)
    with pytest.raises(IncompleteBodyError):
        await client.conversations.audio.download(recorded, there, overwrite=True)
    assert there.read_bytes() == b"precious"
    fake.faults.clear()
    await client.conversations.audio.download(recorded, there, overwrite=True)
    assert there.read_bytes() == WHOLE


async def test_missing_recording_creates_no_file(client: ConvAIClient, silent: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        await client.conversations.audio.download(silent, tmp_path / "call.mp3")
    assert list(tmp_path.iterdir()) == []


async def test_cancelled_download_leaves_no_file(fake: FakeConvAI, recorded: str, tmp_path: Path) -> None:
    fake.faults.add(faults.slow_body(chunk=300_000, pause=60))
    written = asyncio.Event()
    async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
        task = asyncio.create_task(
            client.conversations.audio.download(recorded, tmp_path / "call.mp3", progress=lambda *_: written.set())
        )
        await written.wait()
        assert [path.name for path in tmp_path.iterdir()] != []
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("destination", "problem"),
    [("", "is a folder"), ("missing/call.mp3", "does not exist: create it first")],
)
async def test_invalid_destination_is_refused_before_a_request_is_sent(
    client: ConvAIClient, fake: FakeConvAI, recorded: str, tmp_path: Path, destination: str, problem: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^destination: .*{problem}"):
        await client.conversations.audio.download(recorded, tmp_path / destination)
    assert fake.requests == []


async def test_invalid_file_name_raises_os_error_and_leaves_no_file(
    client: ConvAIClient, recorded: str, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="too long"):
        await client.conversations.audio.download(recorded, tmp_path / ("x" * 300))
    assert list(tmp_path.iterdir()) == []


async def test_full_disk_raises_os_error_and_leaves_no_file(
    client: ConvAIClient, recorded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int, _data: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        await client.conversations.audio.download(recorded, tmp_path / "call.mp3")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


async def test_memory_does_not_grow_with_the_size_of_the_recording(tmp_path: Path) -> None:
    peaks: list[int] = []
    for size in (8_000_000, 64_000_000):
        async with (
            FakeConvAI(conversations=30, audio_bytes=size) as fake,
            ConvAIClient(fake.api_key, base_url=fake.url) as client,
        ):
            recorded = next(filter(fake.conversations.has_audio, fake.conversations))
            await client.conversations.audio.download(recorded, tmp_path / "warm.mp3", overwrite=True)
            tracemalloc.start()
            await client.conversations.audio.download(recorded, tmp_path / "call.mp3", overwrite=True)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000
    assert peaks[1] < 8_000_000


async def test_connection_dropped_before_the_response_is_retried(fake: FakeConvAI, recorded: str) -> None:
    fake.faults.add(faults.drop(), times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client:
        with pytest.raises(ConnectionFailedError):
            await client.conversations.audio.stream(recorded).__aenter__()


def test_discarded_file_ignores_writes(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "a")
    file.write(b"1")
    file.discard()
    file.write(b"2")
    file.commit(overwrite=False)
    file.discard()
    assert list(tmp_path.iterdir()) == []
    assert file.size == 1


async def test_recording_can_be_read_once_and_only_inside_its_block(client: ConvAIClient, recorded: str) -> None:
    async with client.conversations.audio.stream(recorded) as audio:
        assert sum([len(chunk) async for chunk in audio]) == SIZE
        with pytest.raises(RuntimeError, match="can be read once"):
            await anext(aiter(audio))
    async with client.conversations.audio.stream(recorded) as audio:
        pass
    with pytest.raises(RuntimeError, match="inside its `async with` block"):
        await anext(aiter(audio))


async def test_file_created_during_the_download_is_not_replaced(
    client: ConvAIClient, recorded: str, tmp_path: Path
) -> None:
    there = tmp_path / "call.mp3"

    def appear(*_: object) -> None:
        there.write_bytes(b"precious")

    with pytest.raises(InvalidArgumentError, match="exists already"):
        await client.conversations.audio.download(recorded, there, progress=appear)
    assert there.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [there]


async def test_download_works_on_a_file_system_without_hard_links(
    client: ConvAIClient, recorded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.hardlink_to", no_links)
    saved = await client.conversations.audio.download(recorded, tmp_path / "call.mp3")
    assert saved.path.read_bytes() == WHOLE
    assert list(tmp_path.iterdir()) == [saved.path]


@pytest.mark.parametrize("turns", range(6))
async def test_download_that_is_cancelled_twice_leaves_no_file(
    fake: FakeConvAI, recorded: str, tmp_path: Path, turns: int
) -> None:
    fake.faults.add(faults.slow_body(chunk=300_000, pause=60))
    written = asyncio.Event()
    async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
        task = asyncio.create_task(
            client.conversations.audio.download(recorded, tmp_path / "call.mp3", progress=lambda *_: written.set())
        )
        await written.wait()
        task.cancel()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with asyncio.timeout(60):
        while list(tmp_path.iterdir()):
            await asyncio.sleep(0)


@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
async def test_web_page_instead_of_a_recording_raises_and_creates_no_file(
    fake: FakeConvAI, client: ConvAIClient, recorded: str, tmp_path: Path, content_type: str
) -> None:
    fake.faults.add(faults.body(b"<html>log in first</html>", content_type=content_type), times=None)
    with pytest.raises(DecodeError, match=content_type) as caught:
        await client.conversations.audio.download(recorded, tmp_path / "call.mp3")
    assert caught.value.body == b"<html>log in first</html>"
    assert str(caught.value).startswith(f"GET /v1/convai/conversations/{recorded}/audio: ")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DecodeError, match=content_type):
        async with client.conversations.audio.stream(recorded):
            pass


@pytest.mark.parametrize(
    "content_type", ["application/octet-stream", "binary/octet-stream", "application/octet-stream; charset=binary"]
)
async def test_recording_can_have_a_binary_type(
    client: ConvAIClient, fake: FakeConvAI, recorded: str, content_type: str
) -> None:
    fake.faults.add(faults.mislabelled(content_type))
    async with client.conversations.audio.stream(recorded) as audio:
        assert audio.content_type == content_type


@pytest.mark.parametrize("with_length", [True, False])
async def test_recording_over_max_stream_bytes_raises(with_length: bool) -> None:
    async with (
        FakeConvAI(conversations=30, audio_bytes=SIZE, audio_content_length=with_length) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, max_stream_bytes=SIZE - 1) as client,
        ConvAIClient(fake.api_key, base_url=fake.url, max_stream_bytes=SIZE) as larger,
    ):
        recorded = find_recorded(fake)

        async def read(client: ConvAIClient) -> int:
            async with client.conversations.audio.stream(recorded) as audio:
                return sum([len(chunk) async for chunk in audio])

        with pytest.raises(ResponseTooLargeError, match=f"larger than max_stream_bytes, {SIZE - 1:,}"):
            await read(client)
        if with_length:
            with pytest.raises(ResponseTooLargeError):
                await client.conversations.audio.stream(recorded).__aenter__()
        assert await read(larger) == SIZE


async def respond_empty(_request: web.Request, _proceed: Any) -> web.Response:
    response = web.Response(content_type="audio/mpeg")
    response.enable_chunked_encoding()
    return response


async def test_empty_recording_is_a_decode_error(fake: FakeConvAI, client: ConvAIClient, recorded: str) -> None:
    fake.faults.add(respond_empty)
    async with client.conversations.audio.stream(recorded) as audio:
        with pytest.raises(DecodeError, match="it is empty"):
            await anext(aiter(audio))


async def test_file_can_have_any_type_and_be_empty(client: ConvAIClient, fake: FakeConvAI, recorded: str) -> None:
    uploaded = await client.conversations.files.create(recorded, b"%PDF", filename="a.pdf")
    async with client.conversations.files.get(recorded, uploaded.file_id) as stream:
        assert b"".join([chunk async for chunk in stream]) == b"%PDF"
    fake.faults.add(respond_empty)
    async with client.conversations.files.get(recorded, uploaded.file_id) as stream:
        assert [chunk async for chunk in stream] == []


async def test_recording_whose_end_is_not_marked_is_refused(
    client: ConvAIClient, fake: FakeConvAI, recorded: str
) -> None:
    fake.faults.add(faults.close_delimited())
    with pytest.raises(IncompleteBodyError, match="neither a Content-Length nor chunked encoding"):
        await client.conversations.audio.stream(recorded).__aenter__()


async def test_recording_without_a_content_type_is_accepted() -> None:
    async def respond(writer: asyncio.StreamWriter, _path: str) -> None:
        writer.write(build_response(b"ID3"))

    async with (
        raw_server(respond) as url,
        ConvAIClient("key", base_url=url, retry=None) as client,
        client.conversations.audio.stream("conv_1") as audio,
    ):
        assert audio.content_type == "application/octet-stream"
        assert [chunk async for chunk in audio] == [b"ID3"]


async def test_compressed_recording_is_a_decode_error(fake: FakeConvAI, recorded: str) -> None:
    async def compress(_request: web.Request, _proceed: Any) -> web.Response:
        headers = {"content-encoding": "gzip", "content-type": "audio/mpeg"}
        return web.Response(body=gzip.compress(b"ID3"), headers=headers)

    fake.faults.add(compress)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client:
        with pytest.raises(DecodeError, match=r"it is compressed \(gzip\), which was not requested"):
            await client.conversations.audio.stream(recorded).__aenter__()


@pytest.mark.parametrize(
    ("status", "content_range", "requested", "problem"),
    [
        (200, "bytes 0-2/3", None, "it is a part, with Content-Range 'bytes 0-2/3'"),
        (200, "bytes 0-2/3", "bytes=0-2", "it is a part, with Content-Range 'bytes 0-2/3'"),
        (206, "bytes 0-2/3", None, "its status is 206, not 200"),
        (206, None, "bytes=0-2", "its status is 206, not 200"),
    ],
)
async def test_part_that_was_not_requested_is_a_decode_error(
    fake: FakeConvAI, recorded: str, status: int, content_range: str | None, requested: str | None, problem: str
) -> None:
    async def respond(_request: web.Request, _proceed: Any) -> web.Response:
        headers = {"content-type": "audio/mpeg"} | ({"content-range": content_range} if content_range else {})
        return web.Response(body=b"ID3", status=status, headers=headers)

    fake.faults.add(respond)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client:
        with pytest.raises(DecodeError, match=problem):
            await client.conversations.audio.stream(recorded, range=requested).__aenter__()


async def test_part_is_forwarded_with_accept_ranges(fake: FakeConvAI, client: ConvAIClient, recorded: str) -> None:
    async def respond(_request: web.Request, _proceed: Any) -> web.Response:
        headers = {"content-type": "audio/mpeg", "content-range": "bytes 0-2/3"}
        return web.Response(body=b"ID3", status=206, headers=headers)

    fake.faults.add(respond)
    async with client.conversations.audio.stream(recorded, range="bytes=0-2") as audio:
        assert audio.response_headers()["accept-ranges"] == "bytes"


class Clock:
    """A clock that advances only when a test sets it, or by a step each time it is read."""

    def __init__(self) -> None:
        self.now = 0.0
        self.step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


async def test_stream_rate_counts_the_time_of_waiting_and_not_of_the_caller(
    client: ConvAIClient, recorded: str
) -> None:
    clock = client._engine.clock = Clock()
    async with client.conversations.audio.stream(recorded) as audio:
        size = 0
        async for chunk in audio:
            size += len(chunk)
            clock.now += 1000
    assert size == SIZE


@pytest.mark.parametrize(("min_rate", "seconds", "slow"), [(1000, 1e6, True), (1000, 1.0, False), (0, 1e6, False)])
async def test_stream_rate_is_bytes_per_second_of_waiting(
    fake: FakeConvAI, recorded: str, min_rate: int, seconds: float, slow: bool
) -> None:
    settings: dict[str, Any] = {"base_url": fake.url, "min_stream_rate": min_rate, "retry": None}
    async with ConvAIClient(fake.api_key, **settings) as client:
        clock = client._engine.clock = Clock()
        clock.step = seconds
        with pytest.raises(RequestTimeoutError, match="fewer than min_stream_rate") if slow else nullcontext():
            async with client.conversations.audio.stream(recorded) as audio:
                assert sum([len(chunk) async for chunk in audio]) == SIZE


@in_virtual_time
async def test_stream_rate_is_that_of_the_last_minute() -> None:
    async with (
        FakeConvAI(conversations=30, audio_bytes=SIZE) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, min_stream_rate=1, retry=None) as client,
    ):
        recorded = find_recorded(fake)
        fake.faults.add(faults.slow_body(chunk=SIZE - 1, pause=0.3))
        clock = client._engine.clock = Clock()
        clock.step = 60.0  # seconds for each chunk
        received = 0

        async def read() -> None:
            nonlocal received
            async with client.conversations.audio.stream(recorded) as audio:
                async for chunk in audio:
                    received += len(chunk)

        with pytest.raises(RequestTimeoutError, match="1 bytes in 60 s are fewer than min_stream_rate, 1 bytes per"):
            await read()
        assert received == SIZE - 1


async def test_incomplete_recording_has_a_message_without_terms_of_aiohttp(
    fake: FakeConvAI, client: ConvAIClient, recorded: str, tmp_path: Path
) -> None:
    for chunked, words in ((False, "fewer bytes than its Content-Length says"), (True, "its chunks end early")):
        fake.faults.add(faults.truncate(chunked=chunked))
        with pytest.raises(IncompleteBodyError, match=words) as caught:
            await client.with_options(retry=None).conversations.audio.download(recorded, tmp_path / "call.mp3")
        assert "400" not in str(caught.value)
        assert "<" not in str(caught.value)


@pytest.mark.parametrize("what", ["stream", "download"])
async def test_response_that_is_not_a_recording_is_retried(
    fake: FakeConvAI, client: ConvAIClient, recorded: str, tmp_path: Path, what: str
) -> None:
    fake.faults.add(faults.body(b"<html>wait</html>", content_type="text/html"), times=1)
    fake.faults.add(faults.body(b"", content_type="audio/mpeg"), times=1)
    if what == "download":
        assert (await client.conversations.audio.download(recorded, tmp_path / "call.mp3")).size == SIZE
    else:
        async with client.conversations.audio.stream(recorded) as audio:
            assert sum([len(chunk) async for chunk in audio]) == SIZE
    assert len(fake.requests) == 3
