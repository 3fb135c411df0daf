"""Show a conversation: as a table on a terminal, otherwise as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from convai_async._support.text import format_call_time
from convai_async.cli._formatting import RESULT_STYLES, strip_control_chars, to_single_line
from convai_async.models import UnknownToolResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from convai_async.cli._times import TimeFormatter
    from convai_async.models import Conversation, ToolCall, ToolResult, TranscriptTurn

_ROLE_STYLES = {"agent": "bold cyan", "user": "bold green"}
_MAX_TERMINAL_CHARS = 400


class _Row(NamedTuple):
    """A row of a transcript.

    Attributes:
        time: The time in the call.
        label: The speaker, or the kind of tool event.
        content: The message, or the details of the tool event.
    """

    time: str
    label: Text
    content: Text


class TranscriptView:
    """Shows a conversation: heading, turns with tool calls, and evaluation.

    Args:
        conversation: The conversation.
        times: Formats the start time.
    """

    def __init__(self, conversation: Conversation, times: TimeFormatter) -> None:
        self._conversation = conversation
        self._times = times

    def render(self) -> RenderableType:
        """Return a table for a terminal, with long tool parameters and results shortened."""
        turns = Table.grid(padding=(0, 2))
        turns.add_column(justify="right", style="dim", no_wrap=True)
        turns.add_column(no_wrap=True)
        turns.add_column(overflow="fold")
        for row in self._iter_rows(_shorten):
            turns.add_row(*row)
        body = turns if turns.row_count else Text("no transcript", "dim")
        return Group(*self._format_heading(), Text(), body, *self._format_evaluation())

    def format_lines(self) -> Iterator[str]:
        """Yield lines of text, one per turn, without shortening."""
        for text in self._format_heading():
            yield text.plain
        for row in self._iter_rows(to_single_line):
            yield to_single_line(f"{row.time} {row.label.plain}: {row.content.plain}")
        for text in self._format_evaluation():
            yield to_single_line(text.plain)

    def _format_heading(self) -> tuple[Text, Text]:
        conversation, metadata, analysis = self._conversation, self._conversation.metadata, self._conversation.analysis
        title = (analysis and to_single_line(analysis.call_summary_title)) or to_single_line(
            conversation.conversation_id
        )
        started = self._times.format(metadata.start_time_unix_secs)
        details = [
            to_single_line(conversation.conversation_id),
            to_single_line(conversation.agent_id),
            f"{started} {self._times.zone_name}" if started else "",
            format_call_time(metadata.call_duration_secs),
            to_single_line(conversation.status),
            to_single_line(metadata.termination_reason),
        ]
        return Text(title, "bold"), Text(" | ".join(detail for detail in details if detail), "dim")

    def _iter_rows(self, tool_text: Callable[[str | None], str]) -> Iterator[_Row]:
        for turn in self._conversation.transcript:
            if turn.message:
                yield _format_turn(turn)
            for call in turn.tool_calls:
                yield _Row("", Text("tool call", "yellow"), _format_tool_call(call, tool_text))
            for result in turn.tool_results:
                yield _format_tool_result(result, tool_text)

    def _format_evaluation(self) -> Iterator[Text]:
        analysis = self._conversation.analysis
        if analysis is None:
            return
        yield Text()
        result = to_single_line(analysis.call_successful)
        yield Text(f"evaluation: {result or 'none'}", RESULT_STYLES.get(result, ""))
        if analysis.transcript_summary:
            yield Text(strip_control_chars(analysis.transcript_summary))
        for criteria_id, criterion in analysis.evaluation_criteria_results.items():
            verdict, rationale = to_single_line(criterion.result), to_single_line(criterion.rationale)
            yield Text.assemble(
                (f"{to_single_line(criteria_id)}: {verdict}", RESULT_STYLES.get(verdict, "")),
                (f" ({rationale})" if rationale else "", "dim"),
            )
        for name, collected in analysis.data_collection_results.items():
            yield Text(f"{to_single_line(name)} = {to_single_line(str(collected.value))}")


def _format_turn(turn: TranscriptTurn) -> _Row:
    role = to_single_line(turn.role)
    message = Text(strip_control_chars(turn.message))
    if turn.interrupted:
        message.append(" (interrupted)", "dim italic")
    return _Row(format_call_time(turn.time_in_call_secs), Text(role, _ROLE_STYLES.get(role, "bold")), message)


def _format_tool_call(call: ToolCall, tool_text: Callable[[str | None], str]) -> Text:
    return Text.assemble((to_single_line(call.tool_name), "yellow"), " ", (tool_text(call.params_as_json), "dim"))


def _format_tool_result(result: ToolResult, tool_text: Callable[[str | None], str]) -> _Row:
    if isinstance(result, UnknownToolResult):
        problem = f"unknown type: {to_single_line(result.tag) or 'none'}"
        return _Row("", Text("tool result", "yellow"), Text(problem, "dim"))
    style = "red" if result.is_error else "yellow"
    took = "" if result.tool_latency_secs is None else f" ({result.tool_latency_secs:.2f} s)"
    content = Text.assemble(
        (to_single_line(result.tool_name), style), (took, "dim"), " ", (tool_text(result.result_value), "dim")
    )
    return _Row("", Text("tool error" if result.is_error else "tool result", style), content)


def _shorten(text: str | None) -> str:
    line = to_single_line(text)
    more = len(line) - _MAX_TERMINAL_CHARS
    return line if more <= 0 else f"{line[:_MAX_TERMINAL_CHARS]}... ({more:,} more characters; use --json)"
