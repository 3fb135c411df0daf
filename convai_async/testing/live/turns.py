"""A turn of a conversation, with which the reply function of an agent acts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.testing.live import events
from convai_async.testing.live.audio import FORMATS, build_tone

if TYPE_CHECKING:
    from convai_async.testing.live.conversation import FakeConversation
    from convai_async.testing.live.user_turn import UserTurn

JSON = dict[str, Any]

_SECONDS_PER_CHARACTER = 0.04


class ToolResult(msgspec.Struct, frozen=True):
    """The result of a tool that the client ran.

    Attributes:
        result: The text of the result.
        is_error: Whether the tool failed.
    """

    result: str
    is_error: bool


class Turn:
    """A turn of the user, to which an agent replies.

    Attributes:
        conversation: The conversation.
        event_id: The id of the events of this turn.
        user: The user's turn; None for the first message of the agent.
    """

    def __init__(self, conversation: FakeConversation, event_id: int, user: UserTurn | None) -> None:
        self.conversation = conversation
        self.event_id = event_id
        self.user = user

    @property
    def text(self) -> str:
        """The user's text."""
        return "" if self.user is None else self.user.text

    async def say(self, text: str, *, audio: bytes | None = None) -> None:
        """Say a text: send its parts, the whole text, and its audio unless the conversation is text-only.

        Args:
            text: The text.
            audio: The audio in the output format; a tone of 40 ms for each character by default.
        """
        conversation = self.conversation
        conversation.record.add_agent(text)
        for part in events.iter_text_parts(text, self.event_id):
            await conversation.send_enabled(part)
        await conversation.send_enabled(events.build_agent_response(text, self.event_id))
        if not conversation.text_only:
            output = FORMATS[conversation.agent.output_format]
            sound = build_tone(output, _SECONDS_PER_CHARACTER * len(text)) if audio is None else audio
            for chunk in events.iter_audio(sound, output.rate * output.width, text, self.event_id):
                await conversation.send_enabled(chunk)

    async def call_tool(
        self, tool_name: str, parameters: JSON | None = None, *, expects_response: bool = True
    ) -> ToolResult:
        """Let the client run a tool, and return its result; an empty one at once if no response is expected."""
        conversation, given = self.conversation, parameters or {}
        tool_call_id = conversation.new_id("toolcall")
        call = events.build_tool_call(tool_name, tool_call_id, given, self.event_id, expects_response=expects_response)
        await conversation.send(call)
        result = ToolResult("", is_error=False)
        if expects_response:
            answer = await self._wait_for_answer("client_tool_result", tool_call_id)
            result = ToolResult(answer["result"], answer["is_error"])
        conversation.record.add_tool(tool_call_id, tool_name, given, result.result, is_error=result.is_error)
        await conversation.send_enabled(
            events.build_tool_response(tool_name, tool_call_id, "client", self.event_id, is_error=result.is_error)
        )
        return result

    async def ask_approval(self, tool_name: str, parameters: JSON | None = None, *, service_id: str = "mcp_1") -> bool:
        """Ask the client whether the agent may call a tool of an MCP server, and return the answer."""
        given = parameters or {}
        tool_call_id = self.conversation.new_id("toolcall")
        waiting = {"state": "awaiting_approval", "approval_timeout_secs": 300}
        await self.send(events.build_mcp_call(service_id, tool_call_id, tool_name, given, waiting))
        answer = await self._wait_for_answer("mcp_tool_approval_result", tool_call_id)
        approved: bool = answer["is_approved"]
        outcome = (
            {"state": "success", "result": [{"type": "text", "text": "done"}]}
            if approved
            else {"state": "failure", "error_message": "The user did not approve the tool call."}
        )
        await self.send(events.build_mcp_call(service_id, tool_call_id, tool_name, given, outcome))
        return approved

    async def end_call(self, reason: str = "") -> None:
        """Hang up: send the response of the tool ``end_call``, and close the conversation."""
        tool_call_id = self.conversation.new_id("toolcall")
        event = events.build_tool_response("end_call", tool_call_id, "system", self.event_id, is_error=False)
        self.conversation.record.add_end_call(tool_call_id, reason)
        await self.conversation.send(event)
        await self.conversation.close(1000, reason)

    async def send(self, event: JSON) -> None:
        """Send any event, also one that the service does not have."""
        await self.conversation.send(event)

    async def _wait_for_answer(self, message_type: str, tool_call_id: str) -> JSON:
        wanted = {"type": message_type, "tool_call_id": tool_call_id}.items()
        return await self.conversation.wait_until(
            lambda each: next((message for message in each.received if wanted <= message.items()), None)
        )


ReplyFunction = Callable[[Turn], Awaitable[str | None]]
"""Replies to a turn of the user: returns a text to say, or None if it has said all with `Turn.say`."""


async def echo(turn: Turn) -> str:
    """Repeat the text of the user."""
    return f"You said: {turn.text}" if turn.text else "I did not hear anything."
