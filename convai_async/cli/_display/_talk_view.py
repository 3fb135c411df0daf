"""Show a live conversation: as it is written on a terminal, otherwise as lines of text or JSON."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import msgspec

from convai_async.cli._formatting import strip_control_chars, to_single_line
from convai_async.cli._output import print_output
from convai_async.live.events import (
    AgentResponse,
    AgentResponseCorrection,
    AgentResponsePart,
    AgentToolResponse,
    AudioChunk,
    ClientToolCall,
    Event,
    MCPToolCall,
    Ping,
    UnknownEvent,
    UserTranscript,
    VADScore,
    encode_event,
)
from convai_async.live.messages import UserMessage, encode_message

if TYPE_CHECKING:
    from pathlib import Path

_PROMPT = "> "
_HIDDEN_EVENTS = (AgentResponsePart, AudioChunk, Ping, VADScore)
"""Events that are not saved and not printed as JSON."""


def dump_json(value: object) -> str:
    """Return a value as JSON in one line."""
    return msgspec.json.encode(value).decode()


def _open_privately(path: str, flags: int) -> int:
    """Open a file, which only its owner can read if it is created."""
    return os.open(path, flags, 0o600)


class History:
    """Saves the messages of a conversation in a new file, one JSON object per line.

    Args:
        path: The file; None to save nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._mode = "x"

    def add(self, line: str) -> None:
        """Append a message. The first one creates the file.

        Raises:
            FileExistsError: The file exists already.
            OSError: It cannot be written.
        """
        if self._path is not None:
            with open(self._path, self._mode, encoding="utf-8", opener=_open_privately) as file:
                self._mode = "a"
                file.write(f"{line}\n")


class ConversationView:
    """Prints the events of a conversation.

    Args:
        history: Saves the events.
        as_json: Whether to print JSON.
        is_interactive: Whether standard input and output are a terminal: responses are shown as they are written, and a
            prompt after them.

    Attributes:
        has_response: Is set when a response of the agent was shown.
    """

    def __init__(self, history: History, *, as_json: bool, is_interactive: bool) -> None:
        self._history = history
        self._as_json = as_json
        self._is_interactive = is_interactive
        self._is_streaming = False
        self._has_streamed = False
        self._has_prompt = False
        self._shown: list[Event] = []
        self._has_shown = asyncio.Event()
        self.has_response = asyncio.Event()

    async def wait_until_shown(self, event: Event) -> None:
        """Wait until an event was shown that came after the last message of the user and is not audio."""
        while not any(each is event for each in self._shown):
            self._has_shown.clear()
            await self._has_shown.wait()

    def show_prompt(self) -> None:
        """Show the prompt on a terminal, unless it is there or the agent is writing."""
        if self._is_interactive and not self._has_prompt and not self._is_streaming:
            print_output(_PROMPT, newline=False)
            self._has_prompt = True

    def show_user(self, text: str) -> None:
        """Show a line of the user, which a terminal shows already, and save it as a message unless it is blank."""
        self._shown.clear()
        self._has_prompt = False
        if not text.strip():
            return
        message = encode_message(UserMessage(text=text))
        self._history.add(message)
        if self._is_interactive:
            self._has_streamed = False
        elif self._as_json:
            print_output(message)
        else:
            self._print_line("user", text)

    def show(self, event: Event) -> None:
        """Show an event, and save it."""
        if not isinstance(event, _HIDDEN_EVENTS):
            # An event that is not JSON must not break the lines.
            encoded = dump_json(event.raw) if isinstance(event, UnknownEvent) else encode_event(event)
            self._history.add(encoded)
            if self._as_json:
                print_output(encoded)
        if not self._as_json:
            self._print(event)
        if not isinstance(event, AudioChunk):  # which would fill the memory
            self._shown.append(event)
            self._has_shown.set()
        if isinstance(event, AgentResponse):
            self.has_response.set()

    def _print(self, event: Event) -> None:
        match event:
            case AgentResponsePart() if self._is_interactive:
                self._stream(event)
            case AgentResponse(text=text):
                self._show_response(text)
            case AgentResponseCorrection(text=text):
                self._print_line("agent was interrupted", text)
            case UserTranscript(text=text):
                self._print_line("user", text)
            case ClientToolCall(tool_name=name, parameters=parameters):
                self._print_line("tool call", f"{name} {dump_json(parameters)}")
            case AgentToolResponse(tool_name=name, is_error=is_error):
                self._print_line("tool error" if is_error else "tool result", name)
            case MCPToolCall(tool_name=name, state=state):
                self._print_line("MCP tool call", f"{name} ({state})")
            case _:
                pass

    def _stream(self, part: AgentResponsePart) -> None:
        if not self._is_streaming and part.text:
            self._leave_prompt()
            print_output("agent: ", newline=False)
            self._is_streaming = self._has_streamed = True
        if part.text:
            print_output(strip_control_chars(part.text), newline=False)
        if part.kind == "stop":
            self._end_stream()

    def _show_response(self, text: str) -> None:
        self._end_stream()
        if not self._has_streamed:
            self._print_line("agent", text)
        self._has_streamed = False
        self.show_prompt()

    def _end_stream(self) -> None:
        if self._is_streaming:
            print_output("")
        self._is_streaming = False

    def _leave_prompt(self) -> None:
        """Go to a new line, so that a text that is being typed stays readable."""
        if self._has_prompt:
            print_output("")
        self._has_prompt = False

    def _print_line(self, label: str, text: str) -> None:
        self._leave_prompt()
        self._end_stream()
        print_output(f"{label}: {to_single_line(text)}")
