"""Generates playable recordings without an encoder: silence in MPEG-2 Layer III."""

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


def _build_frame(number: int) -> bytes:
    padding = bytes(_FRAME_SIZE - len(_HEADER) - _NUMBER_SIZE)
    return _HEADER + padding + number.to_bytes(_NUMBER_SIZE, "big")


_REST_OF_BLOCK = b"".join(map(_build_frame, range(1, _FRAMES_PER_BLOCK)))


def compute_size(seconds: float) -> int:
    """Return the size in bytes of a recording of this duration, in whole frames, at least one."""
    return max(1, round(seconds / _FRAME_SECONDS)) * _FRAME_SIZE


def iter_blocks(size: int, start: int = 0) -> Iterator[bytes]:
    """Yield the bytes from ``start`` to ``size`` of a recording, in blocks of at most 64 KiB.

    Memory use does not depend on the size. All blocks differ, so that a test detects bytes from a wrong offset.
    """
    number, skipped = divmod(start, _BLOCK_SIZE)
    while start < size:
        block = (_build_frame(number * _FRAMES_PER_BLOCK) + _REST_OF_BLOCK)[skipped : size - number * _BLOCK_SIZE]
        yield block
        start += len(block)
        number, skipped = number + 1, 0
