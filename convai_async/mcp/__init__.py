"""An MCP server that lets an assistant search and read an archive. It needs the extra ``mcp``.

`serve` runs it on standard input and output, as ``convai-async mcp calls.db`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.archive import Archive
from convai_async.archive._location import require_file
from convai_async.errors import ConfigurationError

if TYPE_CHECKING:
    from convai_async.archive import ArchivePath, PostgresUrl

__all__ = ["serve"]


async def serve(path: ArchivePath | PostgresUrl, *, allow_sql: bool = False) -> None:
    """Serve an archive on standard input and output until the input ends.

    Args:
        path: The archive, which has to be a file.
        allow_sql: Whether to add the tools ``sql`` and ``schema``; False by default.

    Raises:
        ConfigurationError: The extra ``mcp`` is not installed.
        InvalidArgumentError: The archive is a database.
        ArchiveError: The file cannot be read.
    """
    try:
        from convai_async.mcp._server import run_server  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError("the MCP server needs an extra: pip install 'convai-async[mcp]'") from error
    file = require_file(path, "the MCP server needs SQLite to limit the SQL of an assistant")
    Archive.open(file).close()
    await run_server(file.absolute(), allow_sql=allow_sql)
