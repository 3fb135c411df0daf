"""Each module lists its public names once, in ``__all__``; the packages re-export these lists."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import convai_async
from convai_async import endpoints, errors, models

PACKAGE = Path(convai_async.__file__).parent
ENDPOINT_MODULES = ("_agents", "_conversations", "_custom", "_messages", "_tags")
MODULES = [
    *(f"endpoints.{name}" for name in ENDPOINT_MODULES),
    *(f"models.{path.stem}" for path in sorted((PACKAGE / "models").glob("[a-z]*.py"))),
    "errors",
]


def public_definitions(module: str) -> set[str]:
    """Return the public classes, functions and type aliases that a module defines."""
    names = set()
    for node in ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text()).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                if not name.isupper() or name == "LLM":
                    names.add(name)
            case _:
                pass
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("module", MODULES)
def test_module_lists_every_public_definition(module: str) -> None:
    assert set(importlib.import_module(f"convai_async.{module}").__all__) == public_definitions(module)


@pytest.mark.parametrize("package", [endpoints, models])
def test_package_exports_the_names_of_its_modules(package: object) -> None:
    for module in MODULES:
        name = module.partition(".")[0]
        if package is getattr(convai_async, name):
            loaded = importlib.import_module(f"convai_async.{module}")
            for public in loaded.__all__:
                assert getattr(package, public) is getattr(loaded, public)


def test_every_error_is_exported_at_the_top() -> None:
    exceptions = {name for name in errors.__all__ if issubclass(getattr(errors, name), Exception)}
    assert exceptions <= set(convai_async.__all__)
