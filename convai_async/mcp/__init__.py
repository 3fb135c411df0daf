"""An MCP server that lets an assistant search and read an archive. It needs the extra ``mcp``.

`serve` runs it on standard input and output, as ``convai-async mcp calls.db`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["serve"]


async def serve(path: Path, *, allow_sql: bool = False) -> None:
    """Serve an archive on standard input and output until the input ends.

    Args:
        path: The archive.
        allow_sql: Whether to add the tools ``sql`` and ``schema``; False by default.

    Raises:
        ConfigurationError: The extra ``mcp`` is not installed.
    """
    try:
        from convai_async.mcp._server import run_server  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError("the MCP server needs an extra: pip install 'convai-async[mcp]'") from error
    await run_server(path, allow_sql=allow_sql)
