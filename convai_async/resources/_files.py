"""``client.conversations.files``."""

from __future__ import annotations

import codecs
import mimetypes
import os
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from anyio.to_thread import run_sync

from convai_async import endpoints
from convai_async._support.validate import validate_text
from convai_async.errors import InvalidArgumentError
from convai_async.streaming import AudioStream, open_file

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine
    from convai_async.models import FileUpload

_BEGINNING = 4096
"""Bytes of a file that are looked at to tell text from anything else."""


class FilesResource:
    """Files that users attach to conversations, also while these are going on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def create(
        self,
        conversation_id: str,
        file: str | os.PathLike[str] | bytes | IO[bytes] | AsyncIterable[bytes],
        *,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> FileUpload:
        """Upload an image, a PDF or a text file (POST /v1/convai/conversations/{conversation_id}/files).

        The file is read into memory before it is sent. Uploading twice makes two files, so a request that
        the service may have acted on is not repeated, unless the retry policy has ``retry_non_idempotent``.

        Args:
            conversation_id: Whose file it becomes.
            file: A path, the bytes, a binary file open for reading, or an async iterable of bytes.
            filename: The name to give it, in any alphabet; a path's own name by default, else required.
            content_type: Its media type. By default the one that belongs to the ending of its name, or
                ``"text/plain"`` if that is unknown and the file is UTF-8 text.

        Returns:
            The id by which a message in the conversation refers to the file, and by which it is read and deleted.

        Raises:
            InvalidArgumentError: The id is empty or invalid; the path is a folder or not there; the name or the
                media type is missing.
            ConvAIError: As for any request.
            OSError: The file cannot be read.
        """
        if isinstance(file, str | os.PathLike):
            filename = filename or Path(file).name
        if not filename:
            raise InvalidArgumentError("filename", "name the file, such as filename='receipt.pdf'")
        validate_text("filename", filename)
        content = await _read(file)
        content_type = content_type or _guess_content_type(filename, content)
        if content_type is None:
            raise InvalidArgumentError(
                "content_type", f"{filename!r} does not tell it: pass it, such as content_type='image/png'"
            )
        return await self._engine.send(
            endpoints.create_file(conversation_id, content, filename=filename, content_type=content_type)
        )

    @asynccontextmanager
    async def get(self, conversation_id: str, file_id: str) -> AsyncIterator[AudioStream]:
        """Open a file, to read it as it arrives (GET /v1/convai/conversations/{conversation_id}/files/{file_id}).

        It is read like a recording (see `AudioResource.stream`), but can be of any media type.

        Args:
            conversation_id: Whose file it is.
            file_id: Which one.

        Raises:
            InvalidArgumentError: An id is empty or invalid.
            NotFoundError: There is no such file.
            ConvAIError: As for any request.
        """
        async with open_file(self._engine, conversation_id, file_id) as stream:
            yield stream

    async def delete(self, conversation_id: str, file_id: str) -> None:
        """Delete an uploaded file (DELETE /v1/convai/conversations/{conversation_id}/files/{file_id}).

        The service allows this only as long as the file was not used in the conversation.

        Args:
            conversation_id: Whose file it is.
            file_id: The id that `create` returned.

        Raises:
            InvalidArgumentError: An id is empty or invalid.
            NotFoundError: There is no such file.
            APIStatusError: It was used in the conversation.
            ConvAIError: As for any request.
        """
        await self._engine.send(endpoints.delete_file(conversation_id, file_id))


def _guess_content_type(filename: str, content: bytes) -> str | None:
    # Python's own table, not the system's: the same name gives the same type everywhere.
    guessed, compression = mimetypes.MimeTypes().guess_type(filename, strict=False)
    if guessed is not None and compression is None:
        return guessed
    return "text/plain" if _begins_as_text(content[:_BEGINNING]) else None


def _begins_as_text(beginning: bytes) -> bool:
    try:
        # Not final: a character may be cut at the end.
        return "\0" not in codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return False


async def _read(file: str | os.PathLike[str] | bytes | IO[bytes] | AsyncIterable[bytes]) -> bytes:
    if isinstance(file, str | os.PathLike):
        return await run_sync(_read_path, Path(file))
    if isinstance(file, bytes):
        return file
    content: object
    if isinstance(file, AsyncIterable):
        chunks = [chunk async for chunk in file]
        content = b"".join(chunks) if all(isinstance(chunk, bytes) for chunk in chunks) else ""
    elif hasattr(file, "read"):
        content = await run_sync(file.read)
    else:
        raise InvalidArgumentError(
            "file", f"must be a path, bytes, a binary file or an async iterable of bytes, not {type(file).__name__}"
        )
    if not isinstance(content, bytes):
        raise InvalidArgumentError("file", "gives text: open it with mode 'rb'")
    return content


def _read_path(path: Path) -> bytes:
    if path.is_dir():
        raise InvalidArgumentError("file", f"{str(path)!r} is a folder: name a file in it")
    if not path.exists():
        raise InvalidArgumentError("file", f"{str(path)!r} does not exist")
    return path.read_bytes()
