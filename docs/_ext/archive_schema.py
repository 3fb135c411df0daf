"""Directives: a section for each table of the archive, and one for each question about it."""  # noqa: INP001 - Sphinx loads it

# mypy: ignore-errors
# Sphinx's dependencies have no types.

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from convai_async.archive._queries._questions import QUESTIONS
from convai_async.archive._schema._tables import TABLES
from convai_async.archive._schema._views import VIEWS

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

    from convai_async.archive._schema._table import Table


class ArchiveSchema(SphinxDirective):
    """Writes the sections of the tables."""

    def run(self) -> list[nodes.Node]:
        """Parse the sections where the directive stands."""
        sections = [format_section(table) for table in TABLES]
        text = "\n".join([*sections, format_views()])
        return self.parse_text_to_nodes(
            StringList(text.splitlines(), source="archive"), allow_section_headings=True
        )


class ArchiveQuestions(SphinxDirective):
    """Writes the sections of the questions."""

    def run(self) -> list[nodes.Node]:
        """Parse the sections where the directive stands."""
        text = format_questions()
        return self.parse_text_to_nodes(
            StringList(text.splitlines(), source="archive"), allow_section_headings=True
        )


def format_section(table: Table) -> str:
    """Return a table's section in Markdown."""
    rows = [
        f"| `{column.name}` | {column.sql_type} | {html.escape(column.description, quote=False)} |"
        for column in table.columns
    ]
    lines = [f"### {table.name}", "", html.escape(table.description, quote=False), ""]
    return "\n".join(
        [*lines, "| column | type | meaning |", "| --- | --- | --- |", *rows, ""]
    )


def format_views() -> str:
    """Return the section of the views in Markdown."""
    rows = [
        f"| `{view.name}` | {html.escape(view.description, quote=False)} |"
        for view in VIEWS
    ]
    return "\n".join(["### Views", "", "| view | rows |", "| --- | --- |", *rows, ""])


def format_questions() -> str:
    """Return a section for each question in Markdown."""
    return "\n".join(
        f"## {question.title}\n\n```sql\n{question.sql};\n```\n"
        for question in QUESTIONS
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("archive-schema", ArchiveSchema)
    app.add_directive("archive-questions", ArchiveQuestions)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
