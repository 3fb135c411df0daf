"""The archive's tables and columns, for the page of the schema."""  # noqa: INP001 - Sphinx loads it from its folder

from __future__ import annotations

import html
import importlib.util
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Column(NamedTuple):
    """A column of a table."""

    name: str
    sql_type: str
    description: str


class Table(NamedTuple):
    """A table of the archive."""

    name: str
    description: str
    columns: list[Column]


def tables() -> Iterator[Table]:
    """Yield the archive's tables."""
    name = "convai_async.archive._columns"
    if importlib.util.find_spec(name) is None:
        yield from _parse_schema()
        return
    for table in importlib.import_module(name).TABLES:
        columns = [Column(each.name, each.sql_type, each.description) for each in table.columns]
        yield Table(table.name, table.description, columns)


def _parse_schema() -> Iterator[Table]:
    from convai_async.archive._schema import SCHEMA  # noqa: PLC0415

    for name, comment, body in re.findall(
        r"^CREATE TABLE (\w+) \( *(?:-- ([^\n]*))?\n(.*?)^\);", SCHEMA, re.MULTILINE | re.DOTALL
    ):
        columns = re.findall(r"^    ([a-z_0-9]+) +([A-Z]+)[^\n]*?(?:-- (.*))?$", body, re.MULTILINE)
        yield Table(name, comment, [Column(*column) for column in columns])


def markdown(table: Table) -> str:
    """Return a table's section."""
    rows = [f"| `{each.name}` | {each.sql_type} | {html.escape(each.description)} |" for each in table.columns]
    lines = [f"### {table.name}", "", html.escape(table.description), ""]
    return "\n".join([*lines, "| column | type | meaning |", "| --- | --- | --- |", *rows, ""])
