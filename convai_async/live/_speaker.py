"""Send audio in parts, as fast as it can be sent or at the rate at which it is spoken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from convai_async._support.validate import validate_choice
from convai_async.errors import InvalidArgumentError
from convai_async.live._audio import AudioFormat
from convai_async.live.messages import encode_audio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WhenFull: TypeAlias = Literal["wait", "drop_oldest"]

_PART_SECS = 0.25
"""The duration of a part, as the service advises."""
_SILENCE_SECS = 0.1
_QUEUED_SECS = 5
_MIN_QUEUED_BYTES = 64 * 1024


class Speaker:
    """Sends the user's audio.

    Args:
        input_format: The format that the service announced.
        send: Adds a message to the queue, with the options of `Outbox.put`.
        clock: Returns seconds.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        input_format: str,
        send: Callable[..., Awaitable[None]],
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._name = input_format
        self._send = send
        self._clock = clock
        self._sleep = sleep
        self._spoken_until = 0.0

    @property
    def queued_bytes(self) -> int:
        """The size of a queue for 5 seconds of audio."""
        try:
            audio_format = AudioFormat.parse(self._name)
        except InvalidArgumentError:
            return _MIN_QUEUED_BYTES
        return max(_MIN_QUEUED_BYTES, audio_format.bytes_per_second * _QUEUED_SECS * 4 // 3)

    async def speak(
        self,
        audio: bytes | bytearray | memoryview,
        format: str | None,  # noqa: A002 - the word of the service
        when_full: WhenFull,
        *,
        paced: bool,
    ) -> None:
        """Send audio.

        Raises:
            InvalidArgumentError: The audio has another format than the service announced.
        """
        validate_choice("when_full", when_full, get_args(WhenFull))
        if format is not None and format != self._name:
            raise InvalidArgumentError("format", f"is {format!r}, but the agent listens to {self._name!r}: convert it")
        audio_format = AudioFormat.parse(self._name)
        if not isinstance(audio, bytes | bytearray | memoryview):
            raise InvalidArgumentError("audio", f"must be bytes, not {type(audio).__name__}")
        if len(audio) % audio_format.width:
            raise InvalidArgumentError(
                "audio", f"has {len(audio)} bytes, but a sample of {self._name!r} has {audio_format.width}"
            )
        size = int(audio_format.rate * _PART_SECS) * audio_format.width
        for start in range(0, len(audio), size):
            part = bytes(audio[start : start + size])
            await self._send(encode_audio(part), is_audio=True, drop_oldest=when_full == "drop_oldest")
            if paced:
                await self._keep_pace(len(part) / audio_format.bytes_per_second)

    async def send_silence(self) -> None:
        """Send silence without an end: the service needs it to notice that the user has finished."""
        audio_format = AudioFormat.parse(self._name)
        part = encode_audio(audio_format.build_silence(_SILENCE_SECS))
        while True:
            await self._send(part, is_audio=True, drop_oldest=True)
            await self._keep_pace(_SILENCE_SECS)

    async def _keep_pace(self, seconds: float) -> None:
        """Wait until a part that was sent now has been spoken."""
        now = self._clock()
        self._spoken_until = max(self._spoken_until, now) + seconds
        await self._sleep(self._spoken_until - now)
