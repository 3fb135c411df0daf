"""The recordings beside an archive: the names of their files, and which files it may remove."""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from convai_async._support.atomic_files import PART_SUFFIX, part_prefix

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

FOLDER = "audio"
"""The name of the folder beside the archive."""

_LONGEST_QUOTED = 251
_KEPT_OF_LONGER = 100

_PLAIN = re.compile(rf"{FOLDER}/(?!\.\.?\Z)[\w.~%+-]{{1,255}}", re.ASCII)
_PART = re.compile(rf"(?P<prefix>\..+\.)[^.]+{re.escape(PART_SUFFIX)}")
_OLD_SECS = 86_400


def file_name(conversation_id: str) -> str:
    """Return the file name for a conversation's recording: the quoted id, or for a long id its beginning and a hash."""
    name = quote(conversation_id, safe="")
    if len(name) > _LONGEST_QUOTED:
        # No quoted id has a plus sign in it.
        name = f"{name[:_KEPT_OF_LONGER]}+{hashlib.sha256(conversation_id.encode()).hexdigest()}"
    return f"{name}.mp3"


def is_recording(path: object) -> bool:
    """Return whether a path, relative to the archive's folder, is a file directly in the folder for recordings.

    The paths in an archive or an export can come from a stranger.
    """
    return isinstance(path, str) and _PLAIN.fullmatch(path) is not None


def find_file(archive: Path, path: object) -> Path | None:
    """Return the file of a recording, or None if there is none.

    Args:
        archive: The archive's file.
        path: The path in the archive's row. One that is not directly in the folder for recordings is ignored, and so is
            a symbolic link.
    """
    if not isinstance(path, str) or not is_recording(path):
        return None
    file = archive.parent / path
    return file if file.is_file() and not file.is_symlink() else None


def make_folder(archive: Path, ids: Collection[str]) -> None:
    """Make the folder for an archive's recordings, and remove the temporary files that a killed process left there.

    Temporary files of other conversations, which another harvest may be writing now, are removed after a day.

    Raises:
        OSError: The folder cannot be made.
    """
    folder = archive.parent / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    own = set(_parts_of(folder, ids))
    for part in folder.glob(f".*{PART_SUFFIX}"):
        if part in own or _is_old(part):
            _remove_file(part)


def remove(archive: Path, ids: Collection[str], paths: Iterable[str]) -> None:
    """Remove recordings, also the files that a killed process left without a row.

    Args:
        archive: The archive's file.
        ids: The conversations' ids.
        paths: The paths in the archive's rows. One that is not directly in the folder for recordings is ignored.

    Raises:
        OSError: A file cannot be removed.
    """
    folder = archive.parent / FOLDER
    for path in filter(is_recording, paths):
        _remove_file(archive.parent / path)
    for conversation_id in ids:
        _remove_file(folder / file_name(conversation_id))
    for part in list(_parts_of(folder, ids)):
        _remove_file(part)


def _parts_of(folder: Path, ids: Collection[str]) -> Iterator[Path]:
    prefixes = {part_prefix(file_name(conversation_id)) for conversation_id in ids}
    for path in folder.glob(f".*{PART_SUFFIX}") if prefixes else ():
        found = _PART.fullmatch(path.name)
        if found is not None and found["prefix"] in prefixes:
            yield path


def _is_old(path: Path) -> bool:
    try:
        return path.lstat().st_mtime < time.time() - _OLD_SECS
    except FileNotFoundError:  # its writer has finished
        return False


def _remove_file(path: Path) -> None:
    if path.is_file() or path.is_symlink():
        path.unlink(missing_ok=True)
