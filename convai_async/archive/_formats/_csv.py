"""Write rows as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convai_async._support.timestamps import to_utc_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from convai_async.archive._formats._files import Sink
    from convai_async.archive._schema._table import Column

_CONTROL_STARTS = ("\t", "\r", "\n")
_FORMULA_STARTS = frozenset("=+-@＝＋－＠")  # noqa: RUF001 - spreadsheets take the wide forms too


def write(columns: Sequence[Column], rows: Iterable[dict[str, Any]], stream: Sink) -> int:
    """Write rows with a header, and return how many there were."""
    stream.write(_format_line(column.exported_name for column in columns))
    count = 0
    for row in rows:
        stream.write(_format_line(_read_value(column, row) for column in columns))
        count += 1
    return count


def _read_value(column: Column, row: dict[str, Any]) -> Any:
    value = row[column.name]
    if column.arrow != "timestamp" or not isinstance(value, int):
        return value
    moment = to_utc_datetime(value)
    return None if moment is None else moment.isoformat()


def _format_line(values: Iterable[Any]) -> bytes:
    # Not by Python's csv: before 3.12 it quotes nulls too, where all text is quoted, and so makes them text.
    return (",".join(map(_format_cell, values)) + "\r\n").encode()


def _format_cell(value: Any) -> str:
    """Return a cell: numbers without quotes, nothing for None, and anything else as text in quotes.

    Messages come from strangers: =cmd|... must stay text when the file is opened, and a semicolon must not begin
    another cell.
    """
    if value is None or isinstance(value, (int, float)):
        return "" if value is None else str(value)
    text = str(value).replace('"', '""')
    return f'"\'{text}"' if _is_formula(text) else f'"{text}"'


def _is_formula(text: str) -> bool:
    first = next((char for char in text if char.isprintable() and not char.isspace()), "")
    return text.startswith(_CONTROL_STARTS) or first in _FORMULA_STARTS
