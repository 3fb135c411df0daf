"""Write rows as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from convai_async.archive._files import Sink

_CONTROL_STARTS = ("\t", "\r", "\n")
_FORMULA_STARTS = frozenset("=+-@＝＋－＠")  # noqa: RUF001 - spreadsheets take the wide forms too


def write(rows: Iterable[dict[str, Any]], stream: Sink) -> int:
    """Write rows with a header, and return how many there were."""
    count = 0
    for row in rows:
        if count == 0:
            stream.write(_line(row))
        stream.write(_line(row.values()))
        count += 1
    return count


def _line(values: Iterable[Any]) -> bytes:
    # Not by Python's csv: before 3.12 it quotes nulls too, where all text is quoted, and so makes them text.
    return (",".join(map(_cell, values)) + "\r\n").encode()


def _cell(value: Any) -> str:
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
