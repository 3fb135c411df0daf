"""A live conversation with an agent."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Literal

from convai_async._support.tasks import wait_all_shielded
from convai_async._support.validate import validate_seconds, validate_text, validate_texts
from convai_async.errors import ConversationClosedError, InvalidArgumentError, ReplyTimeoutError
from convai_async.live._acceptance import Acceptance
from convai_async.live._connection import Connection
from convai_async.live._reply import Replies, Reply, ReplyCollector
from convai_async.live._speaker import Speaker, WhenFull
from convai_async.live._stream import EventStream
from convai_async.live._tool_runner import ApproveMCPTool, ToolRunner
from convai_async.live._tools import Tools, encode_result
from convai_async.live.messages import (
    ContextualUpdate,
    Feedback,
    FileInput,
    Message,
    MultimodalMessage,
    MultimodalText,
    UserActivity,
    UserMessage,
    encode_message,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from typing import Any

    from convai_async._transport.engine import Engine
    from convai_async._transport.websocket import WebSocket
    from convai_async.live.events import AudioChunk, ClientToolCall, ConversationStarted, Event

__all__ = ["LiveConversation"]


class LiveConversation(EventStream):
    """A live conversation with an agent, which `Conversations.connect` opens.

    Iterate over it for the events of the service, in order, from the first one on. The iteration ends when the
    conversation ends; `closed` says how. Pings are answered and tools run in the background. Every method that sends
    can raise `ConversationClosedError`.

    Events that the program does not read are kept up to ``max_buffered_bytes``. After that the oldest audio is dropped,
    or the oldest event if there is no audio; `dropped_events` counts them.

    Attributes:
        input_format: The format of audio that the agent listens to, such as ``"pcm_16000"`` or ``"ulaw_8000"``.
        output_format: The format of the agent's audio.
    """

    input_format: str
    output_format: str

    def __init__(
        self,
        engine: Engine,
        socket: WebSocket,
        *,
        tools: Tools | None,
        approve_mcp_tool: ApproveMCPTool | None,
        max_buffered_bytes: int,
    ) -> None:
        self._running = engine.running
        self._sleep = engine.sleep
        self._clock = asyncio.get_running_loop().time
        self._acceptance = Acceptance()
        self._replies = Replies(self._running, max_buffered_bytes)
        self._connection = Connection(
            socket, max_buffered_bytes=max_buffered_bytes, on_event=self._handle_event, on_end=self._end
        )
        self._tool_runner = ToolRunner(tools, approve_mcp_tool, self._connection, self._replies.finish_tool_call)
        self._start(None)

    async def wait_until_accepted(self, initiation: str, timeout: float | None, queue_timeout: float | None) -> None:
        """Send the first message, and wait until the service has accepted the conversation.

        Raises:
            ConversationRefusedError: The service has refused it.
            RequestTimeoutError: It has not started in time.
        """
        await self._connection.outbox.put(initiation)
        with self._running:
            started = await self._acceptance.wait(self._running, timeout, queue_timeout)
        if started is None:
            raise await self._connection.build_error(self.conversation_id, refused=True)

    # Receive

    def audio(self) -> AsyncIterator[AudioChunk]:
        """Iterate over the agent's audio.

        ``chunk.data`` is audio in the `output_format`, and ``chunk.event_id`` its turn. Audio that an interruption made
        stale is left out. To stop playing at an interruption, iterate over the conversation instead, which has the
        audio and each `Interruption` in order.

        After this was called, the events of the conversation have no more `AudioChunk`.
        """
        self._connection.inbox.is_audio_separate = True
        return self._iterate_audio()

    async def _iterate_audio(self) -> AsyncIterator[AudioChunk]:
        while (chunk := await self._connection.inbox.get_audio()) is not None:
            yield chunk

    async def ask(self, question: str | bytes, *, timeout: float | None = 30.0, quiet: float = 1.0) -> Reply:
        """Say something, and wait for the agent's whole reply with its tool calls.

        The reply is complete when the service says so (``agent_response_complete`` in the agent's ``client_events``).
        Without that event, it is complete when the agent has responded, none of its tools is running, and nothing has
        arrived for ``quiet`` seconds. The events are also part of the iteration over the conversation.

        If the agent has not said anything yet, this waits up to a second for its first message, which is not a reply.
        Several tasks can ask; each waits for the reply before its own.

        Args:
            question: Text; or audio in the `input_format`, which is sent at the rate at which it is spoken, followed by
                silence until the reply is complete.
            timeout: The maximum seconds from the end of the question to the end of the reply, 30 by default. None waits
                without a limit.
            quiet: Seconds, 1 by default.

        Raises:
            ReplyTimeoutError: The reply was not complete in time.
            ResponseTooLargeError: The events of the reply, most of all its audio, are larger than
                ``max_buffered_bytes``. The conversation continues.
            ConversationClosedError: The conversation ended before the reply.
            InvalidArgumentError: An argument is invalid.
        """
        validate_seconds("quiet", quiet)
        if timeout is not None:
            validate_seconds("timeout", timeout, positive=True)
        async with self._replies.lock:
            with self._running:
                await self._replies.wait_for_first_message()
            with self._replies.collect() as collector:
                if isinstance(question, str):
                    await self.send_text(question)
                    reply = await self._wait_for_reply(collector, timeout, quiet)
                else:
                    await self.send_audio(question, paced=True)
                    async with self._silence_sent():
                        reply = await self._wait_for_reply(collector, timeout, quiet)
        if reply is None:
            raise await self._connection.build_error(self.conversation_id)
        return reply

    async def _wait_for_reply(self, collector: ReplyCollector, timeout: float | None, quiet: float) -> Reply | None:
        try:
            with self._running:
                async with self._running.timeout(timeout):
                    return await self._replies.wait(collector, quiet)
        except TimeoutError:
            raise ReplyTimeoutError(
                f"the agent's reply was not complete after {timeout:g} s; the conversation continues"
            ) from None

    @asynccontextmanager
    async def _silence_sent(self) -> AsyncIterator[None]:
        """Send silence during the block."""
        silence = asyncio.create_task(self._send_silence())
        try:
            yield
        finally:
            silence.cancel()
            await wait_all_shielded([silence])

    async def _send_silence(self) -> None:
        with suppress(ConversationClosedError):
            await self._speaker.send_silence()

    # Send

    async def send_text(self, text: str) -> None:
        """Send a text of the user, which the agent answers like speech.

        Raises:
            InvalidArgumentError: The text is empty.
        """
        await self.send(UserMessage(text=validate_text("text", text)))

    async def send_files(self, file_ids: str | Sequence[str], *, text: str | None = None) -> None:
        """Send uploaded files, with a text or without.

        Upload them first with `Conversations.files`.create and this `conversation_id`.

        Args:
            file_ids: The ids of the files.
            text: The text of the user.

        Raises:
            InvalidArgumentError: There is no file, or an argument is empty.
        """
        files = tuple(FileInput(file_id=each) for each in validate_texts("file_ids", file_ids))
        if not files:
            raise InvalidArgumentError("file_ids", "must have at least one file")
        message = MultimodalMessage(file=files[0], files=files)
        if text is not None:
            said = MultimodalText(text=validate_text("text", text))
            message = MultimodalMessage(text=said, file=files[0], files=files)
        await self.send(message)

    async def send_audio(
        self,
        audio: bytes | bytearray | memoryview,
        *,
        format: str | None = None,  # noqa: A002 - the word of the service
        paced: bool = False,
        when_full: WhenFull = "wait",
    ) -> None:
        """Send audio of the user: mono samples in the `input_format`, without a header.

        Send it continuously, silence too: the service notices by the silence that the user has finished.

        Args:
            audio: 16-bit little-endian samples, or mu-law.
            format: The format of ``audio``, to check it.
            paced: Whether to wait until the audio has been spoken, as for audio from a file. False for a microphone.
            when_full: If the network does not accept audio as fast as it is sent and 5 seconds of it are waiting,
                ``"wait"`` waits, and ``"drop_oldest"`` drops the oldest audio.

        Raises:
            InvalidArgumentError: The audio is not in the `input_format`.
        """
        await self._speaker.speak(audio, format, when_full, paced=paced)

    async def send_context(self, text: str, *, context_id: str | None = None) -> None:
        """Send background knowledge, which the agent does not answer.

        Args:
            text: The knowledge.
            context_id: A later context with the same id replaces this one.

        Raises:
            InvalidArgumentError: An argument is empty.
        """
        validate_text("text", text)
        if context_id is None:
            await self.send(ContextualUpdate(text=text))
        else:
            await self.send(ContextualUpdate(text=text, context_id=validate_text("context_id", context_id)))

    async def send_activity(self) -> None:
        """Tell the agent that the user is active, for example types: it then waits for the user.

        A conversation without any input of the user ends after 60 seconds.
        """
        await self.send(UserActivity())

    async def send_feedback(self, event_id: int | str, score: Literal["like", "dislike"] | None) -> None:
        """Rate a response of the agent.

        Args:
            event_id: The ``event_id`` of the response.
            score: ``"like"``, ``"dislike"``, or None to withdraw the rating.
        """
        await self.send(Feedback(event_id=event_id, score=score))

    async def send_tool_result(self, call: ClientToolCall, result: Any, *, is_error: bool = False) -> None:
        """Answer a tool call, in a conversation without ``tools``. A second answer to a call is not sent.

        Args:
            call: The call.
            result: Text, or a value that is sent as JSON.
            is_error: Whether the tool failed.

        Raises:
            InvalidArgumentError: The result cannot be encoded as JSON.
        """
        message = encode_result(call, result, is_error=is_error)
        if self._tool_runner.mark_answered(call):
            await self._put(message)
            self._replies.finish_tool_call(call.tool_call_id)

    async def send(self, message: Message) -> None:
        """Send any message of `convai_async.live.messages`."""
        await self._put(encode_message(message))

    # Callbacks of the connection

    def _handle_event(self, event: Event, size: int) -> None:
        if self._acceptance.handle_event(event):
            self._start(self._acceptance.started)
        self._tool_runner.handle_event(event)
        self._replies.handle_event(event, size)

    def _start(self, started: ConversationStarted | None) -> None:
        self.conversation_id = "" if started is None else started.conversation_id
        self.input_format = "" if started is None else started.input_format
        self.output_format = "" if started is None else started.output_format
        self._speaker = Speaker(self.input_format, self._put, clock=self._clock, sleep=self._sleep)
        self._connection.outbox.max_bytes = self._speaker.queued_bytes

    def _end(self) -> None:
        self._acceptance.end()
        self._replies.end()
