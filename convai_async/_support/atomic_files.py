"""Write a file that appears complete or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PART_SUFFIX = ".part"
"""The suffix of a temporary file."""


def build_part_prefix(name: str) -> str:
    """Return the prefix of the temporary file for ``name``."""
    return f".{name[:100]}."


def create_part(destination: Path) -> tuple[int, Path]:
    """Create the temporary file of a destination, in its folder.

    Returns:
        Its descriptor and its path.

    Raises:
        OSError: It cannot be created; the error names the destination.
    """
    with name_destination(destination):
        descriptor, name = tempfile.mkstemp(
            prefix=build_part_prefix(destination.name), suffix=PART_SUFFIX, dir=destination.parent
        )
    return descriptor, Path(name)


@contextmanager
def name_destination(destination: Path) -> Iterator[None]:
    """Let an error name the file that cannot be written, instead of its temporary file or none.

    Raises:
        OSError: The block raised one.
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(destination)) from error


class AtomicFile:
    """A temporary file in the folder of its destination, which gets the destination's name when it is complete.

    The methods block: call them in worker threads. A thread goes on when its task is cancelled, so every method takes a
    lock, and `discard` may be called at any time.

    Args:
        destination: The path of the file.

    Attributes:
        size: The number of bytes written so far.
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
        """Append bytes. The first write creates the temporary file, which only its owner can read.

        Raises:
            OSError: The file cannot be written.
        """
        with self._lock:
            if self._discarded:
                return
            if self._fd is None:
                self._fd, self._temporary = create_part(self._destination)
            rest = memoryview(data)
            with name_destination(self._destination):
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
            self._sha256.update(data)
            self.size += len(data)

    def commit(self, *, overwrite: bool) -> None:
        """Sync the bytes to disk and rename the file to its destination.

        Args:
            overwrite: Whether to replace an existing file.

        Raises:
            FileExistsError: The file exists and ``overwrite`` is False.
            OSError: The file cannot be synced or renamed.
        """
        with self._lock:
            if self._fd is None or self._temporary is None:
                return
            with name_destination(self._destination):
                os.fsync(self._fd)
            put_in_place(self._temporary, self._destination, overwrite=overwrite)
            self._temporary = None

    def discard(self) -> None:
        """Close the file, and delete it unless it was committed."""
        with self._lock:
            self._discarded = True
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)


def put_in_place(temporary: Path, destination: Path, *, overwrite: bool) -> None:
    """Rename a file that is written and synced, and sync its folder.

    Args:
        temporary: The file, in the same folder.
        destination: The new path.
        overwrite: Whether to replace an existing file.

    Raises:
        FileExistsError: The destination exists and ``overwrite`` is False.
        OSError: The file cannot be renamed.
    """
    if overwrite:
        temporary.replace(destination)
    else:
        # Unlike renaming, linking fails if the destination exists, even if it was created a moment ago.
        try:
            destination.hardlink_to(temporary)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if destination.exists():
                raise FileExistsError(destination) from None
            temporary.replace(destination)
        else:
            temporary.unlink()
    _sync_folder(destination.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open folders, and does not need to sync them
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
