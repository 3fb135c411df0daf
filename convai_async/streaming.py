"""Recordings, and other files: read them as they arrive, or save them whole."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from anyio.to_thread import run_sync

from convai_async import endpoints
from convai_async._support.atomic_files import AtomicFile
from convai_async._support.byte_range import is_answer_to, normalize_range
from convai_async._support.tasks import background, run_shielded_in_thread
from convai_async._support.text import one_line
from convai_async._transport.engine import Stopwatch
from convai_async.errors import (
    DecodeError,
    IncompleteBodyError,
    InvalidArgumentError,
    RequestTimeoutError,
    ResponseTooLargeError,
)

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from convai_async._support.tasks import Put
    from convai_async._transport.engine import Engine
    from convai_async._transport.streamed_response import StreamedResponse
    from convai_async.endpoints import Request

_WRITE_SIZE = 256 * 1024
"""Bytes gathered for one write: a trip to the writing thread costs as much as writing 64 KiB."""

_OK = 200
_PARTIAL = 206
_BINARY_TYPES = {"application/octet-stream", "binary/octet-stream"}
_RATE_WINDOW = 60.0
"""Seconds of waiting after which a stream's rate is looked at."""


class AudioStream:
    """A recording or file that is arriving: iterate over it, once, to get its bytes.

    ``conversations.audio.stream`` and ``conversations.files.get`` yield it. Chunks have any size, as the network
    delivers them. Memory use does not depend on the length.

    Attributes:
        status: 200 for the whole recording, 206 for the requested range.
        content_type: The media type, usually ``"audio/mpeg"``.
        content_length: Bytes to come, or None when the service does not say.
        content_range: Which bytes of the whole they are, such as ``"bytes 100-199/1000"``; None for the whole.
    """

    def __init__(self, reply: StreamedResponse, *, may_be_empty: bool, clock: Callable[[], float]) -> None:
        self._reply = reply
        self._may_be_empty = may_be_empty
        self._clock = clock
        self._readable = True
        self.status = reply.status
        self.content_type = reply.headers.get("content-type", "application/octet-stream")
        length = reply.headers.get("content-length", "")
        self.content_length = int(length) if length.isdecimal() else None
        self.content_range = reply.headers.get("content-range")

    def __repr__(self) -> str:
        return f"AudioStream(content_type={self.content_type!r}, content_length={self.content_length})"

    def response_headers(self) -> dict[str, str]:
        """Return the headers for a web backend that passes the recording on, together with ``status``.

        They are Content-Type, and Content-Length, Content-Range and Accept-Ranges if the service sent them.
        """
        headers = {"content-type": self.content_type}
        if self.content_length is not None:
            headers["content-length"] = str(self.content_length)
        if self.content_range is not None:
            headers["content-range"] = self.content_range
        if self.status == _PARTIAL or self._reply.headers.get("accept-ranges", "").strip().lower() == "bytes":
            headers["accept-ranges"] = "bytes"
        return headers

    def close(self) -> None:
        """Allow no more reading; called when the ``async with`` block ends."""
        self._readable = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes.

        Raises:
            RuntimeError: The bytes were read already, or the ``async with`` block has ended.
            IncompleteBodyError: The recording ended early: the bytes so far are not all of it.
            RequestTimeoutError: No byte arrived within the client's ``timeout``, or fewer than its
                ``min_stream_rate``.
            ResponseTooLargeError: It is larger than the client's ``max_stream_bytes``.
            DecodeError: The recording is empty.
        """
        if not self._readable:
            raise RuntimeError("a recording can be read once, inside its `async with` block: open it again")
        self._readable = False
        limits = self._reply.limits
        size = window_bytes = 0
        window_seconds = 0.0  # of waiting: the time that the caller takes between two chunks does not count
        while True:
            began = self._clock()
            chunk = await self._reply.read_chunk()
            if not chunk:
                break
            window_seconds += self._clock() - began
            window_bytes += len(chunk)
            size += len(chunk)
            if size > limits.max_bytes:
                raise _too_large(self._reply)
            if window_seconds >= _RATE_WINDOW:
                if window_bytes < limits.min_rate * window_seconds:
                    raise RequestTimeoutError(
                        f"{self._reply.request}: {window_bytes:,} bytes in {window_seconds:.0f} s are fewer than"
                        f" min_stream_rate, {limits.min_rate:,} bytes per second"
                    )
                window_bytes, window_seconds = 0, 0.0
            yield chunk
        if not size and not self._may_be_empty:
            raise _not_a_recording(self._reply, "it is empty")


@asynccontextmanager
async def open_recording(
    engine: Engine, conversation_id: str, byte_range: str | None = None
) -> AsyncIterator[AudioStream]:
    """Open a recording, to read it as it arrives, until the block ends.

    Args:
        engine: What to send with.
        conversation_id: Whose recording.
        byte_range: A Range header; one that is malformed or asks for several ranges is ignored.

    Raises:
        DecodeError: The reply is not a recording, or another part of it than was asked for.
        IncompleteBodyError: The reply does not say where it ends.
        ResponseTooLargeError: It is larger than the client's ``max_stream_bytes``.
        ConvAIError: As for any request, before anything is yielded.
    """
    byte_range = None if byte_range is None else normalize_range(byte_range)
    request = endpoints.get_audio(conversation_id, byte_range=byte_range)
    async with _open(engine, partial(_open_once, engine, request, byte_range=byte_range)) as audio:
        yield audio


@asynccontextmanager
async def open_file(engine: Engine, conversation_id: str, file_id: str) -> AsyncIterator[AudioStream]:
    """Open a file, to read it as it arrives, until the block ends; it may be of any media type, and empty.

    Raises:
        ConvAIError: As `open_recording`.
    """
    request = endpoints.get_file(conversation_id, file_id)
    async with _open(engine, partial(_open_once, engine, request, is_file=True)) as stream:
        yield stream


@asynccontextmanager
async def _open(
    engine: Engine, open_once: Callable[[Stopwatch], AbstractAsyncContextManager[AudioStream]]
) -> AsyncIterator[AudioStream]:
    """Open a stream, trying again until it begins; the slot of the limiter is held until the block ends."""
    asked = Stopwatch(engine.clock)
    async with AsyncExitStack() as stack:
        yield await engine.run_with_retries(lambda: stack.enter_async_context(open_once(asked)), asked=asked)


@asynccontextmanager
async def _open_once(
    engine: Engine, request: Request[None], asked: Stopwatch, *, byte_range: str | None = None, is_file: bool = False
) -> AsyncIterator[AudioStream]:
    async with engine.stream_once(request, asked) as reply:
        problem = (None if is_file else _check_media(reply)) or _check_whole(reply, byte_range)
        if problem is not None:
            raise _not_a_recording(reply, problem, await reply.read_chunk())
        if not reply.end_is_marked:
            raise IncompleteBodyError(
                f"{reply.request}: the reply has neither a Content-Length nor chunked encoding, so a truncated"
                " one cannot be detected (is there an HTTP/1.0 proxy in between?)",
                retryable=False,
            )
        stream = AudioStream(reply, may_be_empty=is_file, clock=engine.clock)
        if (stream.content_length or 0) > reply.limits.max_bytes:
            raise _too_large(reply)
        try:
            yield stream
        finally:
            stream.close()


def _check_media(reply: StreamedResponse) -> str | None:
    """Return why a reply is not a recording; None if it is."""
    content_type = reply.headers.get("content-type", "application/octet-stream")
    media_type = content_type.partition(";")[0].strip().lower()
    if not media_type.startswith("audio/") and media_type not in _BINARY_TYPES:
        return f"it is {one_line(content_type)}, not a recording"
    if reply.headers.get("content-length") == "0":
        return "it is empty"
    return None


def _check_whole(reply: StreamedResponse, byte_range: str | None) -> str | None:
    """Return why a reply is neither whole nor the part that was asked for; None if it is."""
    encoding = reply.headers.get("content-encoding", "identity").strip().lower()
    content_range = reply.headers.get("content-range")
    if encoding != "identity":
        return f"it is compressed ({one_line(encoding)}), which was not asked for"
    if reply.status == _PARTIAL and content_range is not None and byte_range is not None:
        if is_answer_to(content_range, byte_range, reply.headers.get("content-length")):
            return None
        return f"its Content-Range {one_line(content_range)!r} does not answer {byte_range!r}"
    if reply.status != _OK:
        return f"its status is {reply.status}, not {_OK}"
    if content_range is not None:
        return f"it is a part, with Content-Range {one_line(content_range)!r}"
    return None


def _not_a_recording(reply: StreamedResponse, problem: str, body: bytes = b"") -> DecodeError:
    """Return the error for a reply with something else in the recording's place; perhaps only for now."""
    error = reply.redactor.decode_error(DecodeError(problem, body=body))
    error.request = reply.request
    error.retryable = True
    return error


def _too_large(reply: StreamedResponse) -> ResponseTooLargeError:
    return ResponseTooLargeError(
        f"{reply.request}: the reply is larger than max_stream_bytes, {reply.limits.max_bytes:,}"
    )


class SavedAudio(msgspec.Struct, frozen=True):
    """A recording on disk.

    Attributes:
        path: Where it is.
        size: Its bytes.
        sha256: The SHA-256 of its bytes, in hexadecimal.
        content_type: Its media type, as the service named it.
    """

    path: Path
    size: int
    sha256: str
    content_type: str


async def save(
    engine: Engine,
    conversation_id: str,
    destination: str | os.PathLike[str],
    *,
    overwrite: bool,
    progress: Callable[[int, int | None], None] | None,
) -> SavedAudio:
    """Save a recording to a file that is whole or not there.

    The bytes go to a temporary file beside the destination, which is synced and renamed after the last one.
    A download that breaks off is started anew, as the retry policy says. The file is readable by its owner
    only.

    Args:
        engine: What to send with.
        conversation_id: Whose recording.
        destination: The file to make. Its folder must exist.
        overwrite: Whether a file that is there already is replaced.
        progress: Called with the bytes so far and the bytes in all, or None where that is unknown.

    Raises:
        InvalidArgumentError: The destination is a folder, or exists already, or its folder does not.
        ConvAIError: As for any request.
        OSError: The file cannot be written.
    """
    request = endpoints.get_audio(conversation_id)
    path = Path(destination)
    await run_sync(_check_destination, path, overwrite)

    asked = Stopwatch(engine.clock)

    async def attempt() -> SavedAudio:
        async with _open_once(engine, request, asked) as audio:
            return await _write(audio, path, overwrite, progress)

    return await engine.run_with_retries(attempt, asked=asked)


def _check_destination(path: Path, overwrite: bool) -> None:  # noqa: FBT001 - run_sync passes no keywords
    if path.is_dir():
        raise InvalidArgumentError("destination", f"{str(path)!r} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise InvalidArgumentError("destination", f"the folder {str(path.parent)!r} does not exist: make it first")
    if path.exists() and not overwrite:
        raise _exists(path)


def _exists(path: Path) -> InvalidArgumentError:
    return InvalidArgumentError("destination", f"{str(path)!r} exists already: pass overwrite=True to replace it")


async def _write(
    audio: AudioStream,
    path: Path,
    overwrite: bool,  # noqa: FBT001 - passed on
    progress: Callable[[int, int | None], None] | None,
) -> SavedAudio:
    file = AtomicFile(path)
    try:
        # The next bytes are read while these are written.
        async with background(partial(_gather, audio), max_results=1) as gathered:
            async for data in gathered:
                await run_sync(file.write, data)
                if progress is not None and file.size != audio.content_length:
                    progress(file.size, audio.content_length)
        try:
            await run_sync(partial(file.commit, overwrite=overwrite))
        except FileExistsError:
            raise _exists(path) from None
        if progress is not None:
            progress(file.size, audio.content_length)
        return SavedAudio(path, file.size, file.sha256, audio.content_type)
    finally:
        await run_shielded_in_thread(file.discard)


async def _gather(audio: AudioStream, put: Put[bytearray]) -> None:
    data = bytearray()
    async for chunk in audio:
        data += chunk
        if len(data) >= _WRITE_SIZE:
            await put(data)
            data = bytearray()
    await put(data)  # also when there is none: the file has to be made
