"""Making objects of JSON."""

from __future__ import annotations

import gc
import json
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import psutil

from benchmarks.clients import OURS
from benchmarks.documents import TURNS
from benchmarks.question import Contender, Question, Setting
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


def _decode_like_the_sdk(schema: str) -> Decode:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from elevenlabs import types  # noqa: PLC0415 - takes seconds; only this contender shall wait
        from elevenlabs.core.unchecked_base_model import construct_type  # noqa: PLC0415
    model = getattr(types, schema)
    return lambda document: construct_type(type_=model, object_=json.loads(document))


def _decoders(model: type[Model], schema: str) -> dict[str, Callable[[], Decode]]:
    return {
        OURS: lambda: get_decoder(model),
        "msgspec, untyped": lambda: msgspec.json.Decoder().decode,
        "json.loads": lambda: json.loads,
        "elevenlabs (official SDK)": lambda: _decode_like_the_sdk(schema),
    }


_CONVERSATION = _decoders(Conversation, "GetConversationResponseModel")
_PAGE = _decoders(_ConversationsPage, "GetConversationsPageResponseModel")


def _microseconds(make: Callable[[], Decode], choose: Choose) -> Callable[[Setting], float]:
    def measure(setting: Setting) -> float:
        decode, documents = make(), choose(setting.documents)
        for document in documents[:20]:
            decode(document)
        count = 0
        began = time.perf_counter()
        while time.perf_counter() - began < setting.seconds:
            for document in documents:
                decode(document)
            count += len(documents)
        return (time.perf_counter() - began) / count * 1e6

    return measure


def _kibibytes_kept(make: Callable[[], Decode]) -> Contender:
    def measure(setting: Setting) -> float:
        decode, document = make(), setting.documents.by_turns[_KEPT_TURNS]
        decode(document)
        gc.collect()
        process = psutil.Process()
        before = process.memory_info().rss
        kept = [decode(document) for _ in range(_KEPT)]
        gc.collect()
        return float(process.memory_info().rss - before) / len(kept) / 1024

    return measure


def _question(asks: str, decoders: dict[str, Callable[[], Decode]], choose: Choose) -> Question:
    contenders = {name: _microseconds(make, choose) for name, make in decoders.items()}
    return Question(asks=asks, unit="µs", contenders=contenders, seconds=1.0)


TYPICAL = _question("Decoding a conversation", _CONVERSATION, lambda documents: documents.typical)
ODD = _question("Decoding a conversation, quirks included", _CONVERSATION, lambda documents: documents.odd)
PAGE = _question("Decoding a page of 100 summaries", _PAGE, lambda documents: [documents.page])
KEPT = Question(
    asks=f"Memory of a conversation of {_KEPT_TURNS} turns that is kept, of {_KEPT:,}",
    unit="KiB",
    contenders={name: _kibibytes_kept(make) for name, make in _CONVERSATION.items()},
    rounds=2,
)


def _microseconds_a_turn(turns: int) -> Contender:
    measure = _microseconds(_CONVERSATION[OURS], lambda documents: [documents.by_turns[turns]])
    return lambda setting: measure(setting) / turns


GROWTH = Question(
    asks="Decoding a turn of a conversation, by its number of turns",
    unit="µs",
    contenders={f"{turns} turns": _microseconds_a_turn(turns) for turns in TURNS},
    seconds=1.0,
)
