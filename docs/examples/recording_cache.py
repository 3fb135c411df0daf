"""Cache recordings on disk, so that a player can seek even if the service does not support Range requests."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from convai_async import ConvAIClient


class RecordingCache:
    """A folder of recordings that removes the least recently used files first.

    Args:
        client: The client to download with.
        folder: The folder for the files; it must contain nothing else. Use one folder per process.
        max_bytes: The approximate maximum size of all files, 1 GiB by default; the latest recording is always kept.
    """

    def __init__(
        self, client: ConvAIClient, folder: Path, *, max_bytes: int = 1024**3
    ) -> None:
        self._client = client
        self._folder = folder
        self._max_bytes = max_bytes
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()

    async def get_path(self, conversation_id: str) -> Path:
        """Return the path of a recording, after downloading it if necessary.

        Raises:
            NotFoundError: The recording does not exist.
            ConvAIError: The download failed.
        """
        path = self._path(conversation_id)
        lock = self._locks.setdefault(path, asyncio.Lock())
        async with lock:  # players send several requests at once: download only once
            if not await asyncio.to_thread(_touch, path):
                await self._client.conversations.audio.download(conversation_id, path)
                await asyncio.to_thread(self._remove_oldest, path)
        return path

    async def remove(self, conversation_id: str) -> None:
        """Remove a recording, for example after its conversation was deleted."""
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
