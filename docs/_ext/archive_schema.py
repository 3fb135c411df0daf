"""The directive ``archive-schema``: a section for each table of the archive."""  # noqa: INP001 - Sphinx loads it

# mypy: ignore-errors
# Sphinx is installed only where the documentation is built.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archive_tables import markdown, tables
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx


class ArchiveSchema(SphinxDirective):
    """Writes the sections."""

    def run(self) -> list[nodes.Node]:
        """Parse the sections where the directive stands."""
        text = "\n".join(markdown(table) for table in tables())
        return self.parse_text_to_nodes(StringList(text.splitlines(), source="archive"), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("archive-schema", ArchiveSchema)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
