"""The tables of steps: which ones there are, their results, and their jobs."""

from __future__ import annotations

from convai_async.archive._schema._table import CONVERSATION_ID, Column, Table

_STEP = Column("step", "TEXT NOT NULL", "The step's name.", "string")

STEPS = Table(
    "steps",
    "One row for each step that was run; new and changed conversations are queued for it.",
    (
        Column("name", "TEXT PRIMARY KEY", "The step's name."),
        Column("version", "INTEGER NOT NULL", "Its newest version."),
        Column("selects", "TEXT NOT NULL", "'final' if it runs on final conversations only, or 'all'."),
        Column(
            "queued_to",
            "TEXT",
            "While conversations that were stored before are queued: the last one that was, at first ''; else null.",
        ),
    ),
)

STEP_RESULTS = Table(
    "step_results",
    "One row for each conversation that a step has processed.",
    (
        CONVERSATION_ID,
        _STEP,
        Column("version", "INTEGER NOT NULL", "The step's version.", "int64"),
        Column("result", "TEXT", "Its result, JSON; null if it returned None.", "string"),
        Column("finished_unix_secs", "INTEGER NOT NULL", "When it finished.", "timestamp"),
    ),
    constraints=("PRIMARY KEY (conversation_id, step)",),
    statements=("CREATE INDEX step_results_by_step ON step_results (step, version);",),
)

STEP_JOBS = Table(
    "step_jobs",
    "One row for each conversation that a step has to process.",
    (
        CONVERSATION_ID,
        _STEP,
        Column("version", "INTEGER NOT NULL", "The step's version."),
        Column("attempts", "INTEGER NOT NULL", "How many attempts have failed."),
        Column(
            "due_unix_secs",
            "INTEGER",
            "When it can run; while it runs, when another process can take it over; null if all attempts failed.",
        ),
        Column("claim", "TEXT", "Random text that identifies the batch that it runs in; null if it does not run."),
        Column("error", "TEXT", "The error of the last attempt; else null."),
    ),
    constraints=("PRIMARY KEY (conversation_id, step)",),
    options="WITHOUT ROWID",
    statements=("CREATE INDEX step_jobs_by_due ON step_jobs (step, due_unix_secs);",),
)
