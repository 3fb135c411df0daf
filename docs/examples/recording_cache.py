"""Keep recordings on disk, so that a player can seek in them whether or not the service answers Range requests."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from convai_async import ConvAIClient


class RecordingCache:
    """A folder of recordings, those that were not asked for the longest removed first.

    Args:
        client: What to download with.
        folder: Where the files are; nothing else may be in it. Use one folder for each process.
        max_bytes: The size of all files together, about; the recording that is asked for is always kept.
    """

    def __init__(
        self, client: ConvAIClient, folder: Path, *, max_bytes: int = 1024**3
    ) -> None:
        self._client = client
        self._folder = folder
        self._max_bytes = max_bytes
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()

    async def path(self, conversation_id: str) -> Path:
        """Return the file of a recording, downloaded first if it is not there.

        Raises:
            NotFoundError: There is no recording.
            ConvAIError: It cannot be downloaded.
        """
        path = self._path(conversation_id)
        lock = self._locks.setdefault(path, asyncio.Lock())
        async with lock:  # players ask several times at once: download once
            if not await asyncio.to_thread(_touch, path):
                await self._client.conversations.audio.download(conversation_id, path)
                await asyncio.to_thread(self._remove_oldest, path)
        return path

    async def remove(self, conversation_id: str) -> None:
        """Remove a recording, for example because its conversation was deleted."""
        await asyncio.to_thread(self._path(conversation_id).unlink, missing_ok=True)

    def _path(self, conversation_id: str) -> Path:
        return (
            self._folder / f"{hashlib.sha256(conversation_id.encode()).hexdigest()}.mp3"
        )

    def _remove_oldest(self, keep: Path) -> None:
        files = [(path.stat(), path) for path in self._folder.glob("*.mp3")]
        size = sum(stat.st_size for stat, _ in files)
        for stat, path in sorted(files, key=lambda file: file[0].st_mtime):
            if size <= self._max_bytes:
                return
            if path != keep:
                path.unlink(missing_ok=True)
                size -= stat.st_size


def _touch(path: Path) -> bool:
    if not path.exists():
        return False
    path.touch()
    return True
