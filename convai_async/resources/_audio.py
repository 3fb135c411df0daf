"""``client.conversations.audio``."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from convai_async.streaming import AudioStream, SavedAudio, open_recording, save

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable

    from convai_async._transport.engine import Engine


class AudioResource:
    """Recordings of conversations: ``client.conversations.audio``.

    Methods that send a request can raise the errors that `convai_async.errors` lists.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def stream(
        self,
        conversation_id: str,
        *,
        range: str | None = None,  # noqa: A002 - the header's name
    ) -> AsyncIterator[AudioStream]:
        """Stream a recording (GET /v1/convai/conversations/{conversation_id}/audio).

        The request is retried until the first byte arrives. Errors before that are raised by ``async with``, and later
        ones by the iteration. The stream counts as a request in flight until the block ends.

        Args:
            conversation_id: The conversation (``conv_…``).
            range: The value of a Range header, such as ``"bytes=0-1023"``, to pass on the request of an audio player.
                The service sends the range (``.status`` is 206) or the whole recording (200). An invalid header, or
                one with several ranges, is ignored (RFC 9110, 14.2).

        Raises:
            NotFoundError: The recording does not exist, or not yet.
            DecodeError: The response is not a recording, or not the requested range.
            IncompleteBodyError: The response does not state its length, so a truncated recording could not be detected.
            ResponseTooLargeError: The recording is larger than the client's ``max_stream_bytes``.
        """
        async with open_recording(self._engine, conversation_id, range) as audio:
            yield audio

    async def download(
        self,
        conversation_id: str,
        destination: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> SavedAudio:
        """Save a recording to a file (GET /v1/convai/conversations/{conversation_id}/audio).

        The recording is written to a temporary file in the same folder, which is synced and renamed when it is
        complete: the destination is never incomplete. A download that fails starts again, according to the retry
        policy. Only the owner can read the file. Memory use does not depend on the length of the recording.

        Args:
            conversation_id: The conversation (``conv_…``).
            destination: The path of the file. Its folder must exist.
            overwrite: Whether to replace an existing file; False by default.
            progress: A function that is called in the event loop with the number of bytes so far, and the total number
                or None if it is unknown. It starts at 0 again if the download does.

        Raises:
            InvalidArgumentError: The destination is a folder or already exists, or its folder does not exist.
            NotFoundError: The recording does not exist, or not yet.
            DecodeError: The response is not a recording.
            IncompleteBodyError: The recording ended early, or the response does not state its length.
            RequestTimeoutError: No byte arrived within the client's ``timeout``, or the rate was below its
                ``min_stream_rate``.
            ResponseTooLargeError: The recording is larger than the client's ``max_stream_bytes``.
            OSError: The file cannot be written.
        """
        return await save(self._engine, conversation_id, destination, overwrite=overwrite, progress=progress)
