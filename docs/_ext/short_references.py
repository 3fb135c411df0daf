"""Link names such as `Conversations.get` to the one documented object that ends with them."""  # noqa: INP001

# mypy: ignore-errors
# Sphinx is installed only where the documentation is built.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sphinx.util.nodes import make_refnode

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment


def resolve(
    app: Sphinx, environment: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Return a link to the only object whose name ends with the target, or None."""
    if node.get("refdomain") != "py":
        return None
    # Annotations name the private module that a class is defined in; only its public name is documented.
    target = node["reftarget"]
    parts = target.split(".")
    if any(part.startswith("_") for part in parts[:-1]):
        target = parts[-1]
    objects = environment.domains.python_domain.objects
    found = {name: entry for name, entry in objects.items() if name.endswith(f".{target}")}
    if len(found) != 1:
        return None
    [(name, entry)] = found.items()
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the resolver."""
    app.connect("missing-reference", resolve)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
