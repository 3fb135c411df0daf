"""Our own contenders answer every question that is quick to ask; the whole suite takes half an hour."""

from __future__ import annotations

import math
import sys
from collections.abc import Awaitable
from pathlib import Path

import msgspec
import pytest

sys.path.append(str(Path(__file__).parent.parent))  # last: the package is the installed one

from benchmarks import documents, report, suite
from benchmarks.clients import OURS
from benchmarks.contender import Answer
from benchmarks.question import Setting
from benchmarks.questions import QUESTIONS
from benchmarks.result import result_of

SLOW = {"list", "harvest", "harvest-growth", "import", "memory"}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("benchmarks") / "documents"
    documents.render(path)
    return path


@pytest.mark.parametrize("name", sorted(QUESTIONS.keys() - SLOW))
async def test_a_question_has_an_answer(name: str, rendered: Path, tmp_path: Path) -> None:
    question = msgspec.structs.replace(QUESTIONS[name], seconds=0.05)
    contender = next(iter(question.contenders.values()))
    with suite.service(question, rendered) as url:
        value = contender(Setting(url, documents.read(rendered), tmp_path, question.seconds))
        if isinstance(value, Awaitable):
            value = await value
    assert value > 0 or name == "audio-memory"
    assert math.isfinite(value)
    assert list(tmp_path.iterdir()) == []


def test_results_are_medians_and_ours_come_first() -> None:
    answers = [Answer(value, peak_mib=1, service_share=0.5) for value in (3.0, 1.0, 10.0)]
    result = result_of(QUESTIONS["get"], {OURS: answers})
    line = result.lines[OURS]
    assert (line.value, line.lowest, line.highest, result.rounds) == (3.0, 1.0, 10.0, 3)
    for question in QUESTIONS.values():
        assert OURS not in question.contenders or next(iter(question.contenders)) == OURS


def test_the_figures_of_the_readme_are_those_that_were_measured() -> None:
    results = report.previous()
    assert results.keys() == QUESTIONS.keys()
    for name, result in results.items():
        assert (result.asks, list(result.lines)) == (QUESTIONS[name].asks, list(QUESTIONS[name].contenders))
    figures = report.PAGE.read_text().partition("<!-- figures -->\n")[2].partition("<!-- end of figures -->")[0]
    assert figures == report.markdown(results)


def test_the_service_lists_every_conversation_once_and_only_those_that_were_asked_for() -> None:
    numbers = range(250)
    assert [documents.number_at(documents.start_of(number)) for number in numbers] == list(numbers)
    assert documents.number_at(documents.start_of(7) - 1) == 8
    assert documents.number_at(documents.start_of(7) + 1) == 7
