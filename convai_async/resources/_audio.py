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
    """The recordings of conversations (GET /v1/convai/conversations/{conversation_id}/audio)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def stream(
        self,
        conversation_id: str,
        *,
        range: str | None = None,  # noqa: A002 - the header's name
    ) -> AsyncIterator[AudioStream]:
        """Open a recording, to read it as it arrives.

        A missing recording raises on entering, before there is anything to pass on. Up to the first byte the
        request is tried again as the retry policy says; what breaks off later raises while iterating.
        The stream counts as a request in flight until the block ends.

        Args:
            conversation_id: Whose recording.
            range: The value of a Range header, such as ``"bytes=0-1023"``, as a player sends it. The service
                sends the range (``.status`` is 206) or the whole recording (200). A header that is malformed or asks
                for several ranges is ignored, as HTTP allows.

        Raises:
            InvalidArgumentError: The id is empty or invalid.
            NotFoundError: There is no recording, or not yet.
            DecodeError: The reply is not a recording, or not the range that was asked for.
            IncompleteBodyError: The reply does not say where it ends, so a truncated one could not be detected.
            ResponseTooLargeError: It is larger than the client's ``max_stream_bytes``.
            ConvAIError: As for any request.
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
        """Save a recording to a file that is whole or not there.

        The bytes go to a temporary file beside the destination, which is synced and renamed after the last
        one. A download that breaks off is started anew, as the retry policy says. Memory stays the same
        however long the recording is. The file is readable by its owner only.

        Args:
            conversation_id: Whose recording.
            destination: The file to make. Its folder must exist.
            overwrite: Whether a file that is there already is replaced.
            progress: Called in the event loop with the bytes so far and the bytes in all, or None where that
                is unknown; begins again at 0 when the download does.

        Raises:
            InvalidArgumentError: The id is empty or invalid; the destination is a folder, exists already, or its
                folder does not.
            NotFoundError: There is no recording, or not yet.
            DecodeError: The reply is not a recording.
            IncompleteBodyError: The recording ended early, or the reply does not say where it ends.
            RequestTimeoutError: No byte arrived within the client's ``timeout``, or fewer than its ``min_stream_rate``.
            ResponseTooLargeError: It is larger than the client's ``max_stream_bytes``.
            ConvAIError: As for any request.
            OSError: The file cannot be written.
        """
        return await save(self._engine, conversation_id, destination, overwrite=overwrite, progress=progress)
