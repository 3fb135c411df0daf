"""A turn of a conversation, with which the reply function of an agent acts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.testing.live import events
from convai_async.testing.live.audio import FORMATS, build_tone

if TYPE_CHECKING:
    from convai_async.testing.live.conversation import LiveConversation

JSON = dict[str, Any]

_SECONDS_PER_CHARACTER = 0.04


class UserTurn(msgspec.Struct, kw_only=True, frozen=True):
    """What the user said.

    Attributes:
        text: The text; the words that were heard, if the user spoke.
        medium: ``"text"`` or ``"audio"``.
        file_ids: The ids of the files of a multimodal message.
        audio: What the user spoke, in the input format of the conversation.
    """

    text: str
    medium: str = "text"
    file_ids: tuple[str, ...] = ()
    audio: bytes = b""


class ToolResult(msgspec.Struct, frozen=True):
    """The result of a tool that the client ran.

    Attributes:
        result: The text of the result.
        is_error: Whether the tool failed.
    """

    result: str
    is_error: bool


class Turn:
    """A turn of a user, to which the agent replies.

    Attributes:
        conversation: The conversation.
        event_id: The id of the events of this reply.
        user: What the user said; None for the first message of the agent.
        said: What the agent has said in this turn.
    """

    def __init__(self, conversation: LiveConversation, event_id: int, user: UserTurn | None) -> None:
        self.conversation = conversation
        self.event_id = event_id
        self.user = user
        self.said: list[str] = []

    @property
    def text(self) -> str:
        """What the user said as text."""
        return "" if self.user is None else self.user.text

    async def say(self, text: str, *, audio: bytes | None = None) -> None:
        """Say a text: its parts, the whole text, and its audio unless the conversation is text-only.

        Args:
            text: The text.
            audio: The audio in the output format; a tone of 40 ms for each character by default.
        """
        conversation = self.conversation
        self.said.append(text)
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
        conversation = self.conversation
        tool_call_id = conversation.new_id("toolcall")
        result: asyncio.Future[ToolResult] = asyncio.get_running_loop().create_future()
        conversation.tool_results[tool_call_id] = result
        call = {"tool_name": tool_name, "tool_call_id": tool_call_id, "parameters": parameters or {}}
        call |= {"event_id": self.event_id, "expects_response": expects_response}
        await conversation.send({"type": "client_tool_call", "client_tool_call": call})
        return await result if expects_response else ToolResult("", is_error=False)
