"""Formats, mu-law and WAV files."""

from __future__ import annotations

import io
import sys
import warnings
import wave
from array import array
from typing import TYPE_CHECKING

import pytest

from convai_async import InvalidArgumentError
from convai_async.live import pcm_to_ulaw, read_wav, ulaw_to_pcm, write_wav
from convai_async.live._audio import AudioFormat

if TYPE_CHECKING:
    from pathlib import Path

ALL_SAMPLES = array("h", range(-32768, 32768)).tobytes()
ALL_BYTES = bytes(range(256))


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop is no longer in the standard library")
def test_mu_law_is_that_of_audioop() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop  # noqa: PLC0415 - deprecated
    assert ulaw_to_pcm(ALL_BYTES) == audioop.ulaw2lin(ALL_BYTES, 2)
    assert pcm_to_ulaw(ALL_SAMPLES) == audioop.lin2ulaw(ALL_SAMPLES, 2)


def test_mu_law_survives_a_round_trip() -> None:
    assert pcm_to_ulaw(ulaw_to_pcm(ALL_BYTES)) == ALL_BYTES.replace(b"\x7f", b"\xff")  # minus zero is zero
    assert ulaw_to_pcm(b"\xff\x00\x80") == array("h", [0, -32124, 32124]).tobytes()


def test_odd_number_of_bytes_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="even number of bytes"):
        pcm_to_ulaw(b"abc")


@pytest.mark.parametrize("name", ["pcm_16000", "ulaw_8000"])
def test_wav_file_is_read_as_written(name: str, tmp_path: Path) -> None:
    audio = AudioFormat.parse(name).build_silence(0.5) + pcm_to_ulaw(ALL_SAMPLES)
    write_wav(tmp_path / "reply.wav", audio, name)
    assert read_wav(tmp_path / "reply.wav", name) == audio
    assert read_wav(str(tmp_path / "reply.wav"), name) == audio
    with wave.open(str(tmp_path / "reply.wav")) as reader:
        assert reader.getparams()[:3] == (1, 2, AudioFormat.parse(name).rate)


def test_wav_file_of_another_rate_is_refused_with_the_command_that_converts_it() -> None:
    file = io.BytesIO()
    write_wav(file, bytes(8), "pcm_44100")
    file.seek(0)
    with pytest.raises(InvalidArgumentError, match=r"has 44100 Hz, 16 bits and 1 channels.*ffmpeg -i in.wav -ar 16000"):
        read_wav(file, "pcm_16000")


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVE", b"ID3"])
def test_other_file_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidArgumentError, match="not a WAV file"):
        read_wav(io.BytesIO(content), "pcm_16000")


@pytest.mark.parametrize("name", ["mp3_44100", "pcm", "pcm_", "pcm_x", "ulaw_-8000", "pcm_99999999", 7])
def test_unknown_format_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="must be like 'pcm_16000'"):
        AudioFormat.parse(name)


def test_silence_decodes_to_zeros() -> None:
    assert AudioFormat.parse("pcm_8000").build_silence(0.001) == bytes(16)
    assert ulaw_to_pcm(AudioFormat.parse("ulaw_8000").build_silence(0.001)) == bytes(16)
