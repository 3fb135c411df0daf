"""Counts of function calls, requests and transactions, which are the same on every machine."""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import convai_async
from convai_async import ConvAIClient, endpoints
from convai_async.archive._writer import ArchiveWriter
from convai_async.harvest import harvest
from convai_async.harvest._listing import LISTERS
from convai_async.models import Conversation, get_decoder
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

PACKAGE = str(Path(convai_async.__file__).parent)


@contextmanager
def counted_calls() -> Iterator[list[str]]:
    """Collect the names of the package's functions that are called or resumed."""
    called: list[str] = []

    def note(frame: Any, event: str, _: Any) -> None:
        if (
            event == "call"
            and frame.f_code.co_filename.startswith(PACKAGE)
            and "testing" not in frame.f_code.co_filename
        ):
            called.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)


def conversation(times: int) -> bytes:
    """Return a conversation with tools whose transcript is repeated a number of times."""
    corpus = FakeConvAI(conversations=20, quirks=False).conversations
    every = (corpus.details(each) for each in corpus)
    details = next(each for each in every if any(turn["tool_results"] for turn in each["transcript"]))
    return msgspec.json.encode({**details, "transcript": details["transcript"] * times})


async def test_successful_request_calls_few_functions(fake: FakeConvAI, client: ConvAIClient) -> None:
    (conversation_id, *_) = fake.conversations
    await client.send_raw(endpoints.get_conversation(conversation_id))
    counts = []
    for _ in range(3):  # a response that arrives in parts takes more
        before = len(fake.requests)
        with counted_calls() as called:
            await client.send_raw(endpoints.get_conversation(conversation_id))
        assert len(fake.requests) == before + 1
        counts.append(len(called))
    assert min(counts) <= 58


def test_cost_of_decoding_is_linear_in_the_number_of_turns() -> None:
    decode = get_decoder(Conversation)
    steps = []
    for times in (1, 2, 4):
        document = conversation(times)
        decode(document)
        with counted_calls() as called:
            decode(document)
        steps.append(len(called))
    assert steps[2] - steps[1] == 2 * (steps[1] - steps[0])
    assert (steps[1] - steps[0]) / len(decode(conversation(1)).transcript) < 5


def test_conversation_takes_less_memory_than_its_json_in_dicts() -> None:
    document = conversation(2)

    def kept(decode: Callable[[bytes], Any]) -> int:
        decode(document)
        gc.collect()
        tracemalloc.start()
        conversations = [decode(document) for _ in range(20)]
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size // len(conversations)

    assert kept(get_decoder(Conversation)) < 0.6 * kept(json.loads)


async def test_harvest_requests_everything_once_and_writes_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactions = 0
    store = ArchiveWriter.store

    def counted(self: ArchiveWriter, *arguments: Any, **options: Any) -> set[str]:
        nonlocal transactions
        transactions += 1
        return store(self, *arguments, **options)

    monkeypatch.setattr(ArchiveWriter, "store", counted)
    async with (
        FakeConvAI(conversations=1000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        report = await harvest(client, tmp_path / "calls.db")
    assert report.fetched == 1000
    asked = Counter(request.operation for request in fake.requests)
    assert asked["get_conversation"] == 1000
    assert asked["list_conversations"] <= 1000 / 100 + 2 * LISTERS
    assert transactions <= 1000 / 25
