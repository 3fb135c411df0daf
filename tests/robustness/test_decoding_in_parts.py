"""Large documents are decoded in parts, with the same result."""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING

from mutations import Mutator
from seeds import collect_seeds

from convai_async.errors import DecodeError
from convai_async.models import Conversation, _decoding

if TYPE_CHECKING:
    import pytest

INPUTS = int(os.environ.get("FUZZ_INPUTS", "20000")) // 10


def decoded_or_problem(body: bytes) -> Conversation | tuple[str, str]:
    try:
        return Conversation.from_json(body)
    except DecodeError as error:
        return error.problem, error.path


def test_decoding_in_parts_equals_decoding_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_decoding, "_ITEMS", 3)
    mutator = Mutator(asyncio.run(collect_seeds()).documents[Conversation], random.Random("parts"))
    in_parts = 0
    decode_in_parts = _decoding._decode_in_parts

    def counted(*arguments: object) -> object:
        nonlocal in_parts
        made = decode_in_parts(*arguments)  # type: ignore[arg-type]
        in_parts += made is not None
        return made

    monkeypatch.setattr(_decoding, "_decode_in_parts", counted)
    for _ in range(INPUTS):
        body = mutator.draw()
        monkeypatch.setattr(_decoding, "_LARGE", 1 << 40)
        whole = decoded_or_problem(body)
        # Between the size of the document without its transcript and that of the whole.
        monkeypatch.setattr(_decoding, "_LARGE", len(body) - 1)
        made = decoded_or_problem(body)
        # In parts, fields that no model has are skipped without a look at their UTF-8: more documents decode.
        assert made == whole or (isinstance(made, Conversation) and not isinstance(whole, Conversation)), body
    print(f"{INPUTS:,} documents, {in_parts:,} of them decoded in parts")
    assert in_parts > INPUTS / 4
