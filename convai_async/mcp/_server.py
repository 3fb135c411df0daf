"""The MCP server, on standard input and output. It needs the SDK ``mcp``."""

from __future__ import annotations

import functools
import inspect
from threading import Event
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from convai_async._support.text import to_short_line
from convai_async._version import __version__
from convai_async.errors import ConvAIError
from convai_async.mcp._stdin import end_stdin_on_interrupt
from convai_async.mcp._tools import Tools
from convai_async.mcp._untrusted import NOTE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_INSTRUCTIONS = (
    "An archive of conversations between people and voice agents. Start with `stats` or `calls`, find text with"
    f" `search`, and read a conversation with `show`. Times are in UTC. {NOTE}"
)


async def run_server(path: Path, *, allow_sql: bool) -> None:
    """Serve an archive until standard input ends, or until Ctrl-C."""
    ended = Event()
    with end_stdin_on_interrupt(ended):
        await build_server(Tools(path, ended), allow_sql=allow_sql).run_stdio_async()


def build_server(tools: Tools, *, allow_sql: bool) -> MCPServer:
    """Return the server with its tools."""
    server = MCPServer("convai-async", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING")
    functions: list[Callable[..., str]] = [tools.search, tools.calls, tools.show, tools.stats]
    functions += [tools.sql, tools.schema] if allow_sql else []
    for function in functions:
        server.add_tool(
            _report_errors(function),
            description=f"{inspect.getdoc(function)}\n\n{NOTE}",
            annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
            structured_output=False,
        )
    return server


def _report_errors(function: Callable[..., str]) -> Callable[..., str]:
    """Return a tool that reports a `ConvAIError` to the assistant; the SDK hides the text of other errors."""

    @functools.wraps(function)
    def run(*args: Any, **options: Any) -> str:
        try:
            return function(*args, **options)
        except ConvAIError as error:
            raise ToolError(to_short_line(str(error))) from error

    return run
