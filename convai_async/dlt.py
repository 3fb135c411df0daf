"""Load an archive into any destination of dlt; needs the extra ``dlt``.

::

    import dlt
    from convai_async.dlt import archive_source

    pipeline = dlt.pipeline("calls", destination="duckdb", dataset_name="calls")
    pipeline.run(archive_source("calls.db"))
"""

from __future__ import annotations

import time
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async._support.timestamps import compute_latest_start, credible_start_or_none
from convai_async._support.validate import validate_text
from convai_async.archive import Archive, describe_tables
from convai_async.errors import ConfigurationError

try:
    import dlt
    import pyarrow as pa
    import pyarrow.compute as pc
except ModuleNotFoundError as error:
    raise ConfigurationError(
        "loading an archive with dlt needs packages that are not installed: pip install 'convai-async[dlt]'"
    ) from error

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from dlt.extract import DltSource

__all__ = ["archive_source"]

_KEYS = {
    "conversations": ("conversation_id",),
    "turns": ("conversation_id", "position"),
    "tool_calls": ("conversation_id", "position"),
    "evaluation_results": (),
    "data_collection_results": (),
    "llm_usage": ("conversation_id", "model", "category"),
    "tags": ("conversation_id", "tag_id"),
    "rag_retrievals": ("conversation_id", "turn_position"),
}
"""The tables that are loaded, with the columns that identify a row of a workspace."""

_DESCRIPTIONS = {table.name: table for table in describe_tables() if table.name in _KEYS}

_REMOVED = "is_removed"
"""The column that tells dlt to remove rows: it is true in rows that are not stored."""

_HOUR = 3600
_UNKNOWN_HOUR = 0
"""The hour of conversations without a valid start time."""

_CONVERSATIONS_AT_ONCE = 500
_TIMESTAMP = pa.timestamp("us", tz="UTC")


def archive_source(archive: str | os.PathLike[str], *, workspace: str | None = None) -> DltSource:
    """Return a dlt source that loads the tables of an archive, without the service's JSON.

    The first run loads everything. A later run loads the hours in which something has changed: a conversation is new,
    was fetched again, or was deleted. The rows of such an hour replace those in the destination, in all tables. The
    state of the pipeline has a digest of each hour.

    Each table has three more columns: ``workspace``; ``start_hour``, the hour in which the conversation started (UTC;
    1970-01-01 00:00 for a conversation without a valid start time); and ``is_removed``, which is always false.

    Args:
        archive: The file of the archive, or the URL of a PostgreSQL database.
        workspace: The value of the column ``workspace``, which separates archives that are loaded into one dataset; by
            default the workspace of the URL, or ``"default"`` for a file.

    Raises:
        ArchiveError: The archive does not exist, or has another version. A run raises it if the archive cannot be read.
        InvalidArgumentError: ``workspace`` is empty.
    """
    with Archive.open(archive) as opened:
        default: str = getattr(opened.path, "workspace", "default")
    name = default if workspace is None else validate_text("workspace", workspace)

    def load() -> Iterator[Any]:
        return _load(archive, name)

    @dlt.source(name="convai_archive")
    def build() -> Any:
        return dlt.resource(load, name="archive")

    return build()


def _load(path: str | os.PathLike[str], workspace: str) -> Iterator[Any]:
    """Yield the rows of the hours that have changed, and note in the pipeline's state what was read."""
    state = dlt.current.resource_state().setdefault(workspace, {})
    known: dict[str, str] = state.get("hours", {})
    version = _compute_version()
    latest = compute_latest_start(time.time())
    with Archive.open(path) as archive:
        # If the archive changes from here on, the digest of the hour differs in the next run, which loads it again.
        digests, counts = _read_hours(archive, latest)
        unchanged = {hour for hour, digest in digests.items() if known.get(str(hour)) == digest}
        if state.get("version") != version:
            unchanged = set()
        for hours in _group(sorted({*digests, *map(int, known)}), unchanged, counts):
            yield from _read_tables(archive, workspace, hours, [hour for hour in hours if str(hour) in known], latest)
    state["version"] = version
    state["hours"] = {str(hour): digest for hour, digest in digests.items()}


def _compute_version() -> str:
    """Return a digest of the columns: when they change, everything is loaded again."""
    return blake2b(msgspec.json.encode(_DESCRIPTIONS), digest_size=8).hexdigest()


def _read_hours(archive: Archive, latest: int) -> tuple[dict[int, str], Counter[int]]:
    """Return a digest of the conversations of each hour, and their number."""
    digests: dict[int, int] = {}
    counts: Counter[int] = Counter()
    for row in archive.rows("conversations"):
        hour = _get_hour(row["start_time_unix_secs"], latest)
        digest = blake2b(msgspec.msgpack.encode([*row.values()]), digest_size=8).digest()
        digests[hour] = digests.get(hour, 0) ^ int.from_bytes(digest)  # the order of the rows does not matter
        counts[hour] += 1
    return {hour: f"{digest:x}" for hour, digest in digests.items()}, counts


def _get_hour(start: int | None, latest: int) -> int:
    start = credible_start_or_none(start, latest)
    return _UNKNOWN_HOUR if start is None else start // _HOUR


def _group(hours: list[int], unchanged: set[int], counts: Counter[int]) -> Iterator[list[int]]:
    """Yield the hours that have changed, in groups between which no other hour is."""
    group: list[int] = []
    size = 0
    for hour in hours:
        if group and (hour in unchanged or size + counts[hour] > _CONVERSATIONS_AT_ONCE):
            yield group
            group, size = [], 0
        if hour not in unchanged:
            group.append(hour)
            size += counts[hour]
    if group:
        yield group


def _read_tables(archive: Archive, workspace: str, hours: list[int], known: list[int], latest: int) -> Iterator[Any]:
    """Yield the rows of each table in a group of hours, and what removes those of hours that have none any more."""
    since, until = hours[0] * _HOUR, (hours[-1] + 1) * _HOUR
    conversations = archive.dataframe("conversations", library="pyarrow", since=since, until=until)
    starts = conversations["start_time"].cast(pa.int64()).to_pylist()
    hours_of = pa.array([_get_hour(start, latest) for start in starts], pa.int64())
    # A conversation without a valid start time is in every range.
    hours_of = pc.if_else(pc.is_in(hours_of, pa.array(hours, pa.int64())), hours_of, None)
    ids = conversations["conversation_id"].combine_chunks()
    for name in _KEYS:
        rows = conversations
        if name != "conversations":
            rows = archive.dataframe(name, library="pyarrow", since=since, until=until)
        row_hours = hours_of.take(pc.index_in(rows["conversation_id"].combine_chunks(), ids))
        rows = _add_columns(rows, name, workspace, row_hours)
        emptied = sorted({*known} - {*row_hours.unique().to_pylist()})
        rows = pa.concat_tables([rows, _build_removals(rows.schema, name, workspace, emptied)])
        # Also without rows, so that each table exists in the destination.
        yield dlt.mark.with_hints(rows, _build_hints(name), create_table_variant=True)


def _add_columns(rows: pa.Table, name: str, workspace: str, hours: pa.Array) -> pa.Table:
    """Return the rows that have an hour, with the columns of the destination."""
    rows = rows.add_column(0, "start_hour", _to_timestamps(hours))
    rows = rows.add_column(0, "workspace", pa.repeat(workspace, len(rows)))
    rows = rows.append_column(_REMOVED, pa.repeat(False, len(rows)))
    fields = [
        pa.field(
            field.name,
            _TIMESTAMP if pa.types.is_timestamp(field.type) else field.type,  # not every destination has seconds
            nullable=field.name not in {"workspace", "start_hour", *_KEYS[name]},
        )
        for field in rows.schema
    ]
    return rows.filter(hours.is_valid()).cast(pa.schema(fields))


def _to_timestamps(hours: pa.Array) -> pa.Array:
    return pc.multiply(hours, _HOUR).cast(pa.timestamp("s", tz="UTC")).cast(_TIMESTAMP)


def _build_removals(schema: pa.Schema, name: str, workspace: str, hours: list[int]) -> pa.Table:
    """Return rows that remove those of hours from the destination."""
    count = len(hours)
    values = {
        "workspace": pa.repeat(workspace, count),
        "start_hour": _to_timestamps(pa.array(hours, pa.int64())),
        _REMOVED: pa.repeat(True, count),
    }
    for key in _KEYS[name]:  # which must not be null
        values[key] = pa.array([str(hour) for hour in hours]).cast(schema.field(key).type)
    columns = [values.get(field.name, pa.nulls(count, field.type)) for field in schema]
    return pa.table(columns, schema)


def _build_hints(name: str) -> Any:
    return dlt.mark.make_hints(
        table_name=name,
        write_disposition="merge",
        primary_key=["workspace", *_KEYS[name]] if _KEYS[name] else None,
        merge_key=["workspace", "start_hour"],
        columns={_REMOVED: {"hard_delete": True}},
    )
