"""The pages of the documentation: their code blocks, and the modules that these make."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^```(\w*)$")
SHARED = "calls"
"""The module that the examples of the page on engines import; it is an example of the same page."""

_EXAMPLE = re.compile(r"^<!-- example: (\w+)(, top-level await)? -->$")


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        language: What stands after the fence.
        code: Its lines.
        line: The number of its first line in the page.
        example: The example that it belongs to.
        awaits: Whether the example awaits at the top level.
    """

    language: str
    code: str
    line: int
    example: str
    awaits: bool


class Example(NamedTuple):
    """A module: the Python blocks of a page, or those after a line such as ``<!-- example: fastapi -->``.

    Attributes:
        name: The page's name, followed by the example's if it has one.
        path: The page.
        source: The module's source. Its lines have the numbers that they have in the page.
    """

    name: str
    path: Path
    source: str

    def missing_package(self) -> str | None:
        """Return a package that the example imports and that is not installed, or None."""
        imports = [node for node in ast.walk(ast.parse(self.source)) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [
            name.partition(".")[0]
            for node in imports
            for name in (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            )
        ]
        return next((name for name in names if name != SHARED and importlib.util.find_spec(name) is None), None)

    def load(self) -> dict[str, Any]:
        """Run the module, and return its names."""
        module = types.ModuleType(f"example_{self.name}")
        sys.modules[module.__name__] = module  # FastAPI and others look for annotations there
        exec(compile(self.source, str(self.path), "exec"), module.__dict__)
        return module.__dict__

    def names_of_functions(self) -> list[str]:
        """Return the names of the functions that the module defines."""
        statements = ast.parse(self.source).body
        return [each.name for each in statements if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]


def pages() -> list[Path]:
    """Return the README and the pages of the documentation."""
    written = [path for path in sorted(DOCS.rglob("*.md")) if "_build" not in path.parts]
    return [ROOT / "README.md", *written]


def blocks(path: Path, *languages: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page in these languages."""
    example, awaits, language, first = "", False, None, 0
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        if language is None and (marked := _EXAMPLE.match(line)):
            example, awaits = marked[1], marked[2] is not None
        elif language is None and (fence := _FENCE.match(line)):
            language, first = fence[1], number + 1
        elif language is not None and line == "```":
            if language in languages:
                code = "".join(f"{each}\n" for each in lines[first - 1 : number - 1])
                yield Block(language, code, first, example, awaits)
            language = None


def examples() -> Iterator[Example]:
    """Yield every example of the documentation."""
    for path in pages():
        parts: dict[str, list[Block]] = {}
        for block in blocks(path, "python"):
            parts.setdefault(block.example, []).append(block)
        stem = "_".join(path.relative_to(DOCS if path.is_relative_to(DOCS) else ROOT).with_suffix("").parts)
        for name, its_blocks in parts.items():
            yield Example(f"{stem}_{name}".rstrip("_"), path, _source(its_blocks))


def _source(its_blocks: list[Block]) -> str:
    lines: list[str] = []
    for block in its_blocks:
        if block.awaits and not lines:  # as a notebook does it
            lines += [""] * (block.line - 2) + ["async def run_cells() -> None:"]
        lines += [""] * (block.line - 1 - len(lines))
        lines += [f"    {line}".rstrip() if block.awaits else line for line in block.code.splitlines()]
    return "\n".join([*lines, ""])


EXAMPLES = {example.name: example for example in examples()}


def parameters(function: Callable[..., Any]) -> list[str]:
    """Return the names of a function's parameters."""
    return list(inspect.signature(function).parameters)
