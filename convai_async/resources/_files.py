"""``client.conversations.files``."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from anyio.to_thread import run_sync

from convai_async import calls
from convai_async.audio import AudioStream, open_file
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from convai_async._engine import Engine
    from convai_async.models import UploadedFile


class ConversationFiles:
    """Files that belong to conversations."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def create(
        self,
        conversation_id: str,
        file: str | os.PathLike[str] | bytes | IO[bytes] | AsyncIterable[bytes],
        *,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> UploadedFile:
        """Upload an image or a PDF (POST /v1/convai/conversations/{conversation_id}/files).

        The file is read into memory before it is sent. Uploading twice makes two files, so a request that
        the service may have acted on is not repeated, unless the retry policy has ``repeat_unsafe``.

        Args:
            conversation_id: Whose file it becomes.
            file: A path, the bytes, a binary file open for reading, or an async iterable of bytes.
            filename: The name to give it; a path's own name by default, else required.
            content_type: Its media type; by default what its name says.

        Returns:
            The id under which it can be deleted.

        Raises:
            InvalidArgumentError: The id is empty or odd; the path is a folder or not there; the name or the
                media type is missing.
            ConvAIError: As for any request.
            OSError: The file cannot be read.
        """
        if isinstance(file, str | os.PathLike):
            filename = filename or Path(file).name
        if not filename:
            raise InvalidArgumentError("filename", "name the file, such as filename='receipt.pdf'")
        content_type = content_type or mimetypes.guess_type(filename)[0]
        if content_type is None:
            raise InvalidArgumentError(
                "content_type", f"{filename!r} does not tell it: pass it, such as content_type='image/png'"
            )
        content = await _read(file)
        return await self._engine.send(
            calls.create_file(conversation_id, content, filename=filename, content_type=content_type)
        )

    @asynccontextmanager
    async def get(self, conversation_id: str, file_id: str) -> AsyncIterator[AudioStream]:
        """Open a file, to read it as it arrives (GET /v1/convai/conversations/{conversation_id}/files/{file_id}).

        It is read like a recording (see `ConversationAudio.stream`), but can be of any media type.

        Args:
            conversation_id: Whose file it is.
            file_id: Which one.

        Raises:
            InvalidArgumentError: An id is empty or odd.
            NotFoundError: There is no such file.
            ConvAIError: As for any request.
        """
        async with open_file(self._engine, conversation_id, file_id) as stream:
            yield stream

    async def delete(self, conversation_id: str, file_id: str) -> None:
        """Delete an uploaded file (DELETE /v1/convai/conversations/{conversation_id}/files/{file_id}).

        Args:
            conversation_id: Whose file it is.
            file_id: What `create` returned.

        Raises:
            InvalidArgumentError: An id is empty or odd.
            NotFoundError: There is no such file.
            ConvAIError: As for any request.
        """
        await self._engine.send(calls.delete_file(conversation_id, file_id))


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
