"""Save recordings in a folder or an object store."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from functools import partial
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

import anyio
from anyio.to_thread import run_sync

from convai_async._support.atomic_files import AtomicFile
from convai_async.archive import _recordings
from convai_async.archive._recordings._object_storage import (
    SCHEMES,
    ObjectPrefix,
    check_bucket,
    connect,
    translate_errors,
)
from convai_async.archive._records import Recording
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Collection

    from convai_async.archive._recordings._object_storage import StoredObject

PART_BYTES = 5 * 1024 * 1024
"""Bytes of a part of an upload, the least that S3 takes. A recording up to this size is one request."""
_PARTS_IN_FLIGHT = 2
_UPLOADS = 16
"""How many recordings are uploaded at the same time, each in one request."""
_UPLOADS_IN_PARTS = 4
"""How many others are uploaded at the same time in parts, each of which obstore copies: 30 MiB for one recording."""
_ABORT_SECS = 10.0


class PartialRecording(Protocol):
    """A recording that is being received. `discard` may be called at any time; `write` and `discard` block.

    Attributes:
        size: The number of bytes written so far.
    """

    size: int

    def write(self, data: bytes | bytearray) -> None:
        """Append bytes.

        Raises:
            OSError: They cannot be written.
        """

    async def save(self, content_type: str) -> Recording:
        """Save the recording, whole or not at all, in place of one of the same name.

        Args:
            content_type: Its media type.

        Raises:
            OSError: The file cannot be written.
            StorageError: The object cannot be written.
        """

    def discard(self) -> None:
        """Remove what was written, unless it was saved."""


class RecordingStorage(Protocol):
    """Where the recordings of a harvest are saved."""

    async def prepare(self) -> None:
        """Make the folder, or check the bucket.

        Raises:
            OSError: The folder cannot be made.
            StorageError: The bucket does not exist, cannot be reached, or does not accept the credentials.
        """

    async def remove_partial(self, ids: Collection[str]) -> None:
        """Remove what a killed process has left of the recordings of these conversations."""

    def create(self, conversation_id: str) -> PartialRecording:
        """Begin a recording."""


def open_storage(recordings: str | os.PathLike[str] | None, archive: Path | None) -> RecordingStorage:
    """Return the storage for recordings, without creating or contacting it.

    Args:
        recordings: A folder, or a URL such as ``s3://bucket/prefix``; None for the folder ``audio`` beside the archive.
        archive: The archive's file; None for an archive without one.

    Raises:
        ConfigurationError: The extra ``cloud`` is not installed.
        InvalidArgumentError: ``recordings`` is neither a folder nor such a URL.
        StorageError: The settings of the object store in the environment are not valid.
    """
    if recordings is None:
        if archive is None:
            raise InvalidArgumentError(
                "recordings", "is required with audio: pass a folder, or a URL such as s3://bucket/prefix"
            )
        return FolderStorage(archive.parent / _recordings.FOLDER, f"{_recordings.FOLDER}/")
    prefix = parse_recordings(recordings)
    if isinstance(prefix, ObjectPrefix):
        return ObjectStorage(prefix)
    if archive is not None and prefix == Path(os.path.realpath(archive)).parent / _recordings.FOLDER:
        return open_storage(None, archive)
    return FolderStorage(prefix)


def parse_recordings(recordings: str | os.PathLike[str]) -> Path | ObjectPrefix:
    """Return the folder or the prefix in an object store.

    Raises:
        InvalidArgumentError: It is neither.
    """
    text = os.fspath(recordings)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise InvalidArgumentError("recordings", "must be a folder, or a URL such as s3://bucket/prefix")
    if "://" not in text:
        return Path(os.path.realpath(text))
    prefix = ObjectPrefix.parse(text)
    if prefix is None:  # the URL is not in the message, as there can be credentials in it
        raise InvalidArgumentError(
            "recordings",
            f"must be {', '.join(f'{scheme}://bucket/prefix' for scheme in SCHEMES)} or a folder. The prefix may have"
            " letters, digits and -_.!'()~+=@/; credentials are read from the environment",
        )
    return prefix


class FolderStorage:
    """A folder for recordings; the methods are those of `RecordingStorage`.

    Args:
        folder: The folder.
        prefix: What to put before a file's name in the archive; by default the folder's URL.
    """

    def __init__(self, folder: Path, prefix: str | None = None) -> None:
        self._folder = folder
        self._prefix = prefix

    async def prepare(self) -> None:
        """See `RecordingStorage`."""
        await run_sync(_recordings.make_folder, self._folder)

    async def remove_partial(self, ids: Collection[str]) -> None:
        """See `RecordingStorage`."""
        await run_sync(_recordings.remove_partial, self._folder, ids)

    def create(self, conversation_id: str) -> PartialRecording:
        """See `RecordingStorage`."""
        file = self._folder / _recordings.get_file_name(conversation_id)
        return _RecordingFile(file, file.as_uri() if self._prefix is None else f"{self._prefix}{file.name}")


class _RecordingFile(AtomicFile):
    def __init__(self, destination: Path, path: str) -> None:
        super().__init__(destination)
        self._path = path

    async def save(self, content_type: str) -> Recording:
        await run_sync(partial(self.commit, overwrite=True))
        return Recording(self._path, self.size, self.sha256, content_type)


class ObjectStorage:
    """The objects of a bucket whose keys begin with a prefix; the methods are those of `RecordingStorage`.

    A recording is received into a temporary file, which has no name, and then uploaded: so its hash is known before,
    an upload can be repeated, and a slow store does not keep the service's connection open.

    Args:
        prefix: The prefix.
    """

    def __init__(self, prefix: ObjectPrefix) -> None:
        self._prefix = prefix
        self._store = connect(prefix.scheme, prefix.bucket)
        self._uploads = asyncio.Semaphore(_UPLOADS)
        self._uploads_in_parts = asyncio.Semaphore(_UPLOADS_IN_PARTS)

    async def prepare(self) -> None:
        """See `RecordingStorage`."""
        await check_bucket(self._prefix)

    async def remove_partial(self, ids: Collection[str]) -> None:
        """See `RecordingStorage`: parts of an upload are not an object, and the store removes them."""

    def create(self, conversation_id: str) -> PartialRecording:
        """See `RecordingStorage`."""
        target = self._prefix.get(_recordings.get_file_name(conversation_id))
        return _Upload(self._store, target, self._uploads, self._uploads_in_parts)


class _Upload:
    """A recording that is received into a temporary file without a name: a killed process leaves nothing."""

    def __init__(
        self, store: Any, target: StoredObject, uploads: asyncio.Semaphore, uploads_in_parts: asyncio.Semaphore
    ) -> None:
        self.size = 0
        self._store = store
        self._target = target
        self._uploads = uploads
        self._uploads_in_parts = uploads_in_parts
        self._sha256 = hashlib.sha256()
        self._lock = Lock()  # a thread continues when its task is cancelled
        self._file: IO[bytes] | None = None
        self._is_discarded = False

    def write(self, data: bytes | bytearray) -> None:
        with self._lock:
            if self._is_discarded:
                return
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="convai-async-")  # noqa: SIM115 - see `discard`
            self._file.write(data)
            self._sha256.update(data)
            self.size += len(data)

    def read(self, start: int) -> bytes:
        """Return the part that begins at a byte."""
        with self._lock:
            data = b""
            if self._file is not None and not self._is_discarded:
                self._file.seek(start)
                data = self._file.read(PART_BYTES)
            if len(data) != min(PART_BYTES, self.size - start):
                raise OSError("the temporary file of a recording is not complete any more")
            return data

    async def save(self, content_type: str) -> Recording:
        sha256 = self._sha256.hexdigest()
        attributes = {"Content-Type": content_type, "sha256": sha256}
        has_parts = self.size > PART_BYTES
        async with self._uploads_in_parts if has_parts else self._uploads:
            with translate_errors(self._target.scheme, self._target.bucket, "write to"):
                if has_parts:
                    await self._put_parts(attributes)
                else:
                    await self._put(await run_sync(self.read, 0), attributes, use_multipart=False)
        return Recording(self._target.url, self.size, sha256, content_type)

    async def _put_parts(self, attributes: dict[str, str]) -> None:
        parts = _Parts(self)
        upload = asyncio.ensure_future(self._put(parts, attributes, use_multipart=True))
        try:
            await asyncio.shield(upload)
        except asyncio.CancelledError:
            parts.is_stopped = True  # obstore gets no other part, and removes those before
            with anyio.CancelScope(shield=True):
                await asyncio.wait([upload], timeout=_ABORT_SECS)
            upload.cancel()
            if upload.done() and not upload.cancelled():
                upload.exception()  # so that asyncio does not log it
            raise

    async def _put(self, content: Any, attributes: dict[str, str], *, use_multipart: bool) -> None:
        import obstore  # noqa: PLC0415 - an extra

        await obstore.put_async(
            self._store,
            self._target.key,
            content,
            attributes=attributes,
            use_multipart=use_multipart,
            chunk_size=PART_BYTES,
            max_concurrency=_PARTS_IN_FLIGHT,
        )

    def discard(self) -> None:
        with self._lock:
            self._is_discarded = True
            if self._file is not None:
                self._file.close()


class _Parts:
    """The parts of a recording, from the first to the last."""

    def __init__(self, upload: _Upload) -> None:
        self._upload = upload
        self._start = 0
        self.is_stopped = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self.is_stopped:
            raise OSError("the upload was cancelled")
        if self._start >= self._upload.size:
            raise StopAsyncIteration
        part = await run_sync(self._upload.read, self._start)
        self._start += len(part)
        return part
