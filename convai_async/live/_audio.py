"""Audio of live conversations: formats, conversion between 16-bit PCM and mu-law, WAV files."""

from __future__ import annotations

import os
import re
import struct
from functools import cache
from typing import IO, NamedTuple

from convai_async.errors import InvalidArgumentError

__all__ = ["AudioFormat", "pcm_to_ulaw", "read_wav", "ulaw_to_pcm", "write_wav"]

_PCM_WIDTH = 2
_RATE = re.compile(r"[1-9][0-9]{3,5}")
_ULAW_BIAS = 0x84
_ULAW_CLIP = 32635
_ULAW_SILENCE = b"\xff"


class AudioFormat(NamedTuple):
    """A format of audio, mono.

    Attributes:
        name: The service's name, such as ``"pcm_16000"`` or ``"ulaw_8000"``.
        rate: Samples per second.
        width: Bytes per sample: 2 for signed 16-bit little-endian PCM, 1 for mu-law.
    """

    name: str
    rate: int
    width: int

    @classmethod
    def parse(cls, name: str) -> AudioFormat:
        """Return a format by the service's name.

        Raises:
            InvalidArgumentError: The name is not ``pcm_`` or ``ulaw_`` and a number.
        """
        codec, _, rate = name.partition("_") if isinstance(name, str) else ("", "", "")
        if codec not in {"pcm", "ulaw"} or not _RATE.fullmatch(rate):
            raise InvalidArgumentError("format", f"must be like 'pcm_16000' or 'ulaw_8000', got {name!r}")
        return cls(name, int(rate), _PCM_WIDTH if codec == "pcm" else 1)

    @property
    def bytes_per_second(self) -> int:
        """The size of a second of audio."""
        return self.rate * self.width

    def build_silence(self, seconds: float) -> bytes:
        """Return silence."""
        samples = round(self.rate * seconds)
        return bytes(samples * self.width) if self.width == _PCM_WIDTH else _ULAW_SILENCE * samples


def ulaw_to_pcm(audio: bytes) -> bytes:
    """Convert mu-law (G.711) to 16-bit PCM of the same rate."""
    to_pcm = _build_ulaw_to_pcm()
    return struct.pack(f"<{len(audio)}h", *[to_pcm[byte] for byte in audio])


def pcm_to_ulaw(audio: bytes) -> bytes:
    """Convert 16-bit PCM to mu-law (G.711) of the same rate.

    Raises:
        InvalidArgumentError: The number of bytes is odd.
    """
    if len(audio) % _PCM_WIDTH:
        raise InvalidArgumentError("audio", f"16-bit samples have an even number of bytes, got {len(audio)}")
    samples = struct.unpack(f"<{len(audio) // _PCM_WIDTH}h", audio)
    to_ulaw = _build_pcm_to_ulaw()
    return bytes([to_ulaw[sample >> 2] for sample in samples])


@cache
def _build_ulaw_to_pcm() -> tuple[int, ...]:
    return tuple(_decode_ulaw(byte) for byte in range(256))


@cache
def _build_pcm_to_ulaw() -> bytes:
    """Return the mu-law bytes of all samples without their last two bits, which have no effect in G.711.

    Negative indices count from the end, as those of any sequence.
    """
    return bytes(_encode_ulaw(sample) for sample in (*range(0, 32768, 4), *range(-32768, 0, 4)))


def _decode_ulaw(byte: int) -> int:
    inverted = ~byte & 0xFF
    magnitude = (((inverted & 0x0F) << 3) + _ULAW_BIAS << (inverted >> 4 & 0x07)) - _ULAW_BIAS
    return -magnitude if inverted & 0x80 else magnitude


def _encode_ulaw(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _ULAW_CLIP) + _ULAW_BIAS
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> exponent + 3 & 0x0F) & 0xFF


def read_wav(file: str | os.PathLike[str] | IO[bytes], format: str) -> bytes:  # noqa: A002 - the word of the service
    """Return the samples of a WAV file in a conversation's format.

    Args:
        file: The file: mono, 16-bit, with the rate of the format.
        format: The format, such as ``live.input_format``.

    Raises:
        InvalidArgumentError: The file is not a WAV file, or has another rate, width or number of channels.
    """
    import wave  # noqa: PLC0415 - most programs need no files

    wanted = AudioFormat.parse(format)
    try:
        with wave.open(_path_to_text(file), "rb") as reader:
            found = (reader.getframerate(), reader.getsampwidth() * 8, reader.getnchannels())
            samples = reader.readframes(reader.getnframes())
    except (wave.Error, EOFError) as error:
        raise InvalidArgumentError("file", f"is not a WAV file of 16-bit PCM: {error}") from None
    if found != (wanted.rate, 16, 1):
        raise InvalidArgumentError(
            "file",
            f"has {found[0]} Hz, {found[1]} bits and {found[2]} channels, but the conversation needs {wanted.rate} Hz,"
            f" 16 bits and 1 channel: convert it, for example with `ffmpeg -i in.wav -ar {wanted.rate} -ac 1"
            " -c:a pcm_s16le out.wav`",
        )
    return samples if wanted.width == _PCM_WIDTH else pcm_to_ulaw(samples)


def write_wav(file: str | os.PathLike[str] | IO[bytes], audio: bytes, format: str) -> None:  # noqa: A002 - as above
    """Write audio of a conversation to a WAV file of 16-bit PCM.

    Args:
        file: The file; an existing one is replaced.
        audio: The samples.
        format: Their format, such as ``live.output_format``.

    Raises:
        InvalidArgumentError: The format is unknown.
    """
    import wave  # noqa: PLC0415 - as above

    given = AudioFormat.parse(format)
    samples = audio if given.width == _PCM_WIDTH else ulaw_to_pcm(audio)
    with wave.open(_path_to_text(file), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(_PCM_WIDTH)
        writer.setframerate(given.rate)
        writer.writeframes(samples)


def _path_to_text(file: str | os.PathLike[str] | IO[bytes]) -> str | IO[bytes]:
    return os.fspath(file) if isinstance(file, os.PathLike) else file
