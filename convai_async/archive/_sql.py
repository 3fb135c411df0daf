"""Transactions, single values, and rows as Structs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from typing import Protocol

    from convai_async.archive._connection import Connection

    class Closeable(Protocol):
        """Something that can be closed."""

        def close(self) -> None:
            """Close it."""


T = TypeVar("T", bound=msgspec.Struct)

BY_ID = "conversation_id IN (SELECT value FROM json_each(?))"
"""A condition; its parameter is a list of `encode_list`."""


def encode_list(values: Iterable[str]) -> str:
    """Return a list for ``json_each``."""
    return msgspec.json.encode(list(values)).decode()


@contextmanager
def close_on_error(resource: Closeable) -> Iterator[None]:
    """Close a resource that was opened if the block fails."""
    try:
        yield
    except BaseException:
        resource.close()
        raise


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write in one transaction, which begins when those of others have ended."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def fetch_value(connection: Connection, query: str, *parameters: Any) -> Any:
    """Return the first column of a query's first row."""
    return connection.execute(query, parameters).fetchone()[0]


def to_struct(kind: type[T], row: Iterable[object]) -> T:
    """Return a row as a Struct whose fields are its columns.

    Raises:
        msgspec.ValidationError: A value is not of its field's type.
    """
    return msgspec.convert(dict(zip(kind.__struct_fields__, row, strict=False)), kind, builtin_types=(bytes,))


def check_document(stored: Any) -> bytes:
    """Return a document from the column ``raw`` of SQLite.

    Raises:
        TypeError: It is not bytes: convai_async did not write it.
    """
    if not isinstance(stored, bytes):
        raise TypeError(f"a document is {type(stored).__name__}, not bytes")
    return stored
