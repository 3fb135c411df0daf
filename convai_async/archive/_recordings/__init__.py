"""The recordings of an archive: where they are, and how they are saved in a folder or an object store."""

from convai_async.archive._recordings._paths import (
    FOLDER,
    find,
    get_file_name,
    is_recording,
    make_folder,
    remove,
    remove_partial,
)

__all__ = ["FOLDER", "find", "get_file_name", "is_recording", "make_folder", "remove", "remove_partial"]
