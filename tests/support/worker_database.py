"""What workers have written to a database."""

from __future__ import annotations

from typing import Any

import psycopg


def query(url: str, sql: str, *parameters: Any) -> list[Any]:
    """Execute a statement in a database, and return its rows; of single columns, their values."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path = convai_queue")  # which procrastinate's triggers need
        cursor = connection.execute(sql, parameters)
        rows = cursor.fetchall() if cursor.description else []
    return [row[0] if len(row) == 1 else row for row in rows]


def count_stored(url: str) -> tuple[int, int]:
    """Return how many conversations are in the archives of a database, and how many of them are different."""
    [(rows, ids)] = query(
        url, "SELECT count(*), count(DISTINCT (workspace, conversation_id)) FROM convai.conversations"
    )
    return rows, ids


def list_jobs(url: str) -> list[Any]:
    """Return the arguments, the status and the delay of the harvests in the queue."""
    return query(
        url,
        "SELECT args, status::text, coalesce(extract(epoch FROM scheduled_at - now())::int, 0)"
        " FROM convai_queue.procrastinate_jobs WHERE queue_name = 'convai' ORDER BY id",
    )
