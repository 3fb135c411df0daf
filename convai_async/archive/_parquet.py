"""Conversations as a Parquet file; needs pyarrow, the extra ``parquet``."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from convai_async._support.timestamps import utc_datetime
from convai_async.archive._database import contents_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_TEXT, _INTEGER, _REAL, _BOOLEAN = pa.string(), pa.int64(), pa.float64(), pa.bool_()

_TURN = pa.struct(
    {
        "position": _INTEGER,
        "role": _TEXT,
        "message": _TEXT,
        "time_in_call_secs": _INTEGER,
        "interrupted": _BOOLEAN,
        "llm": _TEXT,
    }
)

_TOOL_CALL = pa.struct(
    {
        "position": _INTEGER,
        "turn_position": _INTEGER,
        "request_id": _TEXT,
        "tool_name": _TEXT,
        "type": _TEXT,
        "params_as_json": _TEXT,
        "result_value": _TEXT,
        "is_error": _BOOLEAN,
        "tool_latency_secs": _REAL,
    }
)

SCHEMA = pa.schema(
    {
        "conversation_id": _TEXT,
        "agent_id": _TEXT,
        "agent_name": _TEXT,
        "user_id": _TEXT,
        "status": _TEXT,
        "start_time_unix_secs": pa.timestamp("s", tz="UTC"),
        "call_duration_secs": _INTEGER,
        "message_count": _INTEGER,
        "call_successful": _TEXT,
        "direction": _TEXT,
        "rating": _REAL,
        "cost": _INTEGER,
        "main_language": _TEXT,
        "termination_reason": _TEXT,
        "call_summary_title": _TEXT,
        "transcript_summary": _TEXT,
        "has_audio": _BOOLEAN,
        "fetched_unix_secs": pa.timestamp("s", tz="UTC"),
        "decode_error": _TEXT,
        "deleted_unix_secs": pa.timestamp("s", tz="UTC"),
        "no_audio_unix_secs": pa.timestamp("s", tz="UTC"),
        "from_webhook": _BOOLEAN,
        "turns": pa.list_(_TURN),
        "tool_calls": pa.list_(_TOOL_CALL),
    }
)
"""The table ``conversations`` less its JSON; moments are timestamps."""

_MOMENTS = [field.name for field in SCHEMA if pa.types.is_timestamp(field.type)]


def write(batches: Iterable[list[dict[str, Any]]], file: IO[bytes], archive: Path) -> int:
    """Write rows, a row group for each batch, and return how many there were.

    Raises:
        ArchiveError: The archive that they are of has values of other types than its columns.
    """
    count = 0
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for batch in batches:
            with contents_of(archive):
                table = pa.Table.from_pylist([_typed(row) for row in batch], SCHEMA)
            writer.write_table(table)
            count += len(batch)
    return count


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    # SQLite has no booleans, and Arrow takes no integers for them; Parquet stores milliseconds, of fewer years.
    for moment in _MOMENTS:
        row[moment] = utc_datetime(row[moment])
    row["has_audio"] = bool(row["has_audio"])
    row["from_webhook"] = bool(row["from_webhook"])
    for turn in row["turns"]:
        turn["interrupted"] = bool(turn["interrupted"])
    for call in row["tool_calls"]:
        call["is_error"] = None if call["is_error"] is None else bool(call["is_error"])
    return row
