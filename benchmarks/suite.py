"""Ask the questions: contenders take turns, each in a fresh process.

    python -m benchmarks [--rounds N] [QUESTION ...]

Results go to ``benchmarks/results``: ``results.json``, and the picture for the README and the documentation.
"""

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
from benchmarks.contender import Answer
from benchmarks.questions import QUESTIONS
from benchmarks.result import result_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.question import Question


def main() -> None:
    """Ask, and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=f"all by default: {', '.join(QUESTIONS)}")
    parser.add_argument("--rounds", type=int, help="how many times each contender is asked")
    arguments = parser.parse_args()
    unknown = set(arguments.questions) - QUESTIONS.keys()
    if unknown:
        parser.error(f"there is no question {', '.join(sorted(unknown))}")
    report.print_caveats()
    with tempfile.TemporaryDirectory() as folder:
        rendered = Path(folder) / "documents"
        documents.render(rendered)
        results = report.previous()
        for name in arguments.questions or QUESTIONS:
            question = QUESTIONS[name]
            answers = ask(name, question, rendered, arguments.rounds or question.rounds)
            results[name] = result_of(question, answers)
            report.print_table(results[name])
            report.write(results)


def ask(name: str, question: Question, rendered: Path, rounds: int) -> dict[str, list[Answer]]:
    """Return every contender's answers."""
    answers: dict[str, list[Answer]] = {contender: [] for contender in question.contenders}
    for _ in range(rounds):
        for contender in question.contenders:
            with service(question, rendered) as url:
                command = [sys.executable, "-m", "benchmarks.contender", name, contender, url, str(rendered)]
                output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            answers[contender].append(msgspec.json.decode(output, type=Answer))
    return answers


@contextmanager
def service(question: Question, rendered: Path) -> Iterator[str]:
    """Run the service in a process of its own, and yield its address."""
    numbers = [str(question.conversations), str(question.seconds_a_reply)]
    command = [sys.executable, "-m", "benchmarks.service", str(rendered), *numbers]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("the service's output was asked for")
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


if __name__ == "__main__":
    main()
