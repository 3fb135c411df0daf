"""Find out which mistakes in a module the tests would notice.

``python tests/mutation/run.py limits retry`` makes mutants of two modules, runs the tests that cover the changed line
against each, and prints those that survive. ``--sample 40`` takes forty of each module, the same ones every time.

What is known to change nothing for users stands in ``equivalent.txt``, with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mutants import Mutant, make_mutants
from targets import TESTS_OF

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EQUIVALENT = HERE / "equivalent.txt"
LONGEST_TESTS_SECS = 90.0
"""The fastest tests that cover a line are run, as many as fit into this time."""
TIMEOUT_SECS = 240.0
"""A mutant whose tests take longer hangs, which counts as noticed."""


def measure_coverage(module: str, folder: Path) -> tuple[dict[int, list[str]], dict[str, float]]:
    """Return which tests run each line of a module, and how many seconds each test takes."""
    results = folder / "coverage.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "coverage_plugin", "-p", "no:cacheprovider"]
    environment = _environment(ROOT) | {"COVERED_MODULE": str(_path(ROOT, module)), "COVERED_RESULTS": str(results)}
    subprocess.run([*command, *TESTS_OF[module]], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    document = json.loads(results.read_text())
    return {int(line): tests for line, tests in document["lines"].items()}, document["seconds"]


def is_noticed(module: str, mutant: Mutant, tests: Iterable[str]) -> bool:
    """Run tests against a copy of the package that holds the mutant; tell whether one of them failed."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        shutil.copytree(ROOT / "convai_async", copy / "convai_async", ignore=shutil.ignore_patterns("__pycache__"))
        for entry in ("tests", "README.md", "pyproject.toml", "benchmarks"):
            (copy / entry).symlink_to(ROOT / entry)
        _path(copy, module).write_text(mutant.source)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        process = subprocess.Popen(
            command,
            cwd=copy,
            env=_environment(copy),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(TIMEOUT_SECS) != 0
        except subprocess.TimeoutExpired:
            return True
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def choose_tests(covering: Iterable[str], seconds: dict[str, float]) -> list[str]:
    """Return the fastest of these tests, as many as fit into the time."""
    chosen: list[str] = []
    total = 0.0
    for test in sorted(covering, key=lambda test: seconds.get(test, 0.0)):
        total += seconds.get(test, 0.0)
        if chosen and total > LONGEST_TESTS_SECS:
            break
        chosen.append(test)
    return chosen


def read_equivalent() -> set[tuple[str, str, str]]:
    """Return module, original and mutation of each mutant that is known to change nothing for users."""
    lines = [line for line in EQUIVALENT.read_text().splitlines() if line and not line.startswith("#")]
    return {(module, before, after) for module, before, after, _reason in (line.split(" | ") for line in lines)}


def run_module(module: str, sample: int | None, jobs: int) -> tuple[int, list[Mutant], int]:
    """Return how many mutants of a module were tried, which survived, and how many survivors are equivalent."""
    with tempfile.TemporaryDirectory() as folder:
        lines, seconds = measure_coverage(module, Path(folder))
    mutants = [mutant for mutant in make_mutants(_path(ROOT, module).read_text()) if mutant.line in lines]
    if sample is not None and sample < len(mutants):
        mutants = random.Random(module).sample(mutants, sample)
    tests = [choose_tests(lines[mutant.line], seconds) for mutant in mutants]
    with ThreadPoolExecutor(jobs) as pool:
        noticed = list(pool.map(partial(is_noticed, module), mutants, tests))
    survivors = [mutant for mutant, seen in zip(mutants, noticed, strict=True) if not seen]
    equivalent = read_equivalent()
    known = [mutant for mutant in survivors if (module, mutant.before, mutant.after) in equivalent]
    return len(mutants), [mutant for mutant in survivors if mutant not in known], len(known)


def main() -> int:
    """Run what the command line asks for; return 1 when a mutant survived that is not known to be equivalent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of: {', '.join(TESTS_OF)}; all by default")
    parser.add_argument("--sample", type=int, help="how many mutants of each module; all by default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many to try at the same time")
    arguments = parser.parse_args()
    unknown = set(arguments.modules) - set(TESTS_OF)
    if unknown:
        parser.error(f"not a module with a list of tests: {', '.join(sorted(unknown))}")
    failed = False
    for module in arguments.modules or TESTS_OF:
        tried, survivors, equivalent = run_module(module, arguments.sample, arguments.jobs)
        noticed = tried - len(survivors) - equivalent
        print(f"{module}: {noticed} of {tried} mutants noticed, {equivalent} equivalent", flush=True)
        for mutant in survivors:
            print(f"  survived: {mutant}", flush=True)
        failed = failed or bool(survivors)
    return int(failed)


def _path(root: Path, module: str) -> Path:
    return root / "convai_async" / f"{module}.py"


def _environment(root: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(HERE)]), "PYTHONDONTWRITEBYTECODE": "1"}


if __name__ == "__main__":
    sys.exit(main())
