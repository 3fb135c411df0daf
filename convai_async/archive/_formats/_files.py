"""Read and write the files of exports and imports, compressed according to their extension."""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from convai_async._support.atomic_files import (
    PART_SUFFIX,
    build_part_prefix,
    create_part,
    name_destination,
    put_in_place,
)
from convai_async.archive._errors import ArchiveError
from convai_async.archive._recordings import FOLDER
from convai_async.errors import ConfigurationError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async.archive._location import Location

COMPRESSED_SUFFIXES = (".gz", ".zst")
_SIDECAR_SUFFIXES = ("-wal", "-shm", "-journal", ".lock")


class Sink(Protocol):
    """A file or stream that takes bytes, such as ``sys.stdout.buffer``."""

    def write(self, data: bytes, /) -> int:
        """Write bytes."""


def check_destination(parameter: str, path: Path, *, overwrite: bool, archive: Location) -> None:
    """Check that an export or a report may be written to this path.

    Raises:
        InvalidArgumentError: The path exists, or belongs to the archive, or its folder does not exist.
    """
    if path.is_dir():
        raise InvalidArgumentError(
            parameter, f"{str(path)!r} exists already and is a folder: choose another, or delete it first"
        )
    if path.exists() and not overwrite:
        raise InvalidArgumentError(
            parameter, f"{str(path)!r} exists already: choose another, or pass overwrite=True to replace it"
        )
    if isinstance(archive, Path):
        _check_not_archive(parameter, path, archive)
    if not path.parent.is_dir():
        raise InvalidArgumentError(parameter, f"the folder {str(path.parent)!r} does not exist: create it first")


def _check_not_archive(parameter: str, path: Path, archive: Path) -> None:
    if path.exists() and archive.exists() and path.samefile(archive):
        raise InvalidArgumentError(parameter, f"{str(path)!r} is the archive itself: choose another")
    if _belongs_to(archive, path):
        raise InvalidArgumentError(parameter, f"{str(path)!r} belongs to the archive: choose another")


def _belongs_to(archive: Path, path: Path) -> bool:
    """Return whether a path is that of the lock or a file of SQLite beside the archive, or in the audio folder."""
    own = [
        file.with_name(f"{file.name}{suffix}")
        for file in (archive, archive.resolve())  # SQLite follows links
        for suffix in _SIDECAR_SUFFIXES
    ]
    own.append(archive.parent / FOLDER)
    resolved = path.resolve()
    return any(file.resolve() in {resolved, *resolved.parents} for file in own)


@contextmanager
def create_file(path: Path, *, overwrite: bool = False) -> Iterator[IO[bytes]]:
    """Yield a temporary file that takes its name when the block ends without an error; readable by its owner only."""
    descriptor, temporary = create_part(path)
    with name_destination(path), os.fdopen(descriptor, "w+b") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            put_in_place(temporary, path, overwrite=overwrite)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def create_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes its name when the block ends without an error; its owner's only."""
    with name_destination(path):
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=build_part_prefix(path.name), suffix=PART_SUFFIX))
    try:
        yield temporary
        put_in_place(temporary, path, overwrite=False)
    except BaseException:
        shutil.rmtree(temporary)
        raise


@contextmanager
def open_compressed(file: IO[bytes], suffix: str) -> Iterator[IO[bytes]]:
    """Yield a stream that compresses into a file by its suffix: ``.gz``, ``.zst``, or not at all."""
    if suffix == ".gz":
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as stream:
            yield stream  # type: ignore[misc]
    elif suffix == ".zst":
        with _import_zstd().open(file, "wb") as stream:
            yield stream
    else:
        yield file


@contextmanager
def open_decompressed(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, decompressed by its suffix: ``.gz``, ``.zst``, or not at all.

    Raises:
        ArchiveError: In the block, when the file is damaged.
        OSError: The file cannot be opened or read.
    """
    if path.suffix == ".gz":
        with _translate_damage(path, EOFError, zlib.error, gzip.BadGzipFile), gzip.open(path, "rb") as stream:
            yield stream  # type: ignore[misc]
    elif path.suffix == ".zst":
        zstd = _import_zstd()
        with _translate_damage(path, EOFError, zstd.ZstdError), zstd.open(path, "rb") as stream:
            yield stream
    else:
        with path.open("rb") as stream:
            yield stream


@contextmanager
def _translate_damage(path: Path, *errors: type[Exception]) -> Iterator[None]:
    try:
        yield
    except errors as error:
        raise ArchiveError(f"{str(path)!r} is damaged or cut off: {error}") from error


def _import_zstd() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415 - only this needs it
        else:
            from backports import zstd  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ConfigurationError("a .zst file needs an extra: pip install 'convai-async[zstd]'") from None
    return zstd
