"""Recordings that play, made without an encoder: silence in MPEG-2 Layer III."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Header of a frame of 8 kbit/s at 16 kHz, mono, no checksum (ISO/IEC 13818-3). Empty side information and
# main data decode to silence; players ignore the number at the end, which makes every frame differ.
_HEADER = bytes((0xFF, 0xF3, 0x18, 0xC0))
_FRAME_SIZE = 36
_FRAME_SECONDS = 0.036
_NUMBER_SIZE = 4
_FRAMES_PER_BLOCK = 1820  # just under 64 KiB
_BLOCK_SIZE = _FRAMES_PER_BLOCK * _FRAME_SIZE


def _frame(number: int) -> bytes:
    padding = bytes(_FRAME_SIZE - len(_HEADER) - _NUMBER_SIZE)
    return _HEADER + padding + number.to_bytes(_NUMBER_SIZE, "big")


_REST_OF_BLOCK = b"".join(map(_frame, range(1, _FRAMES_PER_BLOCK)))


def size_of(seconds: float) -> int:
    """Return the bytes of so many seconds, in whole frames, one at least."""
    return max(1, round(seconds / _FRAME_SECONDS)) * _FRAME_SIZE


def blocks(size: int, start: int = 0) -> Iterator[bytes]:
    """Yield the bytes from ``start`` up to ``size`` of a recording, in blocks of at most 64 KiB.

    Memory does not grow with the size. No two blocks are equal, so bytes from a wrong offset are noticed.
    """
    number, skipped = divmod(start, _BLOCK_SIZE)
    while start < size:
        block = (_frame(number * _FRAMES_PER_BLOCK) + _REST_OF_BLOCK)[skipped : size - number * _BLOCK_SIZE]
        yield block
        start += len(block)
        number, skipped = number + 1, 0
