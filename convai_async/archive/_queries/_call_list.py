"""List the newest calls, each in one line of the view ``calls``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.archive._conditions import parse_filters, validate_sql_text
from convai_async.archive._queries._run_query import run_query

if TYPE_CHECKING:
    from datetime import date

    from convai_async.archive._location import ArchivePath, PostgresUrl
    from convai_async.archive._queries._run_query import QueryResult


def list_calls(  # noqa: PLR0913 - keyword-only
    path: ArchivePath | PostgresUrl,
    *,
    call_successful: str | None = None,
    agent_id: str | None = None,
    since: date | int | None = None,
    until: date | int | None = None,
    max_rows: int = 100,
) -> QueryResult:
    """Return the rows of the view ``calls``, newest first.

    Args:
        path: The archive, which has to be a file.
        call_successful: Only conversations with this result of the success evaluation: ``"success"``, ``"failure"`` or
            ``"unknown"``.
        agent_id: Only conversations with this agent.
        since: Only conversations that started at this time or later.
        until: Only conversations that started before this time.
        max_rows: The maximum number of rows; 100 by default.

    Raises:
        InvalidArgumentError: A filter is not valid, or the archive is a database.
        ArchiveError: The file does not exist, is not a convai archive, or has another version.
    """
    condition, parameters = parse_filters(agent_id, since, until)
    if call_successful is not None:
        validate_sql_text("call_successful", call_successful)
        condition, parameters = f"{condition} AND call_successful = ?", [*parameters, call_successful]
    newest = f"SELECT conversation_id, start_time_unix_secs FROM conversations WHERE {condition}"  # noqa: S608
    return run_query(
        path,
        f"SELECT calls.* FROM ({newest} ORDER BY start_time_unix_secs DESC LIMIT ?) AS newest"  # noqa: S608
        " CROSS JOIN calls USING (conversation_id) ORDER BY newest.start_time_unix_secs DESC",
        [*parameters, max_rows + 1],
        max_rows=max_rows,
    )
