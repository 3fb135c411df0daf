"""Type checkers accept every example of the documentation; ``nox -s types`` runs these tests."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from documentation import EXAMPLES, ROOT, SHARED
from unmeasured import unmeasured

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.types

# Examples name results that they do not use, and a notebook shows the value of a line. pandas, polars, celery and
# others are typed in part only.
PYRIGHT = (
    "# pyright: strict, reportUnusedVariable=false, reportUnusedExpression=false, reportMissingTypeStubs=false,"
    " reportUnknownMemberType=false, reportUnknownVariableType=false, reportUntypedFunctionDecorator=false,"
    " reportMissingImports=false"
)


# celery has no types at all.
CELERY = '# mypy: disable-error-code="import-untyped,untyped-decorator"\n'
MYPY = {"workers_celery": CELERY, "engines_celery": CELERY}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The files of the examples whose packages are installed."""
    pytest.importorskip("mypy")
    pytest.importorskip("pyright")
    folder: Path = tmp_path_factory.mktemp("examples")
    folder.joinpath(f"{SHARED}.py").write_text(EXAMPLES[f"engines_{SHARED}"].source)
    paths: list[str] = []
    for name, example in EXAMPLES.items():
        if example.missing_package() is None:
            path = folder / f"page_{name}.py"  # a page may be called like a module
            path.write_text(f"{example.source}{PYRIGHT}\n{MYPY.get(name, '')}")  # the lines keep their numbers
            paths.append(str(path))
    return paths


def check(*command: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", *command], check=False, cwd=ROOT, capture_output=True, text=True, env=unmeasured()
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_mypy_accepts_every_example(sources: list[str]) -> None:
    check("mypy", "--config-file", "pyproject.toml", *sources)


def test_pyright_accepts_every_example(sources: list[str]) -> None:
    check("pyright", "--pythonpath", sys.executable, *sources)
