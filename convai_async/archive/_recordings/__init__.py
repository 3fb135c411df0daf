"""The recordings of an archive: where they are, and how they are saved in a folder or an object store."""

from convai_async.archive._recordings._paths import (
    FOLDER,
    file_name,
    find,
    is_recording,
    make_folder,
    remove,
    remove_partial,
)

__all__ = ["FOLDER", "file_name", "find", "is_recording", "make_folder", "remove", "remove_partial"]
