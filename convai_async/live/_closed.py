"""How a live conversation ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from convai_async._support.text import to_short_line
from convai_async._transport.websocket import ABNORMAL_CLOSURE
from convai_async.errors import ConversationClosedError, ConversationRefusedError
from convai_async.live.events import AgentToolResponse, ClientErrorEvent, ErrorEvent, Event

if TYPE_CHECKING:
    from convai_async._transport.websocket import WebSocket

__all__ = ["Closed", "EndedBy"]

EndedBy = Literal["client", "agent", "service", "connection"]

_NORMAL = 1000
_OPERATIONAL = 1002
_RETRYABLE_CODES = frozenset({_OPERATIONAL, ABNORMAL_CLOSURE, 1001, 1005, 1011, 1012, 1013, 1014, 4300})
"""4300 closes a conversation that waited in the queue for too long."""
_FINAL_ERRORS = frozenset({"safety_violation"})
"""Errors of the code 1002 that a new conversation would have as well."""


class Closed(msgspec.Struct, kw_only=True, frozen=True):
    """How a live conversation ended.

    Attributes:
        code: The code with which the WebSocket was closed: 1000 for a normal end, 1002 for a failure of the service or
            a timeout, 1008 for a mistake of the client, 1011 for a crash of the service, 1006 if the connection was
            lost.
        reason: The service's reason, or why the connection was lost; can be empty.
        error: The error event that the service sent before, or None.
        ended_by: ``"client"`` (this program), ``"agent"``, ``"service"`` (an error or a limit), or ``"connection"``
            (it was lost, or silent for 30 seconds).
    """

    code: int
    reason: str
    error: ErrorEvent | ClientErrorEvent | None
    ended_by: EndedBy

    @property
    def error_type(self) -> str | None:
        """The service's code for the error, such as ``"override_error"``, or None."""
        match self.error:
            case ErrorEvent(error_type=error_type):
                return error_type
            case ClientErrorEvent(error_name=error_type):
                return error_type
            case _:
                return None

    @property
    def retryable(self) -> bool:
        """Whether a new conversation may succeed. The service cannot resume one."""
        return self.code in _RETRYABLE_CODES and self.error_type not in _FINAL_ERRORS

    def describe(self) -> str:
        """Return the end as text for a message."""
        message = None if self.error is None else self.error.message
        reasons = [each for each in (self.error_type, self.reason, message) if each]
        why = ": ".join(dict.fromkeys(map(to_short_line, reasons)))
        by = "the connection was lost" if self.ended_by == "connection" else f"the {self.ended_by} ended it"
        return f"{by} (code {self.code}){': ' + why if why else ''}"


class EndWatcher:
    """Finds out how a conversation ends, from its events and its WebSocket."""

    def __init__(self) -> None:
        self._error: ErrorEvent | ClientErrorEvent | None = None
        self._agent_hung_up = False

    def handle_event(self, event: Event) -> None:
        """Handle an event."""
        match event:
            case ErrorEvent() | ClientErrorEvent():
                self._error = event
            case AgentToolResponse(tool_name="end_call", is_error=False):
                self._agent_hung_up = True
            case _:
                pass

    def build(self, socket: WebSocket, *, by_client: bool) -> Closed:
        """Return how the conversation ended.

        Args:
            socket: Its WebSocket, which is closed.
            by_client: Whether this side has closed it.
        """
        code = socket.close_code or ABNORMAL_CLOSURE
        ended_by: EndedBy
        if by_client:
            code, ended_by = _NORMAL, "client"
        elif code == ABNORMAL_CLOSURE:
            ended_by = "connection"
        elif self._agent_hung_up or (code == _NORMAL and self._error is None):
            ended_by = "agent"
        else:
            ended_by = "service"
        return Closed(code=code, reason=socket.close_reason, error=self._error, ended_by=ended_by)


def build_closed_error(
    closed: Closed, conversation_id: str | None, *, refused: bool = False
) -> ConversationClosedError:
    """Return the error for a conversation that has ended."""
    cls = ConversationRefusedError if refused else ConversationClosedError
    what = "the service refused the conversation" if refused else f"the conversation {conversation_id} has ended"
    advice = "; start a new conversation" if closed.retryable and not refused else ""
    return cls(
        f"{what}: {closed.describe()}{advice}",
        conversation_id=conversation_id,
        code=closed.code,
        reason=closed.reason,
        error_type=closed.error_type,
        retryable=closed.retryable,
    )
