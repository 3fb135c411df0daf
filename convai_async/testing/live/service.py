"""The agents of a fake service and the live conversations with them."""

from __future__ import annotations

import asyncio
import functools
import sys
from typing import TYPE_CHECKING, cast

from convai_async.testing.live.acting import Hook, Script, act
from convai_async.testing.live.agents import CLIENT_EVENTS, Agent
from convai_async.testing.live.conversation import FakeConversation
from convai_async.testing.live.credentials import Credentials
from convai_async.testing.live.fault_rules import FrameFaults
from convai_async.testing.live.monitoring import monitor
from convai_async.testing.live.quirks import Quirks
from convai_async.testing.live.record import ConversationRecord
from convai_async.testing.live.turns import ReplyFunction, echo
from convai_async.testing.plans import AGENTS
from convai_async.testing.responses import RefusedError, error_response, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohttp import web

    from convai_async.testing.corpus import Corpus
    from convai_async.testing.uploaded_files import UploadedFile


def describe_speech(audio: bytes) -> str:
    """Return a transcript of speech that only tells its size."""
    return f"{len(audio)} bytes of speech"


class LiveService:
    """The agents and the live conversations of a fake service, as ``fake.live``.

    Attributes:
        conversations: The live conversations in the order in which they began, running or ended.
        faults: The faults of their events: see `convai_async.testing.live.faults`.
        credentials: The signed URLs and tokens that were issued.
    """

    def __init__(
        self,
        corpus: Corpus,
        files: dict[tuple[str, str], UploadedFile],
        new_id: Callable[[str, int], str],
        *,
        seed: int,
        quirks: bool,
    ) -> None:
        self.conversations: list[FakeConversation] = []
        self.faults = FrameFaults(seed)
        self.credentials = Credentials(new_id)
        self._agents: dict[str, tuple[Agent, Script]] = {}
        self._corpus = corpus
        self._files = files
        self._new_id = new_id
        self._quirks = quirks
        for agent_id, _ in AGENTS:
            self.add_agent(agent_id)

    def __getitem__(self, conversation_id: str) -> FakeConversation:
        """Return a live conversation by its id.

        Raises:
            KeyError: There is none.
        """
        for conversation in self.conversations:
            if conversation.conversation_id == conversation_id:
                return conversation
        raise KeyError(conversation_id)

    def __contains__(self, agent_id: str) -> bool:
        """Return whether an agent exists."""
        return agent_id in self._agents

    def add_agent(  # noqa: PLR0913 - all keyword-only but the id
        self,
        agent_id: str,
        *,
        reply: ReplyFunction = echo,
        first_message: str = "Hello! How can I help you?",
        before_metadata: Hook | None = None,
        after_metadata: Hook | None = None,
        transcribe: Callable[[bytes], str] = describe_speech,
        private: bool = False,
        text_only: bool = False,
        input_format: str = "pcm_16000",
        output_format: str = "pcm_16000",
        client_events: Iterable[str] = CLIENT_EVENTS,
        allowed_overrides: Iterable[str] | None = None,
        concurrency_limit: int | None = None,
        queue_timeout: float = 60.0,
        ping_interval: float = 2.0,
        idle_timeout: float = 60.0,
        monitoring_enabled: bool = True,
        keep_audio: bool = True,
    ) -> None:
        """Add an agent, or change one that exists.

        ::

            async def reply(turn: Turn) -> str:
                order = await turn.call_tool("lookup_order", {"number": 7})
                return "I cannot find it." if order.is_error else f"Your order is {order.result}."


            fake.live.add_agent("agent_1", reply=reply, first_message="Hello {{name}}!")

        Args:
            agent_id: The id.
            reply: An async function that replies to each turn of the user: returns a text to say, or None. With its
                argument, a `Turn`, it can say more, call tools and hang up. It is cancelled when the user interrupts.
                By default the agent repeats the user's text.
            first_message: The first message, with placeholders such as ``{{name}}`` for dynamic variables; a
                conversation without one of them is refused. Empty to wait for the user.
            before_metadata: An async function that acts on the `FakeConversation` before it is accepted; it can wait,
                send events, or close it.
            after_metadata: The same after the metadata, and before the first message.
            transcribe: Returns the words of speech, given its audio in the input format.
            private: Whether conversations need a signed URL, a token or the API key.
            text_only: Whether conversations have no audio.
            input_format: The format of the user's audio.
            output_format: The format of the agent's audio.
            client_events: The events that conversations send, besides those that always are.
            allowed_overrides: The fields that conversations may override; None for all.
            concurrency_limit: The number of conversations at the same time above which others wait in the queue.
            queue_timeout: The seconds that a conversation waits before it is closed with 4300.
            ping_interval: The seconds between pings.
            idle_timeout: The seconds without a message of the user after which the conversation is closed with 1002.
            monitoring_enabled: Whether conversations can be monitored.
            keep_audio: Whether `FakeConversation.audio` keeps the user's audio, which takes memory.

        Raises:
            ValueError: A format does not exist.
        """
        agent = Agent(
            agent_id=agent_id,
            first_message=first_message,
            transcribe=transcribe,
            private=private,
            text_only=text_only,
            input_format=input_format,
            output_format=output_format,
            client_events=frozenset(client_events),
            allowed_overrides=None if allowed_overrides is None else frozenset(allowed_overrides),
            queue_timeout=queue_timeout,
            ping_interval=ping_interval,
            idle_timeout=idle_timeout,
            monitoring_enabled=monitoring_enabled,
            keep_audio=keep_audio,
        )
        slots = asyncio.Semaphore(sys.maxsize if concurrency_limit is None else concurrency_limit)
        script = Script(reply=reply, before_metadata=before_metadata, after_metadata=after_metadata, slots=slots)
        self._agents[agent_id] = agent, script

    async def converse(self, request: web.Request, agent_id: str, *, has_key: bool | None) -> web.StreamResponse:
        """Hold a conversation over a socket.

        Args:
            request: The handshake.
            agent_id: The agent, which exists.
            has_key: Whether the API key is the right one; None if there is none.

        Raises:
            RefusedError: The handshake is not authorized.
        """
        if agent_id not in self._agents:
            self.add_agent(agent_id)
        agent, script = self._agents[agent_id]
        authorization = self.credentials.authorize(request, has_key=has_key, private=agent.private)
        conversation_id = request.query.get("conversation_id") or self._new_id("conv", 20)
        conversation = FakeConversation(
            agent,
            conversation_id=conversation_id,
            transport=cast("asyncio.Transport", request.transport),
            authorization=authorization,
            record=ConversationRecord(self._corpus, agent_id, conversation_id, authorization),
            new_id=lambda prefix: self._new_id(prefix, 20),
            pick_fault=self.faults.pick,
            files=self._files,
            add_quirks=Quirks().add if self._quirks else None,
        )
        self.conversations.append(conversation)
        return await conversation.serve(request, functools.partial(act, script=script))

    async def monitor(self, request: web.Request, conversation_id: str) -> web.StreamResponse:
        """Show a running conversation to a monitor.

        Raises:
            RefusedError: The conversation is not running, or the agent does not allow it.
        """
        running = [each for each in self.conversations if each.conversation_id == conversation_id and not each.closed]
        if not running:
            raise not_found("conversation")
        if not running[0].agent.monitoring_enabled:
            raise RefusedError(error_response(403, "monitoring_disabled", "Monitoring is not enabled for this agent"))
        return await monitor(running[0], request)

    def expire_signed_urls(self) -> None:
        """Let all signed URLs expire that were issued so far."""
        self.credentials.expire()

    def abort(self) -> None:
        """End all conversations without a close frame."""
        for conversation in self.conversations:
            conversation.transport.abort()
