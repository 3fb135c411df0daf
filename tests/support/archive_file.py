"""Query an archive's file directly, with SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def query(path: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql, values).fetchall()


def ids_in(path: Path) -> list[str]:
    return [conversation_id for (conversation_id,) in query(path, "SELECT conversation_id FROM conversations")]
