"""Mutates valid JSON documents: replaces tokens, splices two documents, changes bytes."""

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
"""Replacements of tokens."""

_INSERTS = (b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\x00", b"\xff")


class Mutator:
    """Draws mutated documents.

    Args:
        documents: The valid documents.
        rng: The random generator.
    """

    def __init__(self, documents: Sequence[bytes], rng: random.Random) -> None:
        self._rng = rng
        self._documents = [
            (document, [match.span() for match in _TOKEN.finditer(document)], list(_MEMBER.finditer(document)))
            for document in documents
        ]
        self._token_mutations: tuple[Callable[[], bytes], ...] = (
            self._keep,
            self._replace_token,
            self._replace_token,
            self._swap_token,
            self._splice,
            self._duplicate_key,
        )
        self._byte_mutations: tuple[Callable[[bytearray], None], ...] = (
            self._flip_bit,
            self._replace_byte,
            self._insert,
            self._delete,
            self._duplicate,
            self._truncate,
        )

    def draw(self) -> bytes:
        """Return a valid document with zero to three mutations."""
        document = self._rng.choice(self._token_mutations)()
        changes = self._rng.choice((0, 0, 0, 1, 2))
        return document if changes == 0 else self.mutate_bytes(document, changes)

    def mutate_bytes(self, document: bytes, changes: int) -> bytes:
        """Return a document with this number of random changes of bytes."""
        content = bytearray(document)
        for _ in range(changes):
            self._rng.choice(self._byte_mutations)(content)
        return bytes(content)

    def _keep(self) -> bytes:
        return self._rng.choice(self._documents)[0]

    def _replace_token(self) -> bytes:
        document, tokens, _ = self._rng.choice(self._documents)
        start, end = self._rng.choice(tokens)
        return document[:start] + self._rng.choice(HOSTILE) + document[end:]

    def _swap_token(self) -> bytes:
        document, tokens, _ = self._rng.choice(self._documents)
        other, other_tokens, _ = self._rng.choice(self._documents)
        start, end = self._rng.choice(tokens)
        return document[:start] + other[slice(*self._rng.choice(other_tokens))] + document[end:]

    def _splice(self) -> bytes:
        document, tokens, _ = self._rng.choice(self._documents)
        other, other_tokens, _ = self._rng.choice(self._documents)
        return document[: self._rng.choice(tokens)[0]] + other[self._rng.choice(other_tokens)[0] :]

    def _duplicate_key(self) -> bytes:
        document, _, members = self._rng.choice(self._documents)
        if not members:
            return document
        member = self._rng.choice(members)
        again = document[member.start() : member.start(1)] + self._rng.choice(HOSTILE) + b","
        return document[: member.start()] + again + document[member.start() :]

    def _choose_offset(self, content: bytearray) -> int:
        return self._rng.randrange(len(content) + 1)

    def _flip_bit(self, content: bytearray) -> None:
        if content:
            content[self._rng.randrange(len(content))] ^= 1 << self._rng.randrange(8)

    def _replace_byte(self, content: bytearray) -> None:
        if content:
            content[self._rng.randrange(len(content))] = self._rng.randrange(256)

    def _insert(self, content: bytearray) -> None:
        offset = self._choose_offset(content)
        content[offset:offset] = self._rng.choice(_INSERTS)

    def _delete(self, content: bytearray) -> None:
        offset = self._choose_offset(content)
        del content[offset : offset + self._rng.choice((1, 1, 10, 100))]

    def _duplicate(self, content: bytearray) -> None:
        offset = self._choose_offset(content)
        content[offset:offset] = content[offset : offset + self._rng.choice((1, 10, 100))]

    def _truncate(self, content: bytearray) -> None:
        del content[self._choose_offset(content) :]
