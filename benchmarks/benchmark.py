"""The definition of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.documents import Documents


class Context(msgspec.Struct):
    """The arguments of an implementation.

    Attributes:
        url: The base URL of the server.
        documents: The documents that the server sends.
        folder: An empty folder.
        seconds: How long to measure.
    """

    url: str
    documents: Documents
    folder: Path
    seconds: float


Implementation = Callable[[Context], float | Coroutine[Any, Any, float]]
"""Runs once and returns the measured value."""


class Benchmark(msgspec.Struct, kw_only=True):
    """A comparison of implementations by one measured value.

    Attributes:
        title: What is measured.
        unit: The unit of the measured value.
        implementations: The implementations by name; ours first.
        more_is_better: Whether a higher value is better.
        rounds: How often each implementation runs.
        seconds: How long each run measures.
        conversations: The number of conversations that the server has.
        response_delay_secs: The mean delay of a conversation or a page of the list; delays vary by half of it.
    """

    title: str
    unit: str
    implementations: Mapping[str, Implementation]
    more_is_better: bool = False
    rounds: int = 5
    seconds: float = 3.0
    conversations: int = 100_000
    response_delay_secs: float = 0.0
