"""Recordings that play, made without an encoder: silence in MPEG-2 Layer III."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Header of a frame of 8 kbit/s at 16 kHz, mono, no checksum (ISO/IEC 13818-3). Empty side information and
# main data decode to silence.
_HEADER = bytes((0xFF, 0xF3, 0x18, 0xC0))
_FRAME_SIZE = 36
_FRAME_SECONDS = 0.036
_FRAME = _HEADER + bytes(_FRAME_SIZE - len(_HEADER))
_FRAMES_PER_BLOCK = 1820  # just under 64 KiB
_BLOCK = _FRAME * _FRAMES_PER_BLOCK


def size_of(seconds: float) -> int:
    """Return the bytes of so many seconds, in whole frames, one at least."""
    return max(1, round(seconds / _FRAME_SECONDS)) * _FRAME_SIZE


def blocks(size: int) -> Iterator[bytes]:
    """Yield so many bytes of silence, in blocks of at most 64 KiB; memory stays the same however many."""
    while size > 0:
        yield _BLOCK if size >= len(_BLOCK) else _BLOCK[:size]
        size -= len(_BLOCK)
