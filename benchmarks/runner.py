"""Run the benchmarks: the implementations take turns, each in a fresh process."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks import documents, report
from benchmarks.result import summarize
from benchmarks.suite import BENCHMARKS
from benchmarks.worker import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.benchmark import Benchmark

_DESCRIPTION = """\
Compare the speed and memory use of convai_async with the alternatives.

Results are saved in benchmarks/results and in the table of the documentation.
The saved results of other benchmarks are kept."""


def main() -> None:
    """Run the benchmarks that the command line names, and report the results."""
    arguments = _parse_arguments()
    report.print_caveats()
    with tempfile.TemporaryDirectory() as folder:
        rendered = Path(folder) / "documents"
        documents.render(rendered)
        results = report.read_results()
        for name in arguments.benchmarks or BENCHMARKS:
            benchmark = BENCHMARKS[name]
            runs = run_benchmark(name, benchmark, rendered, arguments.rounds or benchmark.rounds)
            results[name] = summarize(benchmark, runs)
            report.print_table(results[name])
            report.write_results(results)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=_DESCRIPTION,
        epilog="\n".join(["benchmarks:", *(f"  {name:15} {each.title}" for name, each in BENCHMARKS.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("benchmarks", nargs="*", metavar="BENCHMARK", help="the benchmarks to run; all by default")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each implementation runs")
    arguments = parser.parse_args()
    unknown = set(arguments.benchmarks) - BENCHMARKS.keys()
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))} (--help lists them)")
    return arguments


def run_benchmark(name: str, benchmark: Benchmark, rendered: Path, rounds: int) -> dict[str, list[Run]]:
    """Run every implementation of a benchmark, and return the runs by implementation."""
    runs: dict[str, list[Run]] = {implementation: [] for implementation in benchmark.implementations}
    for _ in range(rounds):
        for implementation in benchmark.implementations:
            with run_service(benchmark, rendered) as url:
                command = [sys.executable, "-m", "benchmarks.worker", name, implementation, url, str(rendered)]
                output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            runs[implementation].append(msgspec.json.decode(output, type=Run))
    return runs


@contextmanager
def run_service(benchmark: Benchmark, rendered: Path) -> Iterator[str]:
    """Run the server in another process, and yield its URL."""
    numbers = [str(benchmark.conversations), str(benchmark.response_delay_secs)]
    command = [sys.executable, "-m", "benchmarks.service", str(rendered), *numbers]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("the process has no standard output")
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


if __name__ == "__main__":
    main()
