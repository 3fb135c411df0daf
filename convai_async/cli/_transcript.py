"""A conversation as a person likes to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from convai_async.cli._terminal import clock_time, one_line, plain, utc
from convai_async.models import UnknownToolResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from convai_async.models import Conversation, ToolCall, ToolResult, TranscriptTurn

_ROLE_STYLES = {"agent": "bold cyan", "user": "bold green"}
_RESULT_STYLES = {"success": "green", "failure": "red"}
_LONGEST_RESULT = 400


def render(conversation: Conversation) -> RenderableType:
    """Return a conversation for rich to print: heading, turns with their tools, and judgement."""
    return Group(_heading(conversation), Text(), _transcript(conversation), *_judgement(conversation))


def _heading(conversation: Conversation) -> Text:
    metadata, analysis = conversation.metadata, conversation.analysis
    title = (analysis and one_line(analysis.call_summary_title)) or one_line(conversation.conversation_id)
    started = utc(metadata.start_time_unix_secs)
    facts = [
        one_line(conversation.conversation_id),
        one_line(conversation.agent_id),
        f"{started} UTC" if started else "",
        clock_time(metadata.call_duration_secs),
        one_line(conversation.status),
        one_line(metadata.termination_reason),
    ]
    return Text.assemble((title, "bold"), "\n", (" · ".join(fact for fact in facts if fact), "dim"))


def _transcript(conversation: Conversation) -> RenderableType:
    if not conversation.transcript:
        return Text("no transcript", "dim")
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for turn in conversation.transcript:
        _add_turn(table, turn)
    return table


def _add_turn(table: Table, turn: TranscriptTurn) -> None:
    role = one_line(turn.role)
    if turn.message:
        message = Text(plain(turn.message))
        if turn.interrupted:
            message.append(" — interrupted", "dim italic")
        table.add_row(clock_time(turn.time_in_call_secs), Text(role, _ROLE_STYLES.get(role, "bold")), message)
    for call in turn.tool_calls:
        table.add_row("", Text("calls", "yellow"), _tool_call(call))
    for result in turn.tool_results:
        table.add_row("", *_tool_result(result))


def _tool_call(call: ToolCall) -> Text:
    return Text.assemble((one_line(call.tool_name), "yellow"), " ", (_shortened(call.params_as_json), "dim"))


def _tool_result(result: ToolResult) -> tuple[Text, Text]:
    if isinstance(result, UnknownToolResult):
        return Text("result", "yellow"), Text(f"of an unknown type, {one_line(result.tag) or 'unnamed'}", "dim")
    style = "red" if result.is_error else "yellow"
    took = "" if result.tool_latency_secs is None else f" ({result.tool_latency_secs:.2f} s)"
    return (
        Text("fails" if result.is_error else "result", style),
        Text.assemble(
            (one_line(result.tool_name), style), (took, "dim"), " ", (_shortened(result.result_value), "dim")
        ),
    )


def _shortened(text: str | None) -> str:
    line = one_line(text)
    return line if len(line) <= _LONGEST_RESULT else line[:_LONGEST_RESULT] + "…"


def _judgement(conversation: Conversation) -> Iterator[RenderableType]:
    analysis = conversation.analysis
    if analysis is None:
        return
    result = one_line(analysis.call_successful)
    yield Text.assemble("\n", (f"call: {result or 'not judged'}", _RESULT_STYLES.get(result, "")))
    if analysis.transcript_summary:
        yield Text(plain(analysis.transcript_summary))
    for criteria_id, criterion in analysis.evaluation_criteria_results.items():
        verdict = one_line(criterion.result)
        yield Text.assemble(
            (f"{one_line(criteria_id)}: {verdict}", _RESULT_STYLES.get(verdict, "")),
            (f"  {one_line(criterion.rationale)}", "dim"),
        )
    for name, collected in analysis.data_collection_results.items():
        yield Text.assemble(f"{one_line(name)} = {one_line(str(collected.value))}")
