"""Responses that a correct service never sends end in time, with the right result or one of our errors."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import zlib
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp.http_exceptions import DecompressSizeError
from raw_server import build_response, raw_server
from virtual_time import in_virtual_time

from convai_async import ConvAIClient, RetryPolicy
from convai_async._support.redaction import Redactor
from convai_async._support.text import Secret
from convai_async._transport.connection_errors import ErrorTranslator
from convai_async.errors import (
    APIStatusError,
    AuthenticationError,
    ClientClosedError,
    ConvAIError,
    DecodeError,
    IncompleteBodyError,
    NotFoundError,
    PaginationError,
    RateLimitError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
    TransportError,
    ValidationError,
)
from convai_async.models import SignedUrl
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

KEY = "sk_the_secret_key_of_this_test"
TWICE = RetryPolicy(attempts=2, wait_initial=0, wait_max=0)
ENDLESS = 10_000
"""Pieces of an endless response; a test that needs more than a few has failed."""


def conversation(path: str) -> bytes:
    return json.dumps({"conversation_id": path.rpartition("/")[2], "transcript": []}).encode()


async def receive(client: ConvAIClient, what: str, folder: Path) -> None:
    if what == "get":
        await client.conversations.get("conv_1")
    elif what == "download":
        await client.conversations.audio.download("conv_1", folder / "call.mp3")
    elif what == "file":
        async with client.conversations.files.get("conv_1", "file_1") as file:
            async for _ in file:
                pass
    else:
        async with client.conversations.audio.stream("conv_1") as recording:
            async for _ in recording:
                pass


async def test_response_with_another_conversation_is_a_decode_error(fake: FakeConvAI, client: ConvAIClient) -> None:
    wanted, other = list(fake.conversations)[:2]
    fake.faults.add(faults.change(lambda document: document.update(conversation_id=other)), times=None)
    with pytest.raises(DecodeError, match=r"contains another conversation - at `\$\.conversation_id`") as caught:
        await client.conversations.get(wanted)
    assert str(caught.value).startswith(f"GET /v1/convai/conversations/{wanted}: ")
    async with client.conversations.get_many([wanted]) as results:
        assert [type(result.error) async for result in results] == [DecodeError]


@pytest.mark.parametrize("what", ["get", "stream", "download"])
async def test_close_ends_responses_that_are_arriving(what: str, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        writer.write(build_response(b"{", "content-length: 1000", "content-type: audio/mpeg"))
        begun.set()
        await asyncio.Event().wait()

    async with raw_server(answer) as url, asyncio.timeout(60):
        client = ConvAIClient(KEY, base_url=url, timeout=60, retry=TWICE)
        task = asyncio.ensure_future(receive(client, what, tmp_path))
        await begun.wait()
        while not client._engine.session._open_responses:
            await asyncio.sleep(0)
        await client.close()
        with pytest.raises(ClientClosedError):
            await task
    assert list(tmp_path.iterdir()) == []


async def trickle(writer: asyncio.StreamWriter, begin: bytes, piece: bytes) -> None:
    writer.write(begin)
    with suppress(ConnectionError):
        for _ in range(ENDLESS):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.005)


ENDLESS_RESPONSES: dict[str, tuple[bytes, bytes]] = {
    "headers that trickle": (b"HTTP/1.1 200 OK\r\nx: ", b"x"),
    "responses that announce another": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "nothing": (b"", b""),
    "half a response": (build_response(b"ID3", "content-length: 1000", "content-type: audio/mpeg"), b""),
    "deflate that is cut short": (
        build_response(
            zlib.compress(bytes(range(256)) * 100)[:100],
            "content-encoding: deflate",
            "content-length: 100",
            "content-type: application/json",
        ),
        b"",
    ),
}


@pytest.mark.parametrize("what", ["get", "stream", "download"])
@pytest.mark.parametrize("name", ENDLESS_RESPONSES)
async def test_endless_response_ends_with_the_timeout(name: str, what: str, tmp_path: Path) -> None:
    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        await trickle(writer, *ENDLESS_RESPONSES[name])

    async with (
        raw_server(answer) as url,
        ConvAIClient(KEY, base_url=url, timeout=0.2, retry=None, max_concurrency=1) as client,
        asyncio.timeout(60),
    ):
        for _ in range(2):  # the first gave its place back
            with pytest.raises((TransportError, DecodeError)):
                await receive(client, what, tmp_path)


@pytest.mark.parametrize("what", ["get", "stream", "download"])
@in_virtual_time
async def test_error_with_endless_body_keeps_its_status(what: str, tmp_path: Path) -> None:
    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        await trickle(writer, build_response(b"{", "content-length: 1000000", status="404 Not Found"), b" ")

    async with (
        raw_server(answer) as url,
        ConvAIClient(KEY, base_url=url, timeout=0.2, retry=None) as client,
    ):
        with pytest.raises(NotFoundError):
            await receive(client, what, tmp_path)


@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "attempts"),
    [
        ("401 Unauthorized", ["content-encoding: gzip"], b"no gzip", AuthenticationError, 1),
        ("503 Busy", ["content-encoding: gzip"], gzip.compress(b"{}" * 99, mtime=0)[:-9], ServerError, 2),
        ("429 Too Many", ["retry-after: 0"], b" " * 5_000_000, RateLimitError, 2),
        ("500 Oops", ["content-length: 1000"], b"{}", ServerError, 2),
    ],
    ids=["no gzip", "cut short", "endless", "incomplete"],
)
async def test_error_with_unreadable_body_keeps_its_status(
    status: str, headers: list[str], body: bytes, error: type[APIStatusError], attempts: int
) -> None:
    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        writer.write(build_response(body, *headers, status=status))
        if "incomplete" not in path:
            writer.close()

    async with (
        raw_server(answer) as url,
        ConvAIClient(KEY, base_url=url, timeout=5, retry=TWICE, max_response_bytes=10**6) as client,
    ):
        with pytest.raises(error) as caught:
            await client.conversations.get("conv_1")
    assert caught.value.attempts == attempts
    assert len(caught.value.body) <= 2**20


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        ("200 OK", ["content-encoding: gzip"], gzip.compress(b"ID3" * 100, mtime=0)[:50]),
        ("200 OK", ["content-encoding: gzip, gzip"], gzip.compress(b"ID3", mtime=0)),
        ("200 OK", ["content-type: application/problem+json"], b"{}"),
        ("206 Partial Content", ["content-range: bytes 0-3/1000"], b"ID3x"),
        ("204 No Content", [], b""),
        ("202 Accepted", [], b""),
        ("200 OK", ["content-range: bytes 0-3/1000"], b"ID3x"),
        ("200 OK", [], b""),
        ("200 OK", ["transfer-encoding: chunked"], b"0\r\n\r\n"),
        ("200 OK", ["content-type: text/plain"], b"upstream timed out"),
        ("200 OK", ["content-type: video/mp4"], b"ID3x"),
    ],
)
async def test_possibly_incomplete_recording_is_not_saved(
    status: str, headers: list[str], body: bytes, tmp_path: Path
) -> None:
    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        kind = [] if any("content-type" in header for header in headers) else ["content-type: audio/mpeg"]
        writer.write(build_response(body, *kind, *headers, status=status))

    async with raw_server(answer) as url, ConvAIClient(KEY, base_url=url, retry=None) as client:
        with pytest.raises((DecodeError, TransportError)):
            await client.conversations.audio.download("conv_1", tmp_path / "call.mp3")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content_type", ["application/octet-stream", "Binary/Octet-Stream; charset=x", "audio/x-wav"])
async def test_recording_of_a_binary_type_is_saved(content_type: str, tmp_path: Path) -> None:
    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        writer.write(build_response(b"ID3x", f"content-type: {content_type}"))

    async with raw_server(answer) as url, ConvAIClient(KEY, base_url=url, retry=None) as client:
        saved = await client.conversations.audio.download("conv_1", tmp_path / "call.mp3")
    assert saved.path.read_bytes() == b"ID3x"


UNMARKED = {
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n",
    "no length": b"HTTP/1.1 200 OK\r\n",
    "connection: close": b"HTTP/1.1 200 OK\r\nconnection: close\r\n",
    "identity": b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n",
    "HTTP/1.0, identity": b"HTTP/1.0 200 OK\r\ntransfer-encoding: identity\r\n",
}


@pytest.mark.parametrize("head", UNMARKED.values(), ids=UNMARKED)
@pytest.mark.parametrize("what", ["download", "stream", "file"])
async def test_body_without_a_marked_end_is_incomplete(head: bytes, what: str, tmp_path: Path) -> None:
    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        writer.write(head + b"content-type: audio/mpeg\r\n\r\nID3half of it")
        writer.close()

    async with raw_server(answer) as url, ConvAIClient(KEY, base_url=url, retry=TWICE) as client:
        with pytest.raises(IncompleteBodyError, match="a truncated one cannot be detected") as caught:
            await receive(client, what, tmp_path)
    assert not caught.value.retryable
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "text/html", ""])
async def test_file_of_any_type_is_read_whole(content_type: str) -> None:
    for content in (b"", b"<p>kept by somebody</p>"):

        async def answer(writer: asyncio.StreamWriter, path: str, content: bytes = content) -> None:
            writer.write(build_response(content, *([f"content-type: {content_type}"] if content_type else [])))

        async with (
            raw_server(answer) as url,
            ConvAIClient(KEY, base_url=url, retry=None) as client,
            client.conversations.files.get("conv_1", "file_1") as file,
        ):
            assert b"".join([chunk async for chunk in file]) == content


@pytest.mark.parametrize("what", ["download", "stream"])
async def test_recording_slower_than_the_lowest_rate_is_a_timeout(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async.streaming._RATE_WINDOW_SECS", 0.2)

    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        await trickle(writer, build_response(b"ID3", "content-length: 1000000", "content-type: audio/mpeg"), b"x")

    async with (
        raw_server(answer) as url,
        ConvAIClient(KEY, base_url=url, timeout=30, retry=None, max_concurrency=1) as client,
        asyncio.timeout(60),
    ):
        for _ in range(2):  # the first gave its place back
            with pytest.raises(
                RequestTimeoutError, match="fewer than min_stream_rate, 1,024 bytes per second"
            ) as caught:
                await receive(client, what, tmp_path)
            assert caught.value.retryable
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["download", "stream"])
@pytest.mark.parametrize("announced", [True, False])
async def test_recording_larger_than_max_stream_bytes_is_refused(what: str, announced: bool, tmp_path: Path) -> None:
    sent = 0

    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        nonlocal sent
        marker = "content-length: 1000000000" if announced else "transfer-encoding: chunked"
        writer.write(build_response(b"", marker, "content-type: audio/mpeg"))
        for _ in range(ENDLESS):
            writer.write(b"x" * 65_536 if announced else b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            sent += 65_536
            await writer.drain()

    async with (
        raw_server(answer) as url,
        ConvAIClient(KEY, base_url=url, retry=TWICE, max_stream_bytes=1_000_000) as client,
        asyncio.timeout(60),
    ):
        with pytest.raises(ResponseTooLargeError, match="larger than max_stream_bytes, 1,000,000") as caught:
            await receive(client, what, tmp_path)
    assert not caught.value.retryable
    assert sent < 50_000_000
    assert list(tmp_path.iterdir()) == []


async def test_recording_as_large_as_max_stream_bytes_is_saved(tmp_path: Path) -> None:
    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        writer.write(build_response(b"x" * 1000, "content-type: audio/mpeg"))

    async with raw_server(answer) as url, ConvAIClient(KEY, base_url=url, max_stream_bytes=1000) as client:
        assert (await client.conversations.audio.download("conv_1", tmp_path / "call.mp3")).size == 1000


@pytest.mark.parametrize("value", ["1e308", "31536000", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_retry_after_pauses_the_client_for_at_most_15_minutes(
    value: str, fake: FakeConvAI, client: ConvAIClient
) -> None:
    fake.faults.add(faults.status(429, headers={"retry-after": value}))
    with suppress(RateLimitError):
        await client.with_options(retry=None).conversations.list()
    assert client._engine.limiter.throttle_left <= 15 * 60


def test_decompression_that_aiohttp_stopped_is_a_response_too_large() -> None:
    """aiohttp 3.13 refuses what 3.14 unpacks in pieces."""
    error = aiohttp.ClientPayloadError("400, message: Can not decode content-encoding")
    error.__cause__ = DecompressSizeError("Decompressed data exceeds the configured limit of 33554432 bytes")
    with pytest.raises(ResponseTooLargeError) as caught:
        ErrorTranslator(Redactor(Secret(KEY))).raise_translated(error, "GET /v1", reading=True)
    assert not caught.value.retryable
    assert str(caught.value) == (
        "GET /v1: the response is a decompression bomb: a small part of it decompresses to more than 32 MiB"
    )


async def test_endless_list_is_a_pagination_error() -> None:
    cursors = count()

    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        page = {"conversations": [], "next_cursor": f"c{next(cursors)}", "has_more": True}
        writer.write(build_response(json.dumps(page).encode()))

    async with raw_server(answer) as url, ConvAIClient(KEY, base_url=url, retry=None) as client:
        with pytest.raises(PaginationError, match="the list does not end"):
            await client.conversations.list().collect()
    assert next(cursors) == 1000


async def test_cursor_too_long_for_a_url_is_a_pagination_error(fake: FakeConvAI, client: ConvAIClient) -> None:
    fake.faults.add(faults.repeat_cursor("c" * 100_000))
    with pytest.raises(PaginationError, match="a cursor of more than 8,192 characters"):
        await client.conversations.list().collect()


@pytest.mark.parametrize(
    "location", ["{path}", "//{host}@127.0.0.1:{port}{path}", "http://evil:secret@127.0.0.1:{port}{path}"]
)
async def test_redirect_loop_or_redirect_with_credentials_is_not_followed(location: str) -> None:
    requests = count()

    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        next(requests)
        target = location.format(path=path, host="evil", port=writer.get_extra_info("sockname")[1])
        writer.write(build_response(b"", f"location: {target}", status="302 Found"))

    headers = {"authorization": "Basic xyz"}
    async with raw_server(answer) as url, ConvAIClient(KEY, base_url=url, retry=None, headers=headers) as client:
        with pytest.raises(APIStatusError, match="a redirect that is not followed"):
            await client.conversations.get("conv_1")
    assert next(requests) == (6 if location == "{path}" else 1)


@in_virtual_time
async def test_redirects_do_not_extend_the_timeout() -> None:
    requests = count()

    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        next(requests)
        await asyncio.sleep(30)
        writer.write(build_response(b"", f"location: {path}?again", status="302 Found"))

    async with raw_server(answer) as url, ConvAIClient(KEY, base_url=url, timeout=50, retry=None) as client:
        with pytest.raises(RequestTimeoutError):
            await client.conversations.get("conv_1")
    assert next(requests) == 2


def problems(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    "body",
    [
        problems({"detail": [{"loc": ["body", KEY], "msg": f"not {KEY}", "type": KEY}]}),
        problems({"detail": {"message": "x" * 480 + KEY, "code": KEY, "request_id": KEY}}),
        problems({"detail": KEY}).replace(b"sk_", b"\\u0073k_"),
        KEY.encode(),
    ],
    ids=["problems", "beyond the longest message", "escaped", "text"],
)
async def test_api_key_quoted_by_the_service_is_not_in_the_error(body: bytes) -> None:
    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        writer.write(build_response(body, f"x-echo: {KEY}", status="422 Unprocessable"))

    async with raw_server(answer) as url, ConvAIClient(KEY, base_url=url, retry=None) as client:
        with pytest.raises(ValidationError) as caught:
            await client.conversations.get("conv_1")
    error = caught.value
    told = [str(error), repr(error.__dict__), repr(error.errors), repr(dict(error.headers)), repr(error.args)]
    assert not any("the_secret_key" in text for text in told)


@pytest.mark.parametrize("status", ["200 OK", "500 Oops"])
async def test_request_id_with_control_characters_keeps_the_log_on_one_line(
    status: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(writer: asyncio.StreamWriter, path: str) -> None:
        body = conversation(path) if status == "200 OK" else problems({"detail": {"request_id": "a\nFAKE\x1b[2J"}})
        writer.write(build_response(body, "request-id: a\x1b[31m\tb", status=status))

    caplog.set_level(logging.DEBUG)
    async with raw_server(answer) as url, ConvAIClient(KEY, base_url=url, retry=None) as client:
        with suppress(ConvAIError):
            await client.conversations.get("conv_1")
    messages = [record.getMessage() for record in caplog.records if record.name == "convai_async"]
    assert messages
    assert all(message.isprintable() for message in messages)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SignedUrl(signed_url="wss://[").conversation_id,
        lambda: SignedUrl(signed_url="").conversation_id,
    ],
)
def test_invalid_signed_url_has_no_conversation_id(make: Callable[[], Awaitable[object]]) -> None:
    assert make() is None


def test_lone_surrogate_does_not_decode() -> None:
    with pytest.raises(DecodeError):
        SignedUrl.from_json('{"signed_url": "\ud800"}')
