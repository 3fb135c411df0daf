"""Benchmarks of decoding JSON into objects."""

from __future__ import annotations

import gc
import json
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import psutil

from benchmarks.benchmark import Benchmark, Context, Implementation
from benchmarks.clients import OURS
from benchmarks.documents import TURNS
from convai_async.models import Conversation, ConversationSummary, Model, get_decoder

if TYPE_CHECKING:
    from benchmarks.documents import Documents

Decode = Callable[[bytes], Any]
Choose = Callable[["Documents"], list[bytes]]

_KEPT = 1000
_KEPT_TURNS = 60


class _ConversationsPage(Model):
    conversations: tuple[ConversationSummary, ...]
    next_cursor: str | None = None
    has_more: bool | None = None


def _build_sdk_decoder(schema: str) -> Decode:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from elevenlabs import types  # noqa: PLC0415 - takes seconds; only this implementation needs it
        from elevenlabs.core.unchecked_base_model import construct_type  # noqa: PLC0415
    model = getattr(types, schema)
    return lambda document: construct_type(type_=model, object_=json.loads(document))


def _list_decoders(model: type[Model], schema: str) -> dict[str, Callable[[], Decode]]:
    return {
        OURS: lambda: get_decoder(model),
        "msgspec (untyped)": lambda: msgspec.json.Decoder().decode,
        "json.loads": lambda: json.loads,
        "elevenlabs (official SDK)": lambda: _build_sdk_decoder(schema),
    }


_CONVERSATION = _list_decoders(Conversation, "GetConversationResponseModel")
_PAGE = _list_decoders(_ConversationsPage, "GetConversationsPageResponseModel")


def _measure_time(build: Callable[[], Decode], choose: Choose) -> Callable[[Context], float]:
    def measure(context: Context) -> float:
        decode, documents = build(), choose(context.documents)
        for document in documents[:20]:
            decode(document)
        count = 0
        began = time.perf_counter()
        while time.perf_counter() - began < context.seconds:
            for document in documents:
                decode(document)
            count += len(documents)
        return (time.perf_counter() - began) / count * 1e6

    return measure


def _measure_memory(build: Callable[[], Decode]) -> Implementation:
    def measure(context: Context) -> float:
        decode, document = build(), context.documents.by_turns[_KEPT_TURNS]
        decode(document)
        gc.collect()
        process = psutil.Process()
        before = process.memory_info().rss
        kept = [decode(document) for _ in range(_KEPT)]
        gc.collect()
        return float(process.memory_info().rss - before) / len(kept) / 1024

    return measure


def _build_benchmark(title: str, decoders: dict[str, Callable[[], Decode]], choose: Choose) -> Benchmark:
    implementations = {name: _measure_time(build, choose) for name, build in decoders.items()}
    return Benchmark(title=title, unit="µs", implementations=implementations, seconds=1.0)


TYPICAL = _build_benchmark("Time to decode a conversation", _CONVERSATION, lambda documents: documents.typical)
QUIRKS = _build_benchmark(
    "Time to decode a conversation with quirks", _CONVERSATION, lambda documents: documents.with_quirks
)
PAGE = _build_benchmark("Time to decode a page of 100 summaries", _PAGE, lambda documents: [documents.page])
KEPT = Benchmark(
    title=f"Memory of a decoded conversation of {_KEPT_TURNS} turns",
    unit="KiB",
    implementations={name: _measure_memory(build) for name, build in _CONVERSATION.items()},
    rounds=2,
)


def _measure_time_per_turn(turns: int) -> Implementation:
    measure = _measure_time(_CONVERSATION[OURS], lambda documents: [documents.by_turns[turns]])
    return lambda context: measure(context) / turns


GROWTH = Benchmark(
    title="Time to decode a turn, by the number of turns of the conversation",
    unit="µs",
    implementations={f"{turns} turns": _measure_time_per_turn(turns) for turns in TURNS},
    seconds=1.0,
)
