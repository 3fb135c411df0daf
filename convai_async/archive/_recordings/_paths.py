"""The recordings of an archive: their names, and the files or objects that the rows of ``audio`` refer to.

``audio.path`` is a path relative to the archive's folder (``audio/conv_1.mp3``), or a URL: ``file:///…`` for another
folder, or ``s3://``, ``gs://`` or ``az://`` for an object store. An archive or an export can come from a stranger, so
only paths with the name that `get_file_name` gives the conversation's recording are used.
"""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from convai_async._support.atomic_files import PART_SUFFIX, build_part_prefix
from convai_async.archive._recordings._object_storage import ObjectPrefix, StoredObject, delete_objects

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

FOLDER = "audio"
"""The name of the folder beside the archive."""

_LONGEST_QUOTED = 251
_KEPT_OF_LONGER = 100

_PLAIN = re.compile(rf"{FOLDER}/(?!\.\.?\Z)[\w.~%+-]{{1,255}}", re.ASCII)
_FILE_URL = "file://"
_PART = re.compile(rf"(?P<prefix>\..+\.)[^.]+{re.escape(PART_SUFFIX)}")
_OLD_SECS = 86_400


def get_file_name(conversation_id: str) -> str:
    """Return the file name for a conversation's recording: the quoted id, or for a long id its beginning and a hash."""
    name = quote(conversation_id, safe="")
    if len(name) > _LONGEST_QUOTED:
        # No quoted id has a plus sign in it.
        name = f"{name[:_KEPT_OF_LONGER]}+{hashlib.sha256(conversation_id.encode()).hexdigest()}"
    return f"{name}.mp3"


def is_recording(conversation_id: str, path: object) -> bool:
    """Return whether a path can be that of a conversation's recording.

    It is a file directly in the folder for recordings, or the URL of a file or object with the name from
    `get_file_name`.
    """
    return _locate(Path(), conversation_id, path) is not None


def find(archive: Path | None, conversation_id: str, path: object) -> Path | StoredObject | None:
    """Return the file or object of a recording; None if there is no such file, or the path is not a recording's.

    Whether an object exists is not checked.

    Args:
        archive: The archive's file; None for an archive without one.
        conversation_id: The conversation's id.
        path: The path in the archive's row. A symbolic link is ignored.
    """
    found = _locate(archive, conversation_id, path)
    if isinstance(found, Path):
        return found if found.is_file() and not found.is_symlink() else None
    return found


def make_folder(folder: Path) -> None:
    """Make a folder for recordings.

    Raises:
        OSError: It cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError as error:
        raise FileExistsError(error.errno, "is a file: choose a folder for recordings", str(folder)) from None
    except FileNotFoundError as error:
        raise FileNotFoundError(error.errno, "the folder above it does not exist: create it", str(folder)) from None


def remove_partial(folder: Path, ids: Collection[str]) -> None:
    """Remove the temporary files that a killed process left in a folder for recordings.

    Temporary files of other conversations, which another harvest may be writing now, are removed after a day.

    Raises:
        OSError: A file cannot be removed.
    """
    own = set(_find_parts(folder, ids))
    for part in folder.glob(f".*{PART_SUFFIX}"):
        if part in own or _is_old(part):
            _remove_file(part)


def remove(archive: Path | None, ids: Collection[str], rows: Collection[tuple[str, str]]) -> None:
    """Remove recordings, also the files beside an archive that a killed process left without a row.

    Args:
        archive: The archive's file; None for an archive without one.
        ids: The conversations' ids.
        rows: Ids and paths, as in the archive's rows. Paths that are not those of recordings are ignored.

    Raises:
        OSError: A file cannot be removed.
        StorageError: An object cannot be removed.
    """
    found = [_locate(archive, conversation_id, path) for conversation_id, path in rows]
    delete_objects(each for each in found if isinstance(each, StoredObject))
    for each in found:
        if isinstance(each, Path):
            _remove_file(each)
    if archive is not None:
        folder = archive.parent / FOLDER
        for conversation_id in ids:
            _remove_file(folder / get_file_name(conversation_id))
        for part in list(_find_parts(folder, ids)):
            _remove_file(part)


def _locate(archive: Path | None, conversation_id: str, path: object) -> Path | StoredObject | None:
    if not isinstance(path, str):
        return None
    if _PLAIN.fullmatch(path):
        return None if archive is None else archive.parent / path
    name = get_file_name(conversation_id)
    if path.startswith(_FILE_URL):
        file = _parse_file_url(path)
        return file if file is not None and file.name == name else None
    prefix, slash, last = path.rpartition("/")
    location = ObjectPrefix.parse(prefix) if slash and last == name else None
    return None if location is None else location.get(name)


def _parse_file_url(url: str) -> Path | None:
    path = Path(unquote(url.removeprefix(_FILE_URL)))
    return path if path.is_absolute() and ".." not in path.parts and path.as_uri() == url else None


def _find_parts(folder: Path, ids: Collection[str]) -> Iterator[Path]:
    prefixes = {build_part_prefix(get_file_name(conversation_id)) for conversation_id in ids}
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
