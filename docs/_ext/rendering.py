"""How docstrings and help texts look as pages."""  # noqa: INP001 - Sphinx loads it

# ruff: noqa: ARG001, PLR0913, PLR0917 - Sphinx gives hooks these arguments
# mypy: ignore-errors
# Sphinx's dependencies have no types.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.domains.python import PyObject
from sphinx.util.nodes import make_refnode

if TYPE_CHECKING:
    import click
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

_NOT_CONSTRUCTED = {
    "Agents",
    "Archive",
    "AudioStream",
    "Conversations",
    "LiveConversation",
    "Monitor",
    "Page",
    "Paginator",
    "Watch",
}


def resolve_short_name(
    app: Sphinx,
    environment: BuildEnvironment,
    node: pending_xref,
    content: nodes.TextElement,
) -> nodes.reference | None:
    """Return a link to the only documented object whose name ends with the target, or None."""
    if node.get("refdomain") != "py":
        return None
    # Annotations name the private module that a class is defined in; only its public name is documented.
    target = node["reftarget"]
    parts = target.split(".")
    if any(part.startswith("_") for part in parts[:-1]):
        target = parts[-1]
    objects = environment.domains.python_domain.objects
    found = {
        name: entry for name, entry in objects.items() if name.endswith(f".{target}")
    }
    if len(found) != 1:
        return None
    [(name, entry)] = found.items()
    return make_refnode(
        app.builder, node["refdoc"], entry.docname, entry.node_id, content, name
    )


def keep_colon(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Keep napoleon from reading the first sentence of a property as ``type: description``."""
    if what == "property" and lines:
        lines[0] = lines[0].replace(": ", " \u2013 ", 1)


def hide_constructor(
    app: Sphinx,
    what: str,
    name: str,
    obj: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str, str] | None:
    """Hide the constructor of classes that the package makes, and not its users."""
    if what != "class":
        return None
    own = name.rpartition(".")[2]
    return ("", "") if own in _NOT_CONSTRUCTED or own.endswith("Resource") else None


def show_examples_as_code(
    app: Sphinx, context: click.Context, lines: list[str]
) -> None:
    """Show the examples after a help text as code. Drop the other parts: the page has them above the commands."""
    text = [line.removeprefix("| ") for line in lines]
    start = next(
        (number for number, line in enumerate(text) if line.startswith("Example")),
        len(text),
    )
    end = next(
        (number for number in range(start, len(text)) if not text[number].strip()),
        len(text),
    )
    shown = [
        ".. code-block:: console",
        "",
        *(f"   $ {line.strip()}" for line in text[start + 1 : end]),
        "",
    ]
    lines[:] = shown if end > start + 1 else []


def keep_stars(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Show the stars in the help of options, such as those of cron expressions: in a page they would be emphasis."""
    lines[:] = [line.replace("*", "\\*") for line in lines]


def draw_dashes(app: Sphinx, doctree: nodes.document) -> None:
    """Draw the dashes that smart quotes would draw, but not those of options."""
    for text in list(doctree.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" \u2013 "))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hooks."""
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    app.connect("missing-reference", resolve_short_name)
    app.connect("autodoc-process-signature", hide_constructor)
    app.connect(
        "autodoc-process-docstring", keep_colon, priority=400
    )  # napoleon has 500
    app.connect("sphinx-click-process-epilog", show_examples_as_code)
    app.connect("sphinx-click-process-options", keep_stars)
    app.connect("doctree-read", draw_dashes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
