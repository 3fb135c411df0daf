"""A file that appears whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from threading import Lock

PART_SUFFIX = ".part"
"""How the name of a file ends that is being made."""


def part_prefix(name: str) -> str:
    """Return how the name of a file begins that is being made, and shall have this name."""
    return f".{name[:100]}."


class AtomicFile:
    """A temporary file beside a destination, which takes the destination's name when it is complete.

    Its methods block, and are meant for worker threads. A task can be cancelled while its thread works on:
    so every method takes the lock, and `discard` ends the file's life whatever else is still under way.

    Args:
        destination: The file to make, or to replace.

    Attributes:
        size: Bytes written so far.
    """

    def __init__(self, destination: Path) -> None:
        self.size = 0
        self._destination = destination
        self._lock = Lock()
        self._sha256 = hashlib.sha256()
        self._fd: int | None = None
        self._temporary: Path | None = None
        self._discarded = False

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes written so far, in hexadecimal."""
        return self._sha256.hexdigest()

    def write(self, data: bytes | bytearray) -> None:
        """Append bytes; the first write makes the temporary file, readable by its owner only.

        Raises:
            OSError: The file cannot be written.
        """
        with self._lock:
            if self._discarded:
                return
            if self._fd is None:
                self._fd, name = tempfile.mkstemp(
                    prefix=part_prefix(self._destination.name), suffix=PART_SUFFIX, dir=self._destination.parent
                )
                self._temporary = Path(name)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            self._sha256.update(data)
            self.size += len(data)

    def commit(self, *, overwrite: bool) -> None:
        """Sync the bytes to the disk and give the file its name.

        Args:
            overwrite: Whether a file of that name is replaced.

        Raises:
            FileExistsError: There is a file of that name, and it is not to be replaced.
            OSError: The file cannot be synced or renamed.
        """
        with self._lock:
            if self._discarded or self._fd is None or self._temporary is None:
                return
            os.fsync(self._fd)
            put_in_place(self._temporary, self._destination, overwrite=overwrite)
            self._temporary = None

    def discard(self) -> None:
        """Close the file, and remove it unless it was committed."""
        with self._lock:
            self._discarded = True
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)
                self._temporary = None


def put_in_place(temporary: Path, destination: Path, *, overwrite: bool) -> None:
    """Give a file that is written and synced its name, for good.

    Args:
        temporary: The file, in the same folder.
        destination: Its name.
        overwrite: Whether a file of that name is replaced.

    Raises:
        FileExistsError: There is a file of that name, and it is not to be replaced.
        OSError: The file cannot be renamed.
    """
    if overwrite:
        temporary.replace(destination)
    else:
        # A link, unlike a new name, replaces nothing: not even what appeared a moment ago.
        try:
            destination.hardlink_to(temporary)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            if destination.exists():
                raise FileExistsError(destination) from None
            temporary.replace(destination)
        else:
            temporary.unlink()
    _sync_folder(destination.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders, and needs none synced
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
