"""Our own implementations run every benchmark that runs quickly; the whole suite takes half an hour."""

from __future__ import annotations

import math
import sys
from collections.abc import Awaitable
from pathlib import Path

import msgspec
import pytest

sys.path.append(str(Path(__file__).parent.parent))  # last: the package is the installed one

from benchmarks import documents, report, runner
from benchmarks.benchmark import Context
from benchmarks.clients import OURS
from benchmarks.result import summarize
from benchmarks.suite import BENCHMARKS
from benchmarks.worker import Run

SLOW = {"list", "harvest", "harvest-growth", "import", "memory", "live-pong", "live-cpu", "live-memory"}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("benchmarks") / "documents"
    documents.render(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BENCHMARKS.keys() - SLOW))
async def test_benchmark_runs(name: str, rendered: Path, tmp_path: Path) -> None:
    benchmark = msgspec.structs.replace(BENCHMARKS[name], seconds=0.05)
    implementation = next(iter(benchmark.implementations.values()))
    with runner.run_service(benchmark, rendered) as url:
        value = implementation(Context(url, documents.read(rendered), tmp_path, benchmark.seconds))
        if isinstance(value, Awaitable):
            value = await value
    assert value > 0 or name == "audio-memory"
    assert math.isfinite(value)
    assert list(tmp_path.iterdir()) == []


def test_result_is_the_median_and_ours_comes_first() -> None:
    runs = [Run(value, peak_mib=1, service_share=0.5) for value in (3.0, 1.0, 10.0)]
    result = summarize(BENCHMARKS["get"], {OURS: runs})
    line = result.implementations[OURS]
    assert (line.value, line.lowest, line.highest, result.rounds) == (3.0, 1.0, 10.0, 3)
    for benchmark in BENCHMARKS.values():
        assert OURS not in benchmark.implementations or next(iter(benchmark.implementations)) == OURS


def test_documented_figures_are_the_measured_ones() -> None:
    results = report.read_results()
    assert results.keys() == BENCHMARKS.keys()
    for name, result in results.items():
        assert (result.title, list(result.implementations)) == (
            BENCHMARKS[name].title,
            list(BENCHMARKS[name].implementations),
        )
    figures = report.PAGE.read_text().partition("<!-- figures -->\n")[2].partition("<!-- end of figures -->")[0]
    assert figures == report.format_markdown(results)


def test_benchmark_service_lists_each_conversation_once_within_bounds() -> None:
    numbers = range(250)
    assert [documents.number_started_by(documents.start_time_of(number)) for number in numbers] == list(numbers)
    assert documents.number_started_by(documents.start_time_of(7) - 1) == 8
    assert documents.number_started_by(documents.start_time_of(7) + 1) == 7
