"""Write an archive's conversations to a file or a stream, in the requested format.

Memory does not grow with the number of conversations. Nothing is overwritten unless requested, and a file is
never incomplete.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from convai_async._support.timestamps import to_utc_datetime
from convai_async._support.validate import validate_choice
from convai_async.archive._batches import report_progress, split_into_batches
from convai_async.archive._formats import _csv, _jsonl
from convai_async.archive._formats._files import (
    COMPRESSED_SUFFIXES,
    check_destination,
    create_file,
    create_folder,
    open_compressed,
)
from convai_async.archive._schema._tables import CONVERSATIONS, JOINED_TABLES, NESTED_TABLES
from convai_async.archive._schema._views import VIEWS
from convai_async.errors import ConfigurationError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

    from convai_async.archive._conditions import Condition
    from convai_async.archive._formats._files import Sink
    from convai_async.archive._location import Location
    from convai_async.archive._reader import ArchiveReader
    from convai_async.archive._schema._table import Column

Table: TypeAlias = Literal[
    "conversations",
    "turns",
    "tool_calls",
    "evaluation_results",
    "data_collection_results",
    "llm_usage",
    "tags",
    "rag_retrievals",
    "step_results",
    "turn_metrics",
    "dynamic_variables",
    "features",
]
"""The tables that a CSV file can hold: those of ``all_tables``."""

Progress: TypeAlias = "Callable[[int], None] | None"


EXPORTED_COLUMNS: dict[str, tuple[Column, ...]] = {
    **{table.name: table.exported for table in (CONVERSATIONS, *JOINED_TABLES)},
    **{view.name: view.columns for view in VIEWS if view.columns},
}
"""The columns of each table that ``all_tables`` writes."""


class ExportTarget(msgspec.Struct, frozen=True):
    """The arguments of `Archive.export`.

    Attributes:
        path: The path of the file or folder.
        table: For CSV, the table.
        format: For ``all_tables``, the format of the files.
        partition: Whether to write a folder with a file for each day.
        all_tables: Whether to write a folder with a file for each table.
        overwrite: Whether to replace an existing file.
    """

    path: Path
    table: Table | None = None
    format: Literal["parquet", "csv"] | None = None
    partition: bool = False
    all_tables: bool = False
    overwrite: bool = False


def export(reader: ArchiveReader, target: ExportTarget, condition: Condition, progress: Progress) -> int:
    """Do the work of `Archive.export`."""
    validate_choice("table", target.table or "conversations", EXPORTED_COLUMNS)
    validate_choice("format", target.format, (None, "parquet", "csv"))
    if not target.all_tables:
        if target.format is not None:
            raise InvalidArgumentError(
                "format", "is only for `all_tables`: otherwise, the name of the file selects the format"
            )
        with reader.join_snapshot():
            return _export_file(reader, target, condition, progress)
    if target.table is not None or target.partition or target.overwrite:
        raise InvalidArgumentError("all_tables", "cannot be combined with `table`, `partition` or `overwrite`")
    with reader.join_snapshot():
        return _export_tables(reader, target.path, condition, suffix=target.format or "parquet", progress=progress)


def _export_file(reader: ArchiveReader, target: ExportTarget, condition: Condition, progress: Progress) -> int:
    path, table, partition, overwrite = target.path, target.table, target.partition, target.overwrite
    compression = path.suffix if path.suffix in COMPRESSED_SUFFIXES else ""
    kind = path.name.removesuffix(compression).rpartition(".")[2]
    if partition and kind not in {"jsonl", "csv"}:
        kind, compression = "parquet", ""
    if kind not in {"jsonl", "csv", "parquet"} or (kind == "parquet" and compression):
        raise InvalidArgumentError(
            "destination", f"{str(path)!r} must end in .jsonl, .csv (both also with .gz or .zst) or .parquet"
        )
    if table is not None and kind != "csv":
        raise InvalidArgumentError("table", "is only for .csv: the other formats have all tables")
    if partition and kind != "parquet":
        raise InvalidArgumentError("partition", "is only for .parquet")
    check_destination("destination", path, overwrite=overwrite, archive=reader.path)
    if kind == "parquet":
        rows = report_progress(_read_parquet_rows(reader, condition), progress)
        return _export_parquet(reader.path, rows, path, partition=partition, overwrite=overwrite)
    with create_file(path, overwrite=overwrite) as file, open_compressed(file, compression) as stream:
        return export_stream(reader, stream, condition, format=kind, table=table, progress=progress)


def _export_tables(reader: ArchiveReader, path: Path, condition: Condition, *, suffix: str, progress: Progress) -> int:
    check_destination("destination", path, overwrite=False, archive=reader.path)
    parquet = import_parquet() if suffix == "parquet" else None
    count = 0
    with create_folder(path) as folder:
        for name, columns in EXPORTED_COLUMNS.items():
            rows = report_progress(reader.iterate_rows(name, [each.name for each in columns], condition), progress)
            with create_file(folder / f"{name}.{suffix}") as file:
                if parquet is None:
                    count += _csv.write(columns, rows, file)
                else:
                    count += parquet.write_table(columns, split_into_batches(rows), file, reader.path)
    return count


def export_stream(  # noqa: PLR0913 - see `Archive.export_to_stream`
    reader: ArchiveReader,
    stream: Sink,
    condition: Condition,
    *,
    format: str,  # noqa: A002 - the public name
    table: Table | None,
    progress: Progress = None,
) -> int:
    """Export an archive to a stream: see `Archive.export_to_stream`."""
    if format == "jsonl":
        return _jsonl.write(reader.source(), report_progress(reader.records(condition), progress), stream)
    name = table or "conversations"
    columns = EXPORTED_COLUMNS[name]
    rows = reader.iterate_rows(name, [each.name for each in columns], condition)
    return _csv.write(columns, report_progress(rows, progress), stream)


def _read_parquet_rows(reader: ArchiveReader, condition: Condition) -> Iterator[dict[str, Any]]:
    for batch in split_into_batches(reader.rows("conversations", condition)):
        ids = [row["conversation_id"] for row in batch]
        for table in NESTED_TABLES:
            nested = reader.get_rows(table.name, ids)
            for row in batch:
                row[table.name] = nested.get(row["conversation_id"], [])
        yield from batch


def _export_parquet(
    archive: Location, rows: Iterable[dict[str, Any]], path: Path, *, partition: bool, overwrite: bool
) -> int:
    _parquet = import_parquet()
    if not partition:
        with create_file(path, overwrite=overwrite) as file:
            written: int = _parquet.write(split_into_batches(rows), file, archive)
            return written
    count = 0
    with create_folder(path) as parts:
        # Conversations of an unknown day come before the others, and after them.
        for number, (day, of_the_day) in enumerate(groupby(rows, key=_get_day)):
            folder = parts / f"date={day}"
            folder.mkdir(mode=0o700, exist_ok=True)
            with create_file(folder / f"part-{number}.parquet") as file:
                count += _parquet.write(split_into_batches(of_the_day), file, archive)
    return count


def import_parquet() -> ModuleType:
    """Return the module that needs pyarrow.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        from convai_async.archive._formats import _parquet  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "Parquet files and data frames need an extra: pip install 'convai-async[parquet]'"
        ) from error
    return _parquet


def _get_day(row: dict[str, Any]) -> str:
    start = row["start_time_unix_secs"]
    moment = to_utc_datetime(start) if isinstance(start, int) else None
    return "unknown" if moment is None else str(moment.date())
