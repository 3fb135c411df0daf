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
"""The number of bytes that are read to recognise a text file."""


class FilesResource:
    """Files that users attach to conversations: ``client.conversations.files``.

    Methods that send a request can raise the errors that `convai_async.errors` lists.
    """

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

        The file is read into memory before it is sent. A request that the service may have processed is not retried,
        since each upload creates a file, unless the retry policy has ``retry_non_idempotent``.

        Args:
            conversation_id: The conversation (``conv_…``).
            file: A path, bytes, a binary file object, or an async iterable of bytes.
            filename: The name of the file. Required unless ``file`` is a path, whose name is the default.
            content_type: The media type. By default the one of the name's extension, or ``"text/plain"`` if the
                extension is unknown and the file is UTF-8 text.

        Returns:
            The id of the file, to refer to it in a message of the conversation, to read it and to delete it.

        Raises:
            InvalidArgumentError: The path is a folder or does not exist, or the name or the media type is missing.
            OSError: The file cannot be read.
        """
        if isinstance(file, str | os.PathLike):
            filename = filename or Path(file).name
        if not filename:
            raise InvalidArgumentError("filename", "is required, such as filename='receipt.pdf'")
        validate_text("filename", filename)
        content = await _read(file)
        content_type = content_type or _guess_content_type(filename, content)
        if content_type is None:
            raise InvalidArgumentError(
                "content_type", f"{filename!r} does not determine it: pass it, such as content_type='image/png'"
            )
        return await self._engine.send(
            endpoints.create_file(conversation_id, content, filename=filename, content_type=content_type)
        )

    @asynccontextmanager
    async def get(self, conversation_id: str, file_id: str) -> AsyncIterator[AudioStream]:
        """Stream a file (GET /v1/convai/conversations/{conversation_id}/files/{file_id}).

        The stream is the same as that of a recording (see `AudioResource.stream`), with any media type.

        Args:
            conversation_id: The conversation (``conv_…``).
            file_id: The id of the file.

        Raises:
            NotFoundError: The file does not exist.
        """
        async with open_file(self._engine, conversation_id, file_id) as stream:
            yield stream

    async def delete(self, conversation_id: str, file_id: str) -> None:
        """Delete an uploaded file (DELETE /v1/convai/conversations/{conversation_id}/files/{file_id}).

        Only a file that was not used in the conversation can be deleted.

        Args:
            conversation_id: The conversation (``conv_…``).
            file_id: The id that `create` returned.

        Raises:
            NotFoundError: The file does not exist.
            APIStatusError: The file was used in the conversation.
        """
        await self._engine.send(endpoints.delete_file(conversation_id, file_id))


def _guess_content_type(filename: str, content: bytes) -> str | None:
    # Python's table instead of the system's, so that the result is the same everywhere.
    guessed, compression = mimetypes.MimeTypes().guess_type(filename, strict=False)
    if guessed is not None and compression is None:
        return guessed
    return "text/plain" if _is_text(content[:_BEGINNING]) else None


def _is_text(beginning: bytes) -> bool:
    try:
        # An incremental decoder accepts a character that is cut off at the end.
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
        raise InvalidArgumentError("file", "must be opened in binary mode ('rb')")
    return content


def _read_path(path: Path) -> bytes:
    if path.is_dir():
        raise InvalidArgumentError("file", f"{str(path)!r} is a folder: pass the path of a file")
    if not path.exists():
        raise InvalidArgumentError("file", f"{str(path)!r} does not exist")
    return path.read_bytes()
