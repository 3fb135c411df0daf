"""Compare the outputs of commands for an SQLite file and a PostgreSQL database with the same conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def hide_names(stores: tuple[str, str], text: str) -> str:
    """Return an output of a command without the name of the archive that it is about."""
    file, url = stores
    return text.replace(file, "ARCHIVE").replace(get_label(url), "ARCHIVE")


def get_label(url: str) -> str:
    """Return the URL without its password, as messages have it."""
    user, _, rest = url.partition("://")[2].partition(":")
    return f"postgresql://{user}@{rest.partition('@')[2]}"


def read_folder(folder: Path) -> dict[str, list[bytes]]:
    """Return the lines of each file, sorted: the rows of a conversation have no order in some tables."""
    return {file.name: sorted(file.read_bytes().splitlines()) for file in folder.iterdir()}
