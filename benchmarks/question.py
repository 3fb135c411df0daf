"""What a question is, and what its contenders are given."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.documents import Documents


class Setting(msgspec.Struct):
    """Where a contender runs.

    Attributes:
        url: The service.
        documents: What it sends.
        folder: An empty folder.
        seconds: How long to go on.
    """

    url: str
    documents: Documents
    folder: Path
    seconds: float


Contender = Callable[[Setting], float | Coroutine[Any, Any, float]]
"""Answers the question with a number."""


class Question(msgspec.Struct, kw_only=True):
    """A question about speed or memory.

    Attributes:
        asks: The question.
        unit: What the answers are in.
        contenders: Who answers it, the first being ours; an answer is a number.
        more_is_better: Whether a higher number is.
        rounds: How many times each is asked.
        seconds: How long a contender goes on each time.
        conversations: How many the service has.
        seconds_a_reply: How long a conversation or a page of the list takes, half of it more or less.
    """

    asks: str
    unit: str
    contenders: Mapping[str, Contender]
    more_is_better: bool = False
    rounds: int = 5
    seconds: float = 3.0
    conversations: int = 100_000
    seconds_a_reply: float = 0.0
