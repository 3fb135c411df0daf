"""The archive's tables: each column once, with its type, where its value comes from, and its meaning.

The SQL schema, the rows that are inserted, the exported files and the documentation are derived from `TABLES`.
A new column needs a line here or in the modules of its table, and a
migration in `_sqlite/_migrations` and `_postgres/_migrations` for archives that exist.
"""

from __future__ import annotations

from convai_async.archive._schema._conversation_table import CONVERSATIONS
from convai_async.archive._schema._fact_tables import FACT_TABLES
from convai_async.archive._schema._step_tables import STEP_JOBS, STEP_RESULTS, STEPS
from convai_async.archive._schema._table import Column, Table
from convai_async.archive._schema._turn_tables import TOOL_CALLS, TURNS, TURNS_SEARCH

__all__ = [
    "CONVERSATIONS",
    "CONVERSATION_TABLES",
    "DETAIL_NAMES",
    "DETAIL_TABLES",
    "FACT_TABLES",
    "JOINED_TABLES",
    "NESTED_TABLES",
    "ROW_TABLES",
    "SCHEMA_VERSION",
    "TABLES",
    "TOOL_CALLS",
    "TURNS",
    "TURNS_SEARCH",
]

SCHEMA_VERSION = 7
"""The version of the tables, in SQLite and in PostgreSQL."""

ARCHIVE = Table(
    "archive",
    "One row about the archive itself.",
    (
        Column("source", "TEXT NOT NULL", "The service's address, or 'sandbox:<n>'."),
        Column("key_salt", "BLOB", "Random bytes, hashed together with the API key."),
        Column("key_fingerprint", "BLOB", "Salted hash of the API key; null until the workspace is known."),
        Column(
            "scrub_due",
            "INTEGER NOT NULL DEFAULT 0",
            "1 while the file may still contain text of removed conversations.",
        ),
        Column(
            "upgraded_to",
            "TEXT",
            "While an upgrade fills in new columns: the last conversation that has them, at first ''; else null.",
        ),
    ),
)

AUDIO = Table(
    "audio",
    "One row for each recording that was saved.",
    (
        Column(
            "conversation_id",
            "TEXT PRIMARY KEY REFERENCES conversations ON DELETE CASCADE",
            "The conversation that was recorded.",
        ),
        Column("path", "TEXT NOT NULL", "The file, relative to the archive's folder; or the URL of a file or object."),
        Column("size", "INTEGER NOT NULL", "Its size in bytes."),
        Column("sha256", "TEXT NOT NULL", "Its SHA-256, in hexadecimal."),
        Column("content_type", "TEXT NOT NULL", "Its media type."),
    ),
)

FAILURES = Table(
    "failures",
    "One row for everything that could not be fetched or read; the next harvest tries it again.",
    (
        Column(
            "conversation_id",
            "TEXT NOT NULL",
            "The conversation; for a part of the list 'line:<hash>' or 'range:<start>-<end>'.",
        ),
        Column("part", "TEXT NOT NULL", "'conversation', 'audio', or 'list' for a part of the list."),
        Column("error", "TEXT NOT NULL", "The error."),
        Column("attempts", "INTEGER NOT NULL", "The number of requests that were sent, over all runs."),
        Column("failed_unix_secs", "INTEGER NOT NULL", "The time of the last failure."),
        Column("summary_json", "BLOB", "Its entry in the list, byte for byte; else null."),
    ),
    constraints=("PRIMARY KEY (conversation_id, part)",),
)

DELETED_IDS = Table(
    "deleted_ids",
    "One row for each conversation that was deleted from the archive, so that nothing stores it again.",
    (
        Column("id_sha256", "TEXT PRIMARY KEY", "The SHA-256 of its id, in hexadecimal."),
        Column("deleted_unix_secs", "INTEGER NOT NULL", "When it was deleted."),
        Column(
            "pruned",
            "INTEGER NOT NULL",
            "1 if it was pruned; a harvest stores it again if the service has it again. Else 0.",
        ),
    ),
    options="WITHOUT ROWID",
)

WINDOWS = Table(
    "windows",
    "One row for each range of time whose list was read; its conversations are in conversations or failures.",
    (
        Column("agent_id", "TEXT NOT NULL", "The agent whose list was read; '' for all agents."),
        Column("start_unix_secs", "INTEGER NOT NULL", "The first second of the range."),
        Column("end_unix_secs", "INTEGER NOT NULL", "The second after the last one of the range."),
    ),
    constraints=("PRIMARY KEY (agent_id, start_unix_secs)",),
)

RUNS = Table(
    "runs",
    "One row for each run of the harvest.",
    (
        Column("run_id", "INTEGER PRIMARY KEY", "The run's number."),
        Column("started_unix_secs", "INTEGER NOT NULL", "The start time."),
        Column("ended_unix_secs", "INTEGER", "The end time; null if it is still running or was killed."),
        Column("report", "TEXT", "Its counts as JSON."),
        Column("error", "TEXT", "The error that ended it; else null."),
    ),
)

DETAIL_TABLES = (TURNS, TOOL_CALLS, *FACT_TABLES)
"""The tables whose rows are replaced together with their conversation's."""

DETAIL_NAMES = tuple(table.name for table in DETAIL_TABLES)
"""Their names."""

JOINED_TABLES = (*DETAIL_TABLES, STEP_RESULTS)
"""The tables that are exported with the conversations that their rows belong to."""

CONVERSATION_TABLES = (*DETAIL_NAMES, AUDIO.name, FAILURES.name, STEP_RESULTS.name, STEP_JOBS.name)
"""The names of the tables with rows that belong to conversations."""

NESTED_TABLES = (TURNS, TOOL_CALLS)
"""The tables that a Parquet file of the conversations has in its rows."""

TABLES = (
    *(ARCHIVE, CONVERSATIONS, TURNS, TURNS_SEARCH, TOOL_CALLS, *FACT_TABLES),
    *(AUDIO, FAILURES, DELETED_IDS, WINDOWS, RUNS, STEPS, STEP_RESULTS, STEP_JOBS),
)
"""All tables, in the order in which they are made."""

ROW_TABLES = {table.name: table for table in (CONVERSATIONS, *NESTED_TABLES)}
"""The tables that `Archive.rows` reads, by name."""
