"""A conversation as people read it: as a table on a terminal, as plain lines in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from convai_async.cli._terminal import RESULT_STYLES, clock_time, one_line, plain
from convai_async.models import UnknownToolResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from convai_async.cli._moments import Clock
    from convai_async.models import Conversation, ToolCall, ToolResult, TranscriptTurn

_ROLE_STYLES = {"agent": "bold cyan", "user": "bold green"}
_LONGEST_ON_A_TERMINAL = 400


class _Row(NamedTuple):
    """A line of a transcript.

    Attributes:
        time: When in the call.
        who: Who speaks, or what a tool does.
        what: What was said or done.
    """

    time: str
    who: Text
    what: Text


class Transcript:
    """A conversation to show: heading, turns with their tools, and how it was judged.

    Args:
        conversation: Which one.
        clock: How to show when it started.
    """

    def __init__(self, conversation: Conversation, clock: Clock) -> None:
        self._conversation = conversation
        self._clock = clock

    def table(self) -> RenderableType:
        """Return it for a terminal: words wrap, and what tools send and return is shortened."""
        turns = Table.grid(padding=(0, 2))
        turns.add_column(justify="right", style="dim", no_wrap=True)
        turns.add_column(no_wrap=True)
        turns.add_column(overflow="fold")
        for row in self._rows(_shortened):
            turns.add_row(*row)
        body = turns if turns.row_count else Text("no transcript", "dim")
        return Group(*self._heading(), Text(), body, *self._judgement())

    def lines(self) -> Iterator[str]:
        """Yield it for a pipe: a line for each turn, with all of it and nothing around it."""
        for text in self._heading():
            yield text.plain
        for row in self._rows(one_line):
            yield one_line(f"{row.time} {row.who.plain}: {row.what.plain}")
        for text in self._judgement():
            yield one_line(text.plain)

    def _heading(self) -> tuple[Text, Text]:
        conversation, metadata, analysis = self._conversation, self._conversation.metadata, self._conversation.analysis
        title = (analysis and one_line(analysis.call_summary_title)) or one_line(conversation.conversation_id)
        started = self._clock.show(metadata.start_time_unix_secs)
        facts = [
            one_line(conversation.conversation_id),
            one_line(conversation.agent_id),
            f"{started} {self._clock.zone}" if started else "",
            clock_time(metadata.call_duration_secs),
            one_line(conversation.status),
            one_line(metadata.termination_reason),
        ]
        return Text(title, "bold"), Text(" | ".join(fact for fact in facts if fact), "dim")

    def _rows(self, tool_text: Callable[[str | None], str]) -> Iterator[_Row]:
        for turn in self._conversation.transcript:
            if turn.message:
                yield _spoken(turn)
            for call in turn.tool_calls:
                yield _Row("", Text("calls", "yellow"), _tool_call(call, tool_text))
            for result in turn.tool_results:
                yield _tool_result(result, tool_text)

    def _judgement(self) -> Iterator[Text]:
        analysis = self._conversation.analysis
        if analysis is None:
            return
        yield Text()
        result = one_line(analysis.call_successful)
        yield Text(f"call: {result or 'not judged'}", RESULT_STYLES.get(result, ""))
        if analysis.transcript_summary:
            yield Text(plain(analysis.transcript_summary))
        for criteria_id, criterion in analysis.evaluation_criteria_results.items():
            verdict, rationale = one_line(criterion.result), one_line(criterion.rationale)
            yield Text.assemble(
                (f"{one_line(criteria_id)}: {verdict}", RESULT_STYLES.get(verdict, "")),
                (f" ({rationale})" if rationale else "", "dim"),
            )
        for name, collected in analysis.data_collection_results.items():
            yield Text(f"{one_line(name)} = {one_line(str(collected.value))}")


def _spoken(turn: TranscriptTurn) -> _Row:
    role = one_line(turn.role)
    message = Text(plain(turn.message))
    if turn.interrupted:
        message.append(" (interrupted)", "dim italic")
    return _Row(clock_time(turn.time_in_call_secs), Text(role, _ROLE_STYLES.get(role, "bold")), message)


def _tool_call(call: ToolCall, tool_text: Callable[[str | None], str]) -> Text:
    return Text.assemble((one_line(call.tool_name), "yellow"), " ", (tool_text(call.params_as_json), "dim"))


def _tool_result(result: ToolResult, tool_text: Callable[[str | None], str]) -> _Row:
    if isinstance(result, UnknownToolResult):
        problem = f"of an unknown type, {one_line(result.tag) or 'unnamed'}"
        return _Row("", Text("result", "yellow"), Text(problem, "dim"))
    style = "red" if result.is_error else "yellow"
    took = "" if result.tool_latency_secs is None else f" ({result.tool_latency_secs:.2f} s)"
    what = Text.assemble(
        (one_line(result.tool_name), style), (took, "dim"), " ", (tool_text(result.result_value), "dim")
    )
    return _Row("", Text("fails" if result.is_error else "result", style), what)


def _shortened(text: str | None) -> str:
    line = one_line(text)
    more = len(line) - _LONGEST_ON_A_TERMINAL
    return line if more <= 0 else f"{line[:_LONGEST_ON_A_TERMINAL]}... ({more:,} more characters with --json)"
