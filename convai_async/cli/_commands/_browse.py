"""``convai-async browse``."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
import click

from convai_async.cli._options import ArchiveType, format_examples
from convai_async.cli._output import print_output
from convai_async.cli._ports import explain_port_errors, port_option
from convai_async.cli._signals import stop_gracefully
from convai_async.errors import ConfigurationError

if TYPE_CHECKING:
    from convai_async.archive import Location


@click.command(
    "browse",
    epilog=format_examples(
        "convai-async browse calls.db",
        "convai-async browse calls.db --port 9000 --no-open",
    ),
)
@click.argument("archive", type=ArchiveType())
@port_option(8808)
@click.option("--no-open", is_flag=True, help="Only print the URL, and do not open a browser.")
def browse_command(archive: Location, port: int, *, no_open: bool) -> int:
    """Open a local web page to read and listen to the conversations of ARCHIVE. Press Ctrl-C to stop.

    It listens on 127.0.0.1, cannot change the archive, and answers only to browsers that opened the printed URL.
    """
    asyncio.run(_serve(archive, port, open_browser=not no_open))
    return 0


async def _serve(archive: Location, port: int, *, open_browser: bool) -> None:
    try:
        from convai_async.browse import serve_archive  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError:
        raise ConfigurationError("this command needs an extra: pip install 'convai-async[browse]'") from None
    stop = anyio.Event()
    async with AsyncExitStack() as stack:
        with explain_port_errors(port):
            pages = await stack.enter_async_context(serve_archive(archive, port=port))
        with stop_gracefully(stop, "stopping"):
            print_output(f"URL: {pages.url}\nPress Ctrl-C to stop.")
            if open_browser and _has_screen():
                await asyncio.to_thread(webbrowser.open, pages.build_single_use_url())
            await stop.wait()


def _has_screen() -> bool:
    """Return whether a browser can open a window; one that runs in the terminal would hide the URL."""
    has_window_system = sys.platform in {"darwin", "win32"}
    return has_window_system or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
