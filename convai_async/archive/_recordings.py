"""The recordings beside an archive: what their files are called, and which of them are its own to remove."""

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
"""Beside the archive."""

_LONGEST_QUOTED = 251
_KEPT_OF_LONGER = 100

_PLAIN = re.compile(rf"{FOLDER}/(?!\.\.?\Z)[\w.~%+-]{{1,255}}", re.ASCII)
_PART = re.compile(rf"(?P<prefix>\..+\.)[^.]+{re.escape(PART_SUFFIX)}")
_OLD_SECS = 86_400


def file_name(conversation_id: str) -> str:
    """Return the name of a recording's file: the id as in a URL, and a long one shortened, with its hash."""
    name = quote(conversation_id, safe="")
    if len(name) > _LONGEST_QUOTED:
        # No quoted id has a plus sign in it.
        name = f"{name[:_KEPT_OF_LONGER]}+{hashlib.sha256(conversation_id.encode()).hexdigest()}"
    return f"{name}.mp3"


def is_recording(path: object) -> bool:
    """Tell whether a path, from the archive's folder, is of a file directly in its folder for recordings.

    What an archive or an export says can come from a stranger.
    """
    return isinstance(path, str) and _PLAIN.fullmatch(path) is not None


def make_folder(archive: Path, ids: Collection[str]) -> None:
    """Make the folder for an archive's recordings, and tidy up what a process that was killed left there.

    That is what it left of these recordings; of others, which another archive's harvest may be saving now,
    only what nobody has written to for a day.

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
    """Remove recordings, also what a process that was killed left of them without a row.

    Args:
        archive: Beside which file.
        ids: Of which conversations.
        paths: Where the archive's rows say that they are. One that is not directly in the folder for recordings
            is left alone.

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
    except FileNotFoundError:  # whoever wrote it is done with it
        return False


def _remove_file(path: Path) -> None:
    if path.is_file() or path.is_symlink():
        path.unlink(missing_ok=True)
