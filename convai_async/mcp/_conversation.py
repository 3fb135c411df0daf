"""Read a conversation in parts: an overview, or some of its turns, so that a long one does not fill the context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.archive import ArchiveError, run_query
from convai_async.mcp._untrusted import MAX_RESULT_CHARS, shorten

if TYPE_CHECKING:
    from pathlib import Path

    from convai_async.archive import QueryResult

_COLUMNS = """
    transcript_summary user_id branch_id version_id environment agent_number phone_call_type text_only queue_wait_secs
    likes dislikes comment decode_error
    """.split()  # noqa: SIM905 - shorter
"""What `show` adds to the columns of the view ``calls``: no JSON, and no dynamic variables."""

_OVERVIEW = f"""\
SELECT calls.*, {", ".join(f"conversations.{name}" for name in _COLUMNS)},
    (SELECT count(*) FROM turns WHERE turns.conversation_id = calls.conversation_id) AS turn_count,
    (SELECT count(*) FROM tool_calls WHERE tool_calls.conversation_id = calls.conversation_id)
        AS tool_call_count
FROM calls JOIN conversations USING (conversation_id) WHERE calls.conversation_id = ?"""  # noqa: S608 - constants

_DETAILS = {
    "evaluation_results": "criteria_id, result, score, max_score, rationale",
    "data_collection_results": "data_collection_id, value, rationale",
    "llm_usage": "model, category, tokens, price",
}

_TURNS = """\
SELECT position AS turn, role, time_in_call_secs AS secs, message, original_message,
    nullif(interrupted, 0) AS interrupted, feedback
FROM turns WHERE conversation_id = ? AND position BETWEEN ? AND ? ORDER BY position"""

_TOOL_CALLS = """\
SELECT turn_position, tool_name, params_as_json AS parameters, result_value AS result, nullif(is_error, 0) AS is_error,
    tool_latency_secs
FROM tool_calls WHERE conversation_id = ? AND turn_position BETWEEN ? AND ? ORDER BY position"""


def read_overview(path: Path, conversation_id: str, max_chars: int) -> dict[str, Any]:
    """Return everything about a conversation except its turns; null values are left out.

    Args:
        path: The archive.
        conversation_id: The conversation.
        max_chars: The length after which each text is cut.

    Raises:
        ArchiveError: The archive does not have it.
    """
    overviews = _to_dicts(run_query(path, _OVERVIEW, (conversation_id,)), max_chars)
    if not overviews:
        raise ArchiveError(f"there is no conversation {conversation_id!r}: take an id from `calls` or `search`")
    (overview,) = overviews
    for table, columns in _DETAILS.items():
        query = f"SELECT {columns} FROM {table} WHERE conversation_id = ?"  # noqa: S608 - constants
        if rows := _to_dicts(run_query(path, query, (conversation_id,), max_rows=100), max_chars):
            overview[table] = rows
    return overview


def read_turns(path: Path, conversation_id: str, first: int, last: int, max_chars: int) -> dict[str, Any]:
    """Return turns of a conversation with their tool calls, until the result would become too long.

    In that case, ``next_turn`` is the position of the first turn that is left out.

    Args:
        path: The archive.
        conversation_id: The conversation.
        first: The position of the first turn, from 0.
        last: The position of the last turn.
        max_chars: The length after which each text is cut.
    """
    span = (conversation_id, first, last)
    tool_calls: dict[int, list[dict[str, Any]]] = {}
    for each in _to_dicts(run_query(path, _TOOL_CALLS, span), max_chars):
        tool_calls.setdefault(each.pop("turn_position"), []).append(each)
    result: dict[str, Any] = {"conversation_id": conversation_id, "turns": []}
    size = 0
    for turn in _to_dicts(run_query(path, _TURNS, span), max_chars):
        if turn["turn"] in tool_calls:
            turn["tool_calls"] = tool_calls[turn["turn"]]
        if size > MAX_RESULT_CHARS:
            result["next_turn"] = turn["turn"]
            break
        size += len(msgspec.json.encode(turn))
        result["turns"].append(turn)
    return result


def _to_dicts(result: QueryResult, max_chars: int) -> list[dict[str, Any]]:
    return [
        {name: shorten(value, max_chars) for name, value in zip(result.columns, row, strict=True) if value is not None}
        for row in result.rows
    ]
