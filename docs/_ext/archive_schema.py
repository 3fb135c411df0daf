"""The directive ``archive-schema``: a section with a table of columns for each table of the archive."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx


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
    try:
        from convai_async.archive._columns import TABLES  # noqa: PLC0415
    except ImportError:
        yield from _parse_schema()
        return
    for table in TABLES:
        columns = [Column(each.name, each.sql_type, each.description) for each in table.columns]
        yield Table(table.name, table.description, columns)


def _parse_schema() -> Iterator[Table]:
    from convai_async.archive._schema import SCHEMA  # noqa: PLC0415

    for name, comment, body in re.findall(
        r"^CREATE TABLE (\w+) \( *(?:-- (.*))?\n(.*?)^\);", SCHEMA, re.MULTILINE | re.DOTALL
    ):
        columns = re.findall(r"^    ([a-z_0-9]+) +([A-Z]+)[^\n]*?(?:-- (.*))?$", body, re.MULTILINE)
        yield Table(name, comment, [Column(*column) for column in columns])


def markdown(table: Table) -> str:
    """Return a table's section."""
    rows = [f"| `{column.name}` | {column.sql_type} | {column.description} |" for column in table.columns]
    lines = [f"### {table.name}", "", table.description, ""]
    return "\n".join([*lines, "| column | type | meaning |", "| --- | --- | --- |", *rows, ""])


class ArchiveSchema(SphinxDirective):
    """Writes the sections."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Parse each section where the directive stands."""
        text = "\n".join(markdown(table) for table in tables())
        lines = StringList(text.splitlines(), source="convai_async/archive")
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("archive-schema", ArchiveSchema)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
