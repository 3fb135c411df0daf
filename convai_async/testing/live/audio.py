"""Audio of the fake agent: a square wave, and the silence that ends a user's turn."""

from __future__ import annotations

from typing import NamedTuple

_FREQUENCY = 200
_PCM_LEVEL = 1000
_ULAW_HIGH, _ULAW_LOW = b"\xce", b"\x4e"  # +988 and -988
_PCM_QUIET = 300
_ULAW_QUIET = 0x20  # of the inverted byte without its sign: an amplitude of 120
_STRIDE = 8  # look at every eighth sample: many conversations at once must not need much CPU
SILENCE_SECONDS = 0.6
"""The silence that ends a turn of the user."""


class AudioFormat(NamedTuple):
    """A format that conversations announce.

    Attributes:
        rate: Samples per second.
        width: Bytes per sample: 2 for 16-bit PCM, 1 for mu-law.
    """

    rate: int
    width: int

    def seconds(self, size: int) -> float:
        """Return the duration of this many bytes."""
        return size / (self.rate * self.width)


FORMATS = {f"pcm_{rate}": AudioFormat(rate, 2) for rate in (8000, 16_000, 22_050, 24_000, 44_100, 48_000)} | {
    "ulaw_8000": AudioFormat(8000, 1)
}
"""The formats of audio by name, the same for input and output."""


def build_tone(audio_format: AudioFormat, seconds: float) -> bytes:
    """Return a quiet square wave of 200 Hz."""
    half = audio_format.rate // (2 * _FREQUENCY)
    if audio_format.width == 1:
        high, low = _ULAW_HIGH, _ULAW_LOW
    else:
        high, low = (level.to_bytes(2, "little", signed=True) for level in (_PCM_LEVEL, -_PCM_LEVEL))
    samples = max(1, round(seconds * audio_format.rate))
    wave = (high * half + low * half) * (samples // (2 * half) + 1)
    return wave[: samples * audio_format.width]


def is_silent(audio_format: AudioFormat, chunk: bytes) -> bool:
    """Return whether a chunk of audio has no loud sample."""
    if audio_format.width == 1:
        return all(~sample & 0x7F < _ULAW_QUIET for sample in chunk[::_STRIDE])
    samples = memoryview(chunk[: len(chunk) & ~1]).cast("h")[::_STRIDE].tolist()
    return not samples or (max(samples) < _PCM_QUIET and min(samples) > -_PCM_QUIET)


class SpeechDetector:
    """Notices when a user has said something.

    Args:
        audio_format: The format of the audio.
    """

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._speech = bytearray()
        self._silence = 0

    def add(self, chunk: bytes) -> bytes | None:
        """Take a chunk of audio, and return the user's turn if silence has ended it."""
        silent = is_silent(self._format, chunk)
        if not self._speech and silent:
            return None
        self._speech += chunk
        self._silence = self._silence + len(chunk) if silent else 0
        if self._format.seconds(self._silence) < SILENCE_SECONDS:
            return None
        turn, self._speech = bytes(self._speech[: -self._silence]), bytearray()
        self._silence = 0
        return turn
