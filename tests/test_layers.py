from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from unmeasured import unmeasured

import convai_async

PACKAGE = Path(convai_async.__file__).parent

LAYERS: list[set[str]] = [
    {"errors", "models", "_support", "_version"},
    {"_configuration", "archive", "endpoints", "retry", "pagination", "webhooks"},
    {"_transport"},
    {"live", "streaming"},
    {"polling"},
    {"resources"},
    {"browse", "client", "dlt", "mcp", "report", "steps"},
    {"dialogues", "harvest"},
    {"workers"},
    {"cli"},
]
"""From the foundation up: a module imports only from its own layer and those below it."""

MODULES = sorted(path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.py"))


def imports_of(module: Path) -> set[str]:
    """Return the absolute names that a module imports, also for type checking and inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE.parent / module).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def layer_of(part: str) -> int | None:
    return next((number for number, parts in enumerate(LAYERS) if part in parts), None)


def own_parts(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("convai_async.")}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_module_imports_only_from_its_layer_and_below(module: Path) -> None:
    part = module.with_suffix("").parts[1]
    if part in {"__init__", "__main__", "testing"}:
        return
    layer = layer_of(part)
    assert layer is not None, f"{module} is in no layer: add its part to LAYERS"
    for imported in own_parts(imports_of(module)):
        if part == "cli" and imported == "testing":
            continue
        other = layer_of(imported)
        assert other is not None, f"{module} imports {imported}"
        assert other <= layer, f"{module} imports {imported} from a higher layer"


def test_archive_imports_only_errors_models_and_support() -> None:
    for module in MODULES:
        if module.parts[1] == "archive":
            assert own_parts(imports_of(module)) <= {"archive", "errors", "models", "_support"}, module


@pytest.mark.parametrize("package", ["browse", "dlt.py", "mcp", "report"])
def test_package_on_the_archive_imports_no_client(package: str) -> None:
    for module in MODULES:
        if module.parts[1] == package:
            assert own_parts(imports_of(module)) <= {package, "archive", "errors", "_support", "_version"}, module


def test_only_those_who_write_import_how_the_archive_writes() -> None:
    writing = tuple(
        f"convai_async.archive.{name}"
        for name in ("_writer", "_store", "_step_queue", "_changes", "_sqlite", "_postgres")
    )
    for module in MODULES:
        if module.parts[1] not in {"archive", "harvest", "steps", "workers"}:
            assert {name for name in imports_of(module) if name.startswith(writing)} == set(), module


def test_imports_have_no_cycle() -> None:
    names = {".".join(module.with_suffix("").parts).removesuffix(".__init__"): module for module in MODULES}
    graph = {
        name: {
            imported if imported in names else imported.rpartition(".")[0]
            for imported in imports_of(module)
            if imported.startswith("convai_async.")
        }
        for name, module in names.items()
    }
    graphlib.TopologicalSorter(graph).prepare()


def test_fake_service_imports_nothing_of_the_client() -> None:
    for module in MODULES:
        if module.parts[1] == "testing":
            assert own_parts(imports_of(module)) <= {"testing"}


def test_only_the_transport_and_browse_import_aiohttp() -> None:
    runtime = "import aiohttp"
    talkers = {
        module.as_posix()
        for module in MODULES
        if any(line.startswith(runtime) for line in (PACKAGE.parent / module).read_text().splitlines())
    }
    assert {talker for talker in talkers if not re.search("/(browse|testing)/", talker)} == {
        "convai_async/_transport/session.py",
        "convai_async/_transport/connection_errors.py",
        "convai_async/_transport/websocket.py",
    }


@pytest.mark.slow
def test_each_module_imports_alone_without_warnings() -> None:
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in MODULES]
    alone = [name for name in names if not name.endswith("__main__")]
    if find_spec("mcp.server") is None:  # as in `nox -s lowest`, since it needs a newer anyio than the package
        alone = [name for name in alone if not name.startswith("convai_async.mcp._")]
    # Python imports the package before any module in it, so each module is imported in a fork of a process that has
    # imported the package: the same as a new process, and much faster. Dependencies are loaded once, before.
    script = """
import gc, importlib, os, sys
import aiohttp.web, altair, click, dlt, jinja2, obstore, procrastinate, prometheus_client, psycopg_pool
import pyarrow.parquet, rich.progress, rich.table, sqlite3, vl_convert
from contextlib import suppress
with suppress(ImportError):
    import mcp.server
import convai_async
gc.disable()  # in each fork it would look at all dependencies
failed = []
for name in sys.argv[1:]:
    if name in sys.modules:
        continue
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException as error:
            print(f"{name}: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        failed.append(name)
sys.exit(" ".join(failed) or None)
"""
    command = [sys.executable, "-P", "-W", "error", "-c", script, *alone]
    result = subprocess.run(command, check=False, capture_output=True, text=True, env=unmeasured())
    assert (result.returncode, result.stderr) == (0, "")


def test_import_loads_no_extras_and_not_the_fake_service() -> None:
    script = (
        "import sys, aiohttp, msgspec, tenacity, anyio; before = set(sys.modules); import convai_async;"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    assert set(_printed(script)) <= {
        "convai_async",
        "hmac",
        "anyio",
        "sniffio",
    }  # sniffio comes with anyio where trio is installed
    script = "import sys, convai_async; print('convai_async.testing' in sys.modules, 'sqlite3' in sys.modules)"
    assert _printed(script) == ["False", "False"]


def _printed(script: str) -> list[str]:
    command = [sys.executable, "-P", "-c", script]
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=unmeasured())
    return result.stdout.split()
