"""Stream recordings and files, or save recordings to disk."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec
from anyio.to_thread import run_sync

from convai_async import endpoints
from convai_async._support.atomic_files import AtomicFile
from convai_async._support.byte_range import matches_range, normalize_range
from convai_async._support.clock import Stopwatch
from convai_async._support.tasks import background, run_shielded_in_thread
from convai_async._support.text import to_short_line
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
"""Bytes of one write. Starting it in a thread costs as much as writing 64 KiB."""

_OK = 200
_PARTIAL = 206
_BINARY_TYPES = {"application/octet-stream", "binary/octet-stream"}
_RATE_WINDOW_SECS = 60.0
"""The rate of a stream is checked whenever this many seconds were spent waiting for bytes."""


class AudioStream:
    """A recording or file while it is downloaded: iterate over it once to get its bytes.

    ``conversations.audio.stream`` and ``conversations.files.get`` yield it. The chunks have any size, as the network
    delivers them. Memory use does not depend on the size of the recording.

    Attributes:
        status: 200 for the whole recording, 206 for the requested range.
        content_type: The media type, usually ``"audio/mpeg"``.
        content_length: The size in bytes, or None if the service does not send it.
        content_range: The part of the recording, such as ``"bytes 100-199/1000"``; None for the whole.
    """

    def __init__(self, response: StreamedResponse, *, may_be_empty: bool, clock: Callable[[], float]) -> None:
        self._response = response
        self._may_be_empty = may_be_empty
        self._clock = clock
        self._readable = True
        self.status = response.status
        self.content_type = response.headers.get("content-type", "application/octet-stream")
        length = response.headers.get("content-length", "")
        self.content_length = int(length) if length.isdecimal() else None
        self.content_range = response.headers.get("content-range")

    def __repr__(self) -> str:
        return f"AudioStream(content_type={self.content_type!r}, content_length={self.content_length})"

    def response_headers(self) -> dict[str, str]:
        """Return the headers with which a web backend can forward the recording, together with ``status``.

        They are Content-Type, and also Content-Length, Content-Range and Accept-Ranges if the service sent them.
        """
        headers = {"content-type": self.content_type}
        if self.content_length is not None:
            headers["content-length"] = str(self.content_length)
        if self.content_range is not None:
            headers["content-range"] = self.content_range
        if self.status == _PARTIAL or self._response.headers.get("accept-ranges", "").strip().lower() == "bytes":
            headers["accept-ranges"] = "bytes"
        return headers

    def close(self) -> None:
        """Prevent further reading. Called when the ``async with`` block ends."""
        self._readable = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes.

        Raises:
            RuntimeError: The recording was read before, or the ``async with`` block has ended.
            IncompleteBodyError: The recording ended early. The bytes so far are not the whole recording.
            RequestTimeoutError: No bytes arrived within the client's ``timeout``, or fewer than its
                ``min_stream_rate``.
            ResponseTooLargeError: The recording is larger than the client's ``max_stream_bytes``.
            DecodeError: The recording is empty.
        """
        if not self._readable:
            raise RuntimeError("a recording can be read once, inside its `async with` block: open it again")
        self._readable = False
        limits = self._response.limits
        size = window_bytes = 0
        window_seconds = 0.0  # without the time that the caller takes between two chunks
        while True:
            began = self._clock()
            chunk = await self._response.read_chunk()
            if not chunk:
                break
            window_seconds += self._clock() - began
            window_bytes += len(chunk)
            size += len(chunk)
            if size > limits.max_bytes:
                raise _build_too_large_error(self._response)
            if window_seconds >= _RATE_WINDOW_SECS:
                if window_bytes < limits.min_rate * window_seconds:
                    raise RequestTimeoutError(
                        f"{self._response.request}: {window_bytes:,} bytes in {window_seconds:.0f} s are fewer than"
                        f" min_stream_rate, {limits.min_rate:,} bytes per second"
                    )
                window_bytes, window_seconds = 0, 0.0
            yield chunk
        if not size and not self._may_be_empty:
            raise _build_recording_error(self._response, "it is empty")


@asynccontextmanager
async def open_recording(
    engine: Engine, conversation_id: str, byte_range: str | None = None
) -> AsyncIterator[AudioStream]:
    """Open the recording of a conversation, and yield it until the block ends.

    Args:
        engine: Sends the request.
        conversation_id: The id of the conversation.
        byte_range: A Range header. It is ignored if it is malformed or has several ranges.

    Raises:
        DecodeError: The response is not a recording, or not the requested part of it.
        IncompleteBodyError: The response has neither a length nor chunks, so a truncated one could not be detected.
        ResponseTooLargeError: The recording is larger than the client's ``max_stream_bytes``.
        ConvAIError: The request failed; raised before anything is yielded.
    """
    byte_range = None if byte_range is None else normalize_range(byte_range)
    request = endpoints.get_audio(conversation_id, byte_range=byte_range)
    async with _open(engine, partial(_open_once, engine, request, byte_range=byte_range)) as audio:
        yield audio


@asynccontextmanager
async def open_file(engine: Engine, conversation_id: str, file_id: str) -> AsyncIterator[AudioStream]:
    """Open a file of a conversation, and yield it until the block ends. It has any media type, and can be empty.

    Raises:
        ConvAIError: The same errors as in `open_recording`.
    """
    request = endpoints.get_file(conversation_id, file_id)
    async with _open(engine, partial(_open_once, engine, request, is_file=True)) as stream:
        yield stream


@asynccontextmanager
async def _open(
    engine: Engine, open_once: Callable[[Stopwatch], AbstractAsyncContextManager[AudioStream]]
) -> AsyncIterator[AudioStream]:
    """Open a stream, with retries until it starts. It keeps its slot of the limiter until the block ends."""
    stopwatch = Stopwatch(engine.clock)
    async with AsyncExitStack() as stack:
        yield await engine.run_with_retries(
            lambda: stack.enter_async_context(open_once(stopwatch)), stopwatch=stopwatch
        )


@asynccontextmanager
async def _open_once(
    engine: Engine,
    request: Request[None],
    stopwatch: Stopwatch,
    *,
    byte_range: str | None = None,
    is_file: bool = False,
) -> AsyncIterator[AudioStream]:
    async with engine.stream_once(request, stopwatch) as response:
        problem = (None if is_file else _check_media(response)) or _check_whole(response, byte_range)
        if problem is not None:
            raise _build_recording_error(response, problem, await response.read_chunk())
        if not response.end_is_marked:
            raise IncompleteBodyError(
                f"{response.request}: the response has neither a Content-Length nor chunked encoding, so a truncated"
                " one cannot be detected (is there an HTTP/1.0 proxy in between?)",
                retryable=False,
            )
        stream = AudioStream(response, may_be_empty=is_file, clock=engine.clock)
        if (stream.content_length or 0) > response.limits.max_bytes:
            raise _build_too_large_error(response)
        try:
            yield stream
        finally:
            stream.close()


def _check_media(response: StreamedResponse) -> str | None:
    """Return the reason why a response is not a recording, or None if it is one."""
    content_type = response.headers.get("content-type", "application/octet-stream")
    media_type = content_type.partition(";")[0].strip().lower()
    if not media_type.startswith("audio/") and media_type not in _BINARY_TYPES:
        return f"it is {to_short_line(content_type)}, not a recording"
    if response.headers.get("content-length") == "0":
        return "it is empty"
    return None


def _check_whole(response: StreamedResponse, byte_range: str | None) -> str | None:
    """Return the reason why a response is not the whole recording or the requested part, or None if it is."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    content_range = response.headers.get("content-range")
    if encoding != "identity":
        return f"it is compressed ({to_short_line(encoding)}), which was not requested"
    if response.status == _PARTIAL and content_range is not None and byte_range is not None:
        if matches_range(content_range, byte_range, response.headers.get("content-length")):
            return None
        return f"its Content-Range {to_short_line(content_range)!r} does not match {byte_range!r}"
    if response.status != _OK:
        return f"its status is {response.status}, not {_OK}"
    if content_range is not None:
        return f"it is a part, with Content-Range {to_short_line(content_range)!r}"
    return None


def _build_recording_error(response: StreamedResponse, problem: str, body: bytes = b"") -> DecodeError:
    """Return the error for a response that is not a recording. It is retryable: the next response can be one."""
    error = response.redactor.redact_error(DecodeError(problem, body=body))
    error.request = response.request
    error.retryable = True
    return error


def _build_too_large_error(response: StreamedResponse) -> ResponseTooLargeError:
    return ResponseTooLargeError(
        f"{response.request}: the response is larger than max_stream_bytes, {response.limits.max_bytes:,}"
    )


class PartialFile(Protocol):
    """A file that is being written. Its methods block; `discard` may be called at any time.

    Attributes:
        size: The number of bytes written so far.
    """

    size: int

    def write(self, data: bytearray) -> None:
        """Append bytes."""

    def discard(self) -> None:
        """Remove what was written, unless the file was completed."""


PartialT = TypeVar("PartialT", bound=PartialFile)


class SavedAudio(msgspec.Struct, frozen=True):
    """A recording that was saved to disk.

    Attributes:
        path: The file.
        size: Its size in bytes.
        sha256: The SHA-256 of its content, in hexadecimal.
        content_type: The media type that the service sent.
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
    """Save a recording to a file, which is complete or does not exist.

    The recording is written to a temporary file in the same folder, which is synced and renamed at the end. An
    interrupted download starts again from the beginning, as the retry policy allows. Only the file's owner can read it.

    Args:
        engine: Sends the request.
        conversation_id: The id of the conversation.
        destination: The path of the file. Its folder must exist.
        overwrite: Whether to replace an existing file.
        progress: Is called with the number of bytes written, and the size in bytes or None if it is unknown.

    Raises:
        InvalidArgumentError: The destination is a folder, its folder does not exist, or it exists and ``overwrite`` is
            False.
        ConvAIError: The request failed.
        OSError: The file cannot be written.
    """
    path = Path(destination)
    await run_sync(_check_destination, path, overwrite)
    async with receive(engine, conversation_id, lambda: AtomicFile(path), progress) as (file, audio):
        try:
            await run_sync(partial(file.commit, overwrite=overwrite))
        except FileExistsError:
            raise _exists(path) from None
        if progress is not None:
            progress(file.size, audio.content_length)
        return SavedAudio(path, file.size, file.sha256, audio.content_type)


@asynccontextmanager
async def receive(
    engine: Engine,
    conversation_id: str,
    create: Callable[[], PartialT],
    progress: Callable[[int, int | None], None] | None = None,
) -> AsyncIterator[tuple[PartialT, AudioStream]]:
    """Receive a recording into a file, and yield the file with the stream, which has been read. Then discard the file.

    An interrupted download starts again with another file, as the retry policy allows.

    Args:
        engine: Sends the request.
        conversation_id: The id of the conversation.
        create: Makes a file.
        progress: Is called with the number of bytes written, and the size in bytes or None if it is unknown; not at the
            end.

    Raises:
        ConvAIError: The request failed.
        OSError: The file cannot be written.
    """
    request = endpoints.get_audio(conversation_id)
    stopwatch = Stopwatch(engine.clock)
    async with AsyncExitStack() as received:

        async def attempt() -> tuple[PartialT, AudioStream]:
            file = create()
            async with AsyncExitStack() as failed:
                failed.push_async_callback(run_shielded_in_thread, file.discard)
                async with _open_once(engine, request, stopwatch) as audio:
                    await _write(audio, file, progress)
                received.push_async_exit(failed.pop_all())
                return file, audio

        yield await engine.run_with_retries(attempt, stopwatch=stopwatch)


def _check_destination(path: Path, overwrite: bool) -> None:  # noqa: FBT001 - run_sync passes no keywords
    if path.is_dir():
        raise InvalidArgumentError("destination", f"{str(path)!r} is a folder: choose a file in it")
    if not path.parent.is_dir():
        raise InvalidArgumentError("destination", f"the folder {str(path.parent)!r} does not exist: create it first")
    if path.exists() and not overwrite:
        raise _exists(path)


def _exists(path: Path) -> InvalidArgumentError:
    return InvalidArgumentError("destination", f"{str(path)!r} exists already: pass overwrite=True to replace it")


async def _write(audio: AudioStream, file: PartialFile, progress: Callable[[int, int | None], None] | None) -> None:
    # The next bytes are read while these are written.
    async with background(partial(_gather, audio), max_results=1) as gathered:
        async for data in gathered:
            await run_sync(file.write, data)
            if progress is not None and file.size != audio.content_length:
                progress(file.size, audio.content_length)


async def _gather(audio: AudioStream, put: Put[bytearray]) -> None:
    data = bytearray()
    async for chunk in audio:
        data += chunk
        if len(data) >= _WRITE_SIZE:
            await put(data)
            data = bytearray()
    await put(data)  # also if it is empty, so that the file is created
