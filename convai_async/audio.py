"""Recordings, and other files: read them as they arrive, or save them whole."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from anyio.to_thread import run_sync

from convai_async._atomic_file import AtomicFile
from convai_async._tasks import Handover, background, finish
from convai_async._text import one_line
from convai_async.errors import DecodeError, InvalidArgumentError

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable

    from convai_async._engine import Engine
    from convai_async._session import StreamedReply
    from convai_async.calls import Call

_WRITE_SIZE = 256 * 1024
"""Bytes gathered for one write: a trip to the writing thread costs as much as writing 64 KiB."""

_NO_RECORDINGS = {"application/json", "text/html"}
_WHOLE = 200


class AudioStream:
    """A recording that is arriving; iterate to get its bytes, once.

    Chunks come as the network delivers them, of any size; memory stays the same however long it is.

    Attributes:
        content_type: The media type, usually ``"audio/mpeg"``.
        content_length: Bytes in all, or None when the service does not say.
    """

    def __init__(self, reply: StreamedReply) -> None:
        self._reply = reply
        self._readable = True
        self.content_type = reply.headers.get("content-type", "application/octet-stream")
        length = reply.headers.get("content-length", "")
        self.content_length = int(length) if length.isdecimal() else None

    def __repr__(self) -> str:
        return f"AudioStream(content_type={self.content_type!r}, content_length={self.content_length})"

    def close(self) -> None:
        """Note that the block has ended in which the recording can be read."""
        self._readable = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes.

        Raises:
            RuntimeError: They were read already, or the block has ended in which they can be.
            IncompleteBodyError: The recording ended early; what came so far is not all of it.
            RequestTimeoutError: Nothing came for the client's ``timeout``.
        """
        if not self._readable:
            raise RuntimeError("a recording is read once, and inside its `async with` block: open it anew")
        self._readable = False
        while chunk := await self._reply.read_chunk():
            yield chunk


@asynccontextmanager
async def open_stream(engine: Engine, call: Call[None]) -> AsyncIterator[AudioStream]:
    """Open a stream, to read it as it arrives, until the block ends.

    Raises:
        DecodeError: The reply is JSON or a web page, compressed, or a part.
        ConvAIError: As for any request, before anything is yielded.
    """
    async with engine.stream(call) as reply:
        audio = await _recording(reply)
        try:
            yield audio
        finally:
            audio.close()


async def _recording(reply: StreamedReply) -> AudioStream:
    """Return the stream of a reply, unless it is none, or not the whole: something is in the way of the service."""
    audio = AudioStream(reply)
    media_type = audio.content_type.partition(";")[0].strip().lower()
    encoding = reply.headers.get("content-encoding", "identity").strip().lower()
    if media_type in _NO_RECORDINGS or media_type.endswith("+json"):
        problem = f"it is {one_line(audio.content_type)}, and no recording or file"
    elif encoding != "identity":
        problem = f"it is compressed ({one_line(encoding)}), which was not asked for"
    elif reply.status != _WHOLE:
        problem = f"its status is {reply.status}, and a whole recording or file has {_WHOLE}"
    else:
        return audio
    raise DecodeError(problem, body=await reply.read_chunk())


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
    call: Call[None],
    destination: str | os.PathLike[str],
    *,
    overwrite: bool,
    progress: Callable[[int, int | None], None] | None,
) -> SavedAudio:
    """Save a stream to a file that is whole or not there.

    The bytes go to a temporary file beside the destination, which is synced and renamed after the last one.
    A download that breaks off is started anew, as the retry policy says. The file is readable by its owner
    only.

    Args:
        engine: What to send with.
        call: The request whose reply is the stream.
        destination: The file to make. Its folder must exist.
        overwrite: Whether a file that is there already is replaced.
        progress: Called with the bytes so far and the bytes in all, or None where that is unknown.

    Raises:
        InvalidArgumentError: The destination is a folder, or exists already, or its folder does not.
        ConvAIError: As for any request.
        OSError: The file cannot be written.
    """
    path = Path(destination)
    await run_sync(_check_destination, path, overwrite)

    async def attempt() -> SavedAudio:
        async with engine.stream_once(call) as reply:
            return await _write(await _recording(reply), path, overwrite, progress)

    return await engine.retrying(attempt)


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
        gathered = Handover[bytearray](1)
        async with background(gathered, [partial(_gather, audio, gathered)]):
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
        await finish(file.discard)


async def _gather(audio: AudioStream, gathered: Handover[bytearray]) -> None:
    data = bytearray()
    async for chunk in audio:
        data += chunk
        if len(data) >= _WRITE_SIZE:
            await gathered.put(data)
            data = bytearray()
    await gathered.put(data)  # also when there is none: the file has to be made
