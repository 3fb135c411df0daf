"""``convai-async mcp``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from convai_async.cli._options import ArchiveType, format_examples
from convai_async.mcp import serve

if TYPE_CHECKING:
    from convai_async.archive import Location


@click.command("mcp", epilog=format_examples("convai-async mcp calls.db"))
@click.argument("archive", type=ArchiveType())
@click.option("--sql", is_flag=True, help="Also offer tools that run read-only SQL.")
def mcp_command(archive: Location, *, sql: bool) -> int:
    """Serve ARCHIVE to an assistant, as an MCP server on standard input and output."""
    asyncio.run(serve(archive, allow_sql=sql))
    return 0
