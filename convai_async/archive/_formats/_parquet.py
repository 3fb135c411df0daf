"""Write conversations to a Parquet file; needs pyarrow, the extra ``parquet``."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from convai_async._support.timestamps import to_utc_datetime
from convai_async.archive._errors import translate_content_errors
from convai_async.archive._schema._tables import CONVERSATIONS, NESTED_TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from convai_async.archive._location import Location
    from convai_async.archive._schema._table import Column, Table

_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("s", tz="UTC"),
    "date": pa.date32(),
}


def _build_fields(columns: Iterable[Column]) -> dict[str, pa.DataType]:
    return {column.exported_name: _TYPES[column.arrow] for column in columns if column.arrow is not None}


def _build_list_type(table: Table) -> pa.DataType:
    fields = _build_fields(table.exported)
    del fields["conversation_id"]
    return pa.list_(pa.struct(fields))


SCHEMA = pa.schema(
    _build_fields(CONVERSATIONS.exported) | {table.name: _build_list_type(table) for table in NESTED_TABLES}
)
"""A row for each conversation, without its JSON."""


def write(batches: Iterable[list[dict[str, Any]]], file: IO[bytes], archive: Location) -> int:
    """Write rows, a row group for each batch, and return how many there were.

    Raises:
        ArchiveError: The archive holds values that are not of their columns' types.
    """
    return _write(batches, file, archive, SCHEMA, _convert_nested)


def write_table(
    columns: Sequence[Column], batches: Iterable[list[dict[str, Any]]], file: IO[bytes], archive: Location
) -> int:
    """Write the rows of one table; see `write`."""
    return _write(batches, file, archive, pa.schema(_build_fields(columns)), lambda row: _convert(columns, row))


def build_table(columns: Sequence[Column], batches: Iterable[list[dict[str, Any]]], archive: Location) -> pa.Table:
    """Return the rows of one table in memory; see `write`."""
    schema = pa.schema(_build_fields(columns))
    tables = [schema.empty_table()]  # it gives a table without rows its types
    for batch in batches:
        with translate_content_errors(archive):
            tables.append(pa.Table.from_pylist([_convert(columns, row) for row in batch], schema))
    return pa.concat_tables(tables)


def _write(
    batches: Iterable[list[dict[str, Any]]],
    file: IO[bytes],
    archive: Location,
    schema: pa.Schema,
    convert: Callable[[dict[str, Any]], dict[str, Any]],
) -> int:
    count = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            with translate_content_errors(archive):
                table = pa.Table.from_pylist([convert(row) for row in batch], schema)
            writer.write_table(table)
            count += len(batch)
    return count


def _convert_nested(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as Arrow takes it.

    SQLite has no booleans, and Arrow does not take integers for them. A timestamp can be out of the range of years
    that Parquet's milliseconds have.
    """
    typed = _convert(CONVERSATIONS.exported, row)
    for table in NESTED_TABLES:
        typed[table.name] = [_convert(table.exported, each) for each in row[table.name]]
    return typed


def _convert(columns: Iterable[Column], row: dict[str, Any]) -> dict[str, Any]:
    return {
        column.exported_name: _CONVERTERS.get(column.arrow, _keep)(row[column.name])
        for column in columns
        if column.name in row
    }


def _keep(value: Any) -> Any:
    return value


_CONVERTERS: dict[str | None, Callable[[Any], Any]] = {
    "timestamp": to_utc_datetime,
    "date": lambda value: None if (moment := to_utc_datetime(value)) is None else moment.date(),
    "bool": lambda value: None if value is None else bool(value),
}
