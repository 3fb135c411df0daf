"""Spoilt documents, drawn from good ones: the tokens of their JSON replaced, two of them spliced, bytes turned over."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null')
_MEMBER = re.compile(rb'"(?:[^"\\]|\\.)*":("(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null),')

HOSTILE = (
    b"null",
    b"[]",
    b"{}",
    b"[null]",
    b"[{}]",
    b'{"":null}',
    b"true",
    b"0",
    b"-0",
    b"-0.0",
    b"1.0",
    b"0.1",
    b"-1",
    b"1e2",
    b"1e999",
    b"-1e-999",
    b"1e400000000000",
    b"9" * 400,
    b"9" * 5_000,
    b"-" + b"9" * 400,
    b"1." + b"3" * 400,
    str(2**63).encode(),
    str(2**64).encode(),
    str(-(2**63) - 1).encode(),
    b"01",
    b"1.",
    b".5",
    b"+1",
    b"0x10",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"nul",
    b"True",
    b'""',
    b'"1"',
    b'"text"',
    b'"true"',
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\\ud83d\\ude00"',
    b'"\\u0000"',
    b'"\\u00"',
    b'"\\x41"',
    b'"\x00"',
    b'"\n"',
    b'"\xff"',
    b'"\xc0\x80"',
    b'"\xed\xa0\x80"',
    b'"\xf4\x90\x80\x80"',
    b'"\xe2\x98"',
    b'"\xef\xbb\xbf"',
    b'"' + b"a" * 3_000 + b'"',
    b"[" * 900 + b"]" * 900,
    b'{"a":' * 900 + b"1" + b"}" * 900,
    b"[" * 20_000 + b"]" * 20_000,
    b"[" * 20_000,
    b"/**/1",
    b"'text'",
)
"""What stands in the place of a token."""

_INSERTS = (b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\x00", b"\xff")


class Mutator:
    """Draws spoilt documents.

    Args:
        documents: The good ones.
        rng: The dice.
    """

    def __init__(self, documents: Sequence[bytes], rng: random.Random) -> None:
        self._rng = rng
        self._documents = [
            (document, [match.span() for match in _TOKEN.finditer(document)], list(_MEMBER.finditer(document)))
            for document in documents
        ]
        self._of_tokens: tuple[Callable[[], bytes], ...] = (
            self._as_it_is,
            self._hostile_token,
            self._hostile_token,
            self._token_of_another,
            self._spliced,
            self._twice_the_key,
        )
        self._of_bytes: tuple[Callable[[bytearray], None], ...] = (
            self._turn_a_bit,
            self._replace,
            self._insert,
            self._delete,
            self._double,
            self._truncate,
        )

    def draw(self) -> bytes:
        """Return a document that differs from a good one in one to three places, or seldom in none."""
        document = self._rng.choice(self._of_tokens)()
        changes = self._rng.choice((0, 0, 0, 1, 2))
        return document if changes == 0 else self.with_bytes_changed(document, changes)

    def with_bytes_changed(self, document: bytes, changes: int) -> bytes:
        """Return a document with so many changes that know nothing of JSON."""
        spoilt = bytearray(document)
        for _ in range(changes):
            self._rng.choice(self._of_bytes)(spoilt)
        return bytes(spoilt)

    def _as_it_is(self) -> bytes:
        return self._rng.choice(self._documents)[0]

    def _hostile_token(self) -> bytes:
        document, tokens, _ = self._rng.choice(self._documents)
        start, end = self._rng.choice(tokens)
        return document[:start] + self._rng.choice(HOSTILE) + document[end:]

    def _token_of_another(self) -> bytes:
        document, tokens, _ = self._rng.choice(self._documents)
        other, tokens_of_other, _ = self._rng.choice(self._documents)
        start, end = self._rng.choice(tokens)
        return document[:start] + other[slice(*self._rng.choice(tokens_of_other))] + document[end:]

    def _spliced(self) -> bytes:
        document, tokens, _ = self._rng.choice(self._documents)
        other, tokens_of_other, _ = self._rng.choice(self._documents)
        return document[: self._rng.choice(tokens)[0]] + other[self._rng.choice(tokens_of_other)[0] :]

    def _twice_the_key(self) -> bytes:
        document, _, members = self._rng.choice(self._documents)
        if not members:
            return document
        member = self._rng.choice(members)
        again = document[member.start() : member.start(1)] + self._rng.choice(HOSTILE) + b","
        return document[: member.start()] + again + document[member.start() :]

    def _place(self, spoilt: bytearray) -> int:
        return self._rng.randrange(len(spoilt) + 1)

    def _turn_a_bit(self, spoilt: bytearray) -> None:
        if spoilt:
            spoilt[self._rng.randrange(len(spoilt))] ^= 1 << self._rng.randrange(8)

    def _replace(self, spoilt: bytearray) -> None:
        if spoilt:
            spoilt[self._rng.randrange(len(spoilt))] = self._rng.randrange(256)

    def _insert(self, spoilt: bytearray) -> None:
        place = self._place(spoilt)
        spoilt[place:place] = self._rng.choice(
            (b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\x00", b"\xff")
        )

    def _delete(self, spoilt: bytearray) -> None:
        place = self._place(spoilt)
        del spoilt[place : place + self._rng.choice((1, 1, 10, 100))]

    def _double(self, spoilt: bytearray) -> None:
        place = self._place(spoilt)
        spoilt[place:place] = spoilt[place : place + self._rng.choice((1, 10, 100))]

    def _truncate(self, spoilt: bytearray) -> None:
        del spoilt[self._place(spoilt) :]
