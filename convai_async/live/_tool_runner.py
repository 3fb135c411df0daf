"""Answer the tool calls and the approval requests of a conversation, each once."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from convai_async._support.tasks import is_cancelling
from convai_async._support.text import to_short_line
from convai_async.live._tools import encode_result
from convai_async.live.events import ClientToolCall, Event, MCPToolCall
from convai_async.live.messages import MCPToolApproval, encode_message

if TYPE_CHECKING:
    from convai_async.live._connection import Connection
    from convai_async.live._tools import Tools

ApproveMCPTool: TypeAlias = Callable[[MCPToolCall], bool | Awaitable[bool]]
"""Returns whether a tool of an MCP server may be called."""

_MAX_CALLS_AT_ONCE = 64
_MAX_TASKS = 1000
"""A service that makes more calls at once does not read the answers: it gets none for them."""
_MAX_REMEMBERED = 10_000
"""The ids of the last calls are kept, since each is answered once."""

_logger = logging.getLogger("convai_async")


class ToolRunner:
    """Runs the tools that the agent calls, each in a task.

    Args:
        tools: The tools; None leaves tool calls to the program that reads the events.
        approve: Approves the calls of MCP tools; None refuses all.
        connection: The connection of the conversation.
        on_done: Called with the id of a call when its result was sent.
    """

    def __init__(
        self,
        tools: Tools | None,
        approve: ApproveMCPTool | None,
        connection: Connection,
        on_done: Callable[[str], None],
    ) -> None:
        self._tools = tools
        self._approve = approve
        self._connection = connection
        self._on_done = on_done
        self._answered: dict[tuple[str, str], None] = {}
        self._running = 0

    def handle_event(self, event: Event) -> None:
        """Start to answer an event that asks for an answer."""
        if self._connection.task_count >= _MAX_TASKS:
            return
        match event:
            case ClientToolCall() if self._tools is not None and self._is_new("tool", event.tool_call_id):
                self._connection.start(self._run(event, self._tools))
            case MCPToolCall(state="awaiting_approval") if self._is_new("approval", event.tool_call_id):
                self._connection.start(self._decide(event))
            case _:
                pass

    def mark_answered(self, call: ClientToolCall) -> bool:
        """Return whether a call has no answer yet, and remember that it has one now."""
        return self._is_new("tool", call.tool_call_id)

    def _is_new(self, kind: str, call_id: str) -> bool:
        if (kind, call_id) in self._answered:
            return False
        if len(self._answered) >= _MAX_REMEMBERED:
            del self._answered[next(iter(self._answered))]
        self._answered[kind, call_id] = None
        return True

    async def _run(self, call: ClientToolCall, tools: Tools) -> None:
        if self._running >= _MAX_CALLS_AT_ONCE:
            problem = f"The client is running {self._running} tools already."
            message = encode_result(call, problem, is_error=True)
        else:
            self._running += 1
            try:
                message = await tools.run(call)
            finally:
                self._running -= 1
        if call.expects_response:
            await self._connection.outbox.put(message)
        self._on_done(call.tool_call_id)

    async def _decide(self, call: MCPToolCall) -> None:
        approved = False
        if self._approve is not None:
            try:
                decision = self._approve(call)
                approved = (await decision if isinstance(decision, Awaitable) else decision) is True
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:
                if is_cancelling():
                    raise
                _logger.exception("the approval of the MCP tool %s failed: refused", to_short_line(call.tool_name))
        await self._connection.outbox.put(
            encode_message(MCPToolApproval(tool_call_id=call.tool_call_id, is_approved=approved))
        )
