"""Render conversations and pages as HTML for notebooks. All text is escaped, and nothing is loaded from elsewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from convai_async.models._repr import format_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SHOWN_CHARS = 300
_FOLDED_CHARS = 3000
_MAX_TURNS = 200
_MAX_ITEMS = 100
_TABLE = "white-space: pre-wrap; overflow-wrap: anywhere"
_CELL = "text-align:left;vertical-align:top;min-width:4em"
"""Notebooks style cells, so a style of the table would not reach them."""


def render_conversation(conversation: Any) -> str:
    """Return the main properties of a conversation, and its transcript as a table."""
    metadata, analysis, turns = conversation.metadata, conversation.analysis, conversation.transcript or ()
    properties = [
        conversation.conversation_id,
        conversation.agent_name or conversation.agent_id,
        _format_time(metadata),
        conversation.status,
        format_seconds(getattr(metadata, "call_duration_secs", None)),
        getattr(analysis, "call_successful", None),
        getattr(metadata, "termination_reason", None),
    ]
    title = getattr(analysis, "call_summary_title", None) or "Conversation"
    summary = getattr(analysis, "transcript_summary", None)
    rows = [row for turn in turns[:_MAX_TURNS] for row in _render_turn(turn)]
    if len(turns) > _MAX_TURNS:
        rows.append(_render_row("td", ["", "", f"… {len(turns) - _MAX_TURNS:,} more turns in `transcript`"]))
    return "".join(
        [
            f"<div><strong>{_fold(title)}</strong><br>",
            " · ".join(escape(_to_text(each)) for each in properties if each),
            f"<p>{_fold(summary)}</p>" if summary else "",
            _render_table(["time", "role", "message"], rows) if rows else "<p>No transcript.</p>",
            "</div>",
        ]
    )


def render_page(items: Sequence[Any], *, has_more: bool, are_conversations: bool) -> str:
    """Return the items of a page as a table."""
    shown = items[:_MAX_ITEMS]
    if are_conversations:
        header = ["conversation_id", "start", "agent", "status", "time", "messages", "result", "title"]
        rows = [_render_row("td", _read_cells(each)) for each in shown]
    else:
        header, rows = ["item"], [_render_row("td", [repr(each)]) for each in shown]
    left = len(items) - len(shown)
    notes = [
        f"{len(items):,} items",
        f"{left:,} of them not shown" if left else "",
        "more pages follow" if has_more else "",
    ]
    return f"<div>{_render_table(header, rows) if rows else ''}<p>{', '.join(filter(None, notes))}</p></div>"


def _read_cells(summary: Any) -> list[Any]:
    return [
        summary.conversation_id,
        _format_time(summary),
        summary.agent_name or summary.agent_id,
        summary.status,
        format_seconds(summary.call_duration_secs),
        summary.message_count,
        summary.call_successful,
        summary.call_summary_title,
    ]


def _render_turn(turn: Any) -> Iterator[str]:
    time, role = format_seconds(turn.time_in_call_secs), turn.role
    if turn.message:
        yield _render_row("td", [time, role, f"{turn.message} (interrupted)" if turn.interrupted else turn.message])
    for call in turn.tool_calls or ():
        yield _render_row("td", [time, "tool call", f"{call.tool_name} {call.params_as_json or ''}"])
    for result in turn.tool_results or ():
        kind = "tool error" if getattr(result, "is_error", False) else "tool result"
        name = getattr(result, "tool_name", None) or getattr(result, "tag", None)
        yield _render_row("td", [time, kind, f"{name} {getattr(result, 'result_value', None) or ''}"])


def _render_table(header: Sequence[str], rows: Iterable[str]) -> str:
    return f'<table style="{_TABLE}"><thead>{_render_row("th", header)}</thead><tbody>{"".join(rows)}</tbody></table>'


def _render_row(tag: str, cells: Iterable[Any]) -> str:
    return "<tr>" + "".join(f'<{tag} dir="auto" style="{_CELL}">{_fold(cell)}</{tag}>' for cell in cells) + "</tr>"


def _fold(value: Any) -> str:
    """Return escaped text whose end is folded if it is long, and cut if it is very long."""
    text = _to_text(value)
    if len(text) <= _SHOWN_CHARS:
        return escape(text)
    left = len(text) - _FOLDED_CHARS
    folded = text[:_FOLDED_CHARS] + (f"… ({left:,} more characters)" if left > 0 else "")
    return f"<details><summary>{escape(text[:_SHOWN_CHARS])}…</summary>{escape(folded)}</details>"


def _to_text(value: Any) -> str:
    # A notebook is saved as UTF-8, which has no half surrogate pairs.
    return "" if value is None else str(value).encode(errors="replace").decode()


def _format_time(value: Any) -> str:
    start = None if value is None else value.start_time
    return "" if start is None else f"{start:%Y-%m-%d %H:%M} UTC"
