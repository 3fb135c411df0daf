"""Find out which mistakes in a module the tests would notice.

``python tests/mutation/run.py retry _transport/limiter`` makes mutants of two modules, runs the tests that cover the
changed line against each until one fails or hangs, and prints the mutants that survive. ``--sample 40`` takes forty of
each module, the same ones every time. A test that hangs is named: it should fail instead. Each
mutant is printed to stderr when it was tried.

``equivalent.txt`` lists the mutants that change nothing for users, with the reasons.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.append(str(ROOT / "tests/support"))

from module_tests import TESTS  # noqa: E402 - a helper of the tests
from mutants import Mutant, make_mutants  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

EQUIVALENT = HERE / "equivalent.txt"
OPTIONS = ["-q", "--assert=plain", "-p", "no:cacheprovider"]
KINDS = ("same result", "unreachable", "wording", "speed")


@dataclass
class Coverage:
    """What the tests of a part of the package cover.

    Attributes:
        lines: The tests that run each line, by file.
        seconds: The CPU time of each test.
        limit: The CPU time of the tests for a mutant.
    """

    lines: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]
    limit: float

    def tests_of(self, module: str, line: int) -> list[str]:
        """Return the tests that run a line, then those that run its coroutine, the fastest first, up to the limit.

        When an exception is thrown into the coroutine that another one awaits, Python 3.11 does not trace the rest of
        the other one.
        """
        chosen: list[str] = []
        total = 0.0
        path = _path(ROOT, module)
        tests = self.lines.get(str(path), {})
        covering = set(tests.get(line, []))
        same_coroutine = {test for other in _lines_of_coroutine(path, line) for test in tests.get(other, [])}
        for test in sorted(covering | same_coroutine, key=lambda test: (test not in covering, self.seconds[test])):
            total += self.seconds[test]
            if chosen and total > self.limit:
                break
            chosen.append(test)
        return chosen


@dataclass
class Checkouts:
    """Copies of the package to put mutants into, one for each mutant that is tried at the same time."""

    folder: Path
    jobs: int
    free: SimpleQueue[Path] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        """Make the copies."""
        for number in range(self.jobs):
            copy = self.folder / str(number)
            shutil.copytree(ROOT / "convai_async", copy / "convai_async", ignore=shutil.ignore_patterns("__pycache__"))
            for entry in ("tests", "docs", "benchmarks", "README.md", "CONTRIBUTING.md", "pyproject.toml"):
                (copy / entry).symlink_to(ROOT / entry)
            self.free.put(copy)

    def find_failing_test(self, module: str, mutant: Mutant, tests: Iterable[str]) -> tuple[str, bool] | None:
        """Run tests against a mutant until one fails; return it and whether it hangs, or None if all pass."""
        copy = self.free.get()
        try:
            _write(copy, module, mutant.source)
            return _run_until_failure(copy, list(tests))
        finally:
            _write(copy, module, _path(ROOT, module).read_text())
            self.free.put(copy)


def _write(copy: Path, module: str, source: str) -> None:
    path = _path(copy, module)
    path.write_text(source)
    # The bytecode of another mutant could have the same size and the same second.
    for bytecode in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        bytecode.unlink()


def _run_until_failure(copy: Path, tests: list[str]) -> tuple[str, bool] | None:
    command = [sys.executable, "-m", "pytest", *OPTIONS, "-p", "hang_plugin", "-x", "--tb=no", "-rfE", *tests]
    hung = copy / "hung"
    hung.unlink(missing_ok=True)
    process = subprocess.Popen(
        command,
        cwd=copy,
        env=_environment(copy) | {"HUNG_TEST": str(hung)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    output, _ = process.communicate()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what a test that hung had started
    if hung.exists():
        return hung.read_text(), True
    if process.returncode == 0:
        return None
    named = [line.partition(" ")[2] for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return next((test for test in tests if any(line.startswith(test) for line in named)), ""), False


def measure_coverage(part: str, modules: Iterable[str], limit: float) -> Coverage:
    """Run the quick tests of a part of the package, and return what they cover of some of its modules."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "coverage.json")
        command = [sys.executable, "-m", "pytest", *OPTIONS, "-p", "coverage_plugin"]
        files = json.dumps([str(_path(ROOT, module)) for module in modules])
        environment = _environment(ROOT) | {"COVERED_FILES": files, "COVERED_RESULTS": str(results)}
        command += TESTS[part].quick.split()
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        document = json.loads(results.read_text())
    lines = {file: {int(line): tests for line, tests in each.items()} for file, each in document["lines"].items()}
    return Coverage(lines, document["seconds"], limit)


def _lines_of_coroutine(path: Path, line: int) -> range:
    """Return the lines of the body of the innermost coroutine function around a line; none if there is none."""
    bodies = [
        range(node.body[0].lineno, (node.end_lineno or 0) + 1)
        for node in ast.walk(_parse(path))
        if isinstance(node, ast.AsyncFunctionDef)
    ]
    return min((body for body in bodies if line in body), key=len, default=range(0))


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


Key = tuple[str, str, str, str]
"""Module, function, original and mutation."""


def read_equivalent(text: str) -> set[Key]:
    """Return the mutants that change nothing for users.

    Raises:
        ValueError: A line has another form, or its reason is of no known kind.
    """
    keys = set()
    for line in text.splitlines():
        if line and not line.startswith("#"):
            *key, reason = line.split(" | ")
            if len(key) != 4 or not reason.startswith(tuple(f"{kind}: " for kind in KINDS)):
                raise ValueError(f"{EQUIVALENT.name}: not a mutant and the kind of its reason: {line}")
            keys.add((key[0], key[1], key[2], key[3]))
    return keys


@dataclass
class Result:
    """The result for a module.

    Attributes:
        tried: How many mutants were tried.
        noticed: Those that a test noticed.
        equivalent: Those that survived and change nothing for users.
        survivors: The others that survived.
        hung: Tests that hung, with the mutant that each hung with.
    """

    tried: int
    noticed: set[Key] = field(default_factory=set)
    equivalent: set[Key] = field(default_factory=set)
    survivors: list[Mutant] = field(default_factory=list)
    hung: list[tuple[str, Mutant]] = field(default_factory=list)


def run_module(
    module: str, coverage: Coverage, checkouts: Checkouts, equivalent: Collection[Key], sample: int | None
) -> Result:
    """Try the mutants of a module."""
    mutants = [
        mutant for mutant in make_mutants(_path(ROOT, module).read_text()) if coverage.tests_of(module, mutant.line)
    ]
    if sample is not None and sample < len(mutants):
        mutants = random.Random(module).sample(mutants, sample)
    noticed_by: list[tuple[str, str]] = []  # the functions of mutants, with the tests that noticed them
    result = Result(len(mutants))

    def run(mutant: Mutant) -> None:
        tests = sort_by_chance(coverage.tests_of(module, mutant.line), mutant.function, noticed_by)
        failing = checkouts.find_failing_test(module, mutant, tests)
        key = (module, mutant.function, mutant.before, mutant.after)
        outcome = "survived" if failing is None else f"noticed by {failing[0]}"
        print(f"{module}, line {mutant}: {outcome}", file=sys.stderr, flush=True)
        if failing is not None:
            result.noticed.add(key)
            test, hangs = failing
            if hangs:
                result.hung.append((test, mutant))
            else:
                noticed_by.append((mutant.function, test))
        elif key in equivalent:
            result.equivalent.add(key)
        else:
            result.survivors.append(mutant)

    with ThreadPoolExecutor(checkouts.jobs) as pool:
        list(pool.map(run, mutants))
    return result


def sort_by_chance(tests: list[str], function: str, noticed_by: list[tuple[str, str]]) -> list[str]:
    """Return tests in the order of their chances to notice a mutant of a function."""
    same_function = Counter(test for other, test in noticed_by if other == function)
    same_module = Counter(test for _, test in noticed_by)
    return sorted(tests, key=lambda test: (-same_function[test], -same_module[test]))


def find_modules() -> dict[str, str]:
    """Return every module that the tests of a part can notice mistakes in, with that part."""
    package = ROOT / "convai_async"
    paths = sorted(path.relative_to(package).with_suffix("") for path in package.rglob("*.py"))
    return {path.as_posix(): path.parts[0] for path in paths if path.parts[0] in TESTS and path.name != "__init__"}


def main() -> int:
    """Run the mutants that the command line asks for; return 1 if one survived, or if `EQUIVALENT` needs a change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="such as retry or archive/_writer; all by default")
    parser.add_argument("--sample", type=int, help="how many mutants of each module; all by default")
    parser.add_argument(
        "--seconds", type=float, default=90, help="CPU time of the tests for a mutant, the fastest first"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many to try at the same time")
    arguments = parser.parse_args()
    part_of = find_modules()
    modules = arguments.modules or list(part_of)
    if unknown := set(modules) - part_of.keys():
        parser.error(f"not a module of convai_async that has tests: {', '.join(sorted(unknown))}")
    equivalent = read_equivalent(EQUIVALENT.read_text())
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        checkouts = Checkouts(Path(folder), arguments.jobs)
        for part in dict.fromkeys(part_of[module] for module in modules):
            chosen = [module for module in modules if part_of[module] == part]
            coverage = measure_coverage(part, chosen, arguments.seconds)
            for module in chosen:
                result = run_module(module, coverage, checkouts, equivalent, arguments.sample)
                known = {key for key in equivalent if key[0] == module}
                stale = known & result.noticed if arguments.sample else known - result.equivalent
                print_result(module, result, stale)
                failed = failed or bool(result.survivors or stale)
    return int(failed)


def print_result(module: str, result: Result, stale: Collection[Key]) -> None:
    """Print the result for a module."""
    noticed = result.tried - len(result.survivors) - len(result.equivalent)
    print(f"{module}: {noticed} of {result.tried} mutants noticed, {len(result.equivalent)} equivalent", flush=True)
    for mutant in sorted(result.survivors, key=lambda mutant: mutant.line):
        print(f"  survived, line {mutant.line}: {module} | {mutant.function} | {mutant.before} | {mutant.after}")
    for test, mutant in result.hung:
        print(f"  {test} hangs with line {mutant}")
    for key in sorted(stale):
        print(f"  not in {EQUIVALENT.name} any more: {' | '.join(key)}")


def _path(root: Path, module: str) -> Path:
    return root / "convai_async" / f"{module}.py"


def _environment(root: Path) -> dict[str, str]:
    # The bytecode of what is not mutated saves a second for each mutant.
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(HERE)]), "PYTHONDONTWRITEBYTECODE": ""}


if __name__ == "__main__":
    sys.exit(main())
