"""``convai-async mcp``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from convai_async.archive import Archive
from convai_async.cli._options import format_examples
from convai_async.mcp import serve


@click.command("mcp", epilog=format_examples("convai-async mcp calls.db"))
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--sql", is_flag=True, help="Also offer tools that run read-only SQL.")
def mcp_command(archive: Path, *, sql: bool) -> int:
    """Serve ARCHIVE to an assistant, as an MCP server on standard input and output."""
    Archive.open(archive).close()
    asyncio.run(serve(archive.absolute(), allow_sql=sql))
    return 0
