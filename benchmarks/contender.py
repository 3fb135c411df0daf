"""One contender's answer to one question, in a process of its own: JSON on standard output.

The command: ``python -m benchmarks.contender QUESTION CONTENDER URL DOCUMENTS``
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import urllib.request
from collections.abc import Coroutine
from pathlib import Path

import msgspec

from benchmarks import documents
from benchmarks.memory import peak_mib
from benchmarks.question import Setting
from benchmarks.questions import QUESTIONS


class Answer(msgspec.Struct):
    """What a contender says.

    Attributes:
        value: Its answer, in the question's unit.
        peak_mib: The most memory that its process had.
        service_share: How much of a core the service used meanwhile.
    """

    value: float
    peak_mib: float
    service_share: float


def main() -> None:
    """Answer."""
    name, contender, url, rendered = sys.argv[1:]
    question = QUESTIONS[name]
    with tempfile.TemporaryDirectory(prefix="convai-benchmark-") as folder:
        setting = Setting(url, documents.read(Path(rendered)), Path(folder), question.seconds)
        began, before = time.perf_counter(), _service_cpu_secs(url)
        value = question.contenders[contender](setting)
        if isinstance(value, Coroutine):
            value = asyncio.run(value)
        service_share = (_service_cpu_secs(url) - before) / (time.perf_counter() - began)
    answer = Answer(value, peak_mib(), service_share)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def _service_cpu_secs(url: str) -> float:
    with urllib.request.urlopen(f"{url}/cpu", timeout=10) as reply:  # noqa: S310 - our own service
        return float(reply.read())


if __name__ == "__main__":
    main()
