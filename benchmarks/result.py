"""What the answers to a question come to."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from statistics import median
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from benchmarks.contender import Answer
    from benchmarks.question import Question

_LIBRARIES = ("convai-async", "aiohttp", "msgspec", "elevenlabs", "httpx", "uvloop")


class Line(msgspec.Struct):
    """A contender's part of a result: medians over the rounds.

    Attributes:
        value: The answer, in the question's unit.
        lowest: The lowest of the rounds.
        highest: The highest of the rounds.
        peak_mib: The most memory that its process had.
        service_share: How much of a core the service used meanwhile.
    """

    value: float
    lowest: float
    highest: float
    peak_mib: float
    service_share: float


class Result(msgspec.Struct):
    """The answers to a question.

    Attributes:
        asks: The question.
        unit: What the answers are in.
        more_is_better: Whether a higher number is.
        rounds: How many times each contender was asked.
        machine: Where, with which libraries.
        lines: The answers, by contender; ours first.
    """

    asks: str
    unit: str
    more_is_better: bool
    rounds: int
    machine: str
    lines: dict[str, Line]


def result_of(question: Question, answers: dict[str, list[Answer]]) -> Result:
    """Return what the answers come to."""
    lines = {
        contender: Line(
            value=median(answer.value for answer in given),
            lowest=min(answer.value for answer in given),
            highest=max(answer.value for answer in given),
            peak_mib=median(answer.peak_mib for answer in given),
            service_share=median(answer.service_share for answer in given),
        )
        for contender, given in answers.items()
    }
    rounds = max(len(given) for given in answers.values())
    return Result(question.asks, question.unit, question.more_is_better, rounds, machine(), lines)


def machine() -> str:
    """Return what the figures were measured on, with which libraries."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores; {libraries}"


def short(value: float) -> str:
    """Return a number with three digits or so."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits
