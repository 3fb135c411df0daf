"""``convai-async watch``."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import click

from convai_async.cli._exit_codes import EXIT_SOME_FAILED
from convai_async.cli._formatting import to_single_line
from convai_async.cli._options import (
    add_connection_options,
    agent_option,
    format_examples,
    json_lines_option,
    open_client,
    since_option,
    utc_option,
)
from convai_async.cli._output import dump_json_line, print_note, print_output
from convai_async.cli._signals import stop_gracefully

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from convai_async.models import Conversation

_ID_VARIABLE = "CONVAI_CONVERSATION_ID"


@click.command(
    "watch",
    epilog=format_examples(
        "convai-async watch --json >> calls.jsonl",
        "convai-async watch --exec 'python on_call.py'",
        "convai-async watch --exec 'sh -c \"cat > $CONVAI_CONVERSATION_ID.json\"'",
    ),
)
@agent_option
@since_option
@utc_option
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two requests for the list.",
)
@json_lines_option
@click.option(
    "--exec",
    "command",
    metavar="COMMAND",
    help=f"Run COMMAND for each conversation, with its id in ${_ID_VARIABLE} and its JSON on standard input.",
)
@add_connection_options
def watch_command(  # noqa: PLR0913 - the options, each by its name
    agent_id: str | None,
    since: datetime | None,
    *,
    utc: bool,  # noqa: ARG001 - parsing --since uses it
    interval: float,
    as_json: bool,
    command: str | None,
    **connection: Any,
) -> int:
    """Print the id of each conversation when it is done or has failed. Press Ctrl-C to stop.

    By default only conversations that start from now on; --since includes earlier ones.

    With --exec, commands run one at a time and without a shell: use sh -c for pipes and variables. Failed commands
    are reported on standard error, and the exit code is then 1.
    """
    words = _split_command(command)
    settings = {"agent_id": agent_id, "since": since, "interval": interval}
    failed = asyncio.run(_watch(words, settings, connection, as_json=as_json))
    if failed:
        print_note(f"failed commands: {failed:,}")
    return EXIT_SOME_FAILED if failed else 0


def _split_command(command: str | None) -> list[str]:
    """Split a command into words, and replace its program by its path.

    Raises:
        click.UsageError: The program does not exist, or a quote is not closed.
    """
    if command is None:
        return []
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise click.UsageError(f"--exec: {error}") from None
    program = shutil.which(words[0]) if words else None
    if program is None:
        raise click.UsageError(f"--exec: program not found: {words[0] if words else ''!r}")
    return [program, *words[1:]]


async def _watch(words: list[str], settings: dict[str, Any], connection: dict[str, Any], *, as_json: bool) -> int:
    """Print conversations, or run the command for each one, until Ctrl-C; return how many commands failed."""
    stop, failed = anyio.Event(), 0
    async with open_client(**connection) as client, client.conversations.watch(**settings) as watch:
        with stop_gracefully(stop, "stopping"):
            async for conversation in _iterate_until(stop, watch):
                if words:
                    failed += not await _run_command(words, conversation)
                else:
                    print_output(
                        dump_json_line(conversation) if as_json else to_single_line(conversation.conversation_id)
                    )
    return failed


async def _iterate_until(stop: anyio.Event, watch: AsyncIterator[Conversation]) -> AsyncIterator[Conversation]:
    """Yield the conversations of a watch until ``stop`` is set."""
    stopped = asyncio.ensure_future(stop.wait())
    while not stop.is_set():
        upcoming = asyncio.ensure_future(anext(watch))
        await asyncio.wait({upcoming, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not upcoming.done():
            upcoming.cancel()
            return
        yield upcoming.result()


async def _run_command(words: list[str], conversation: Conversation) -> bool:
    """Run the command for a conversation, and return whether it succeeded."""
    conversation_id = to_single_line(conversation.conversation_id)
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, env={**os.environ, _ID_VARIABLE: conversation_id}
    )
    try:
        await process.communicate(dump_json_line(conversation) + b"\n")
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):  # it has already ended
            process.terminate()
        await process.wait()
        raise
    if process.returncode:
        print_note(f"{conversation_id}: {words[0]} failed with exit code {process.returncode}")
    return process.returncode == 0
