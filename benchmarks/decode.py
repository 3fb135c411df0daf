"""What decoding one conversation costs: our models, untyped msgspec, and the standard library's json.

    python benchmarks/decode.py

The documents are the fake service's; the contenders alternate; medians are in microseconds a document.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import TYPE_CHECKING

import msgspec

from convai_async.models import Conversation, decoder
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENTS = 200
ROUNDS = 25

CONTENDERS: dict[str, Callable[[bytes], object]] = {
    "convai_async": decoder(Conversation),
    "untyped msgspec": msgspec.json.Decoder().decode,
    "json.loads": json.loads,
}


def main() -> None:
    """Measure and print."""
    corpus = FakeConvAI(conversations=DOCUMENTS).conversations
    documents = [corpus.document(conversation_id) for conversation_id in corpus]
    measured: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(ROUNDS):
        for name, decode in CONTENDERS.items():
            started = time.perf_counter()
            for document in documents:
                decode(document)
            measured[name].append((time.perf_counter() - started) / len(documents) * 1e6)
    medians = {name: statistics.median(values) for name, values in measured.items()}
    print(f"{len(documents)} documents of {statistics.mean(map(len, documents)) / 1000:.0f} KB on average")
    for name, median in medians.items():
        print(f"{name:16} {median:8.1f} µs   {median / medians['json.loads']:.2f} of json.loads")


if __name__ == "__main__":
    main()
