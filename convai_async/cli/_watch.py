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
from convai_async.cli._options import (
    agent_option,
    connection_options,
    examples,
    json_lines_option,
    open_client,
    since_option,
    utc_option,
)
from convai_async.cli._output import note, service_json, write
from convai_async.cli._signals import orderly_end
from convai_async.cli._terminal import one_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from convai_async.models import Conversation

_ID_VARIABLE = "CONVAI_CONVERSATION_ID"


@click.command(
    "watch",
    epilog=examples(
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
    help="How often to read the list.",
)
@json_lines_option
@click.option(
    "--exec",
    "command",
    metavar="COMMAND",
    help=f"Run COMMAND for each, with its id in ${_ID_VARIABLE} and its JSON on standard input, instead of printing.",
)
@connection_options
def watch_command(  # noqa: PLR0913 - the options, each by its name
    agent_id: str | None,
    since: datetime | None,
    *,
    utc: bool,  # noqa: ARG001 - --since has read it
    interval: float,
    as_json: bool,
    command: str | None,
    **connection: Any,
) -> int:
    """Print the id of each conversation as it becomes done or failed; Ctrl-C ends it.

    It begins with conversations that start from now on, or from --since on. COMMAND is split into words as a shell
    does it, but no shell runs it: for pipes and variables, run one of your own. Commands run one after the other;
    one that fails is named on standard error, and the exit code at the end is 1.
    """
    words = _words(command)
    settings = {"agent_id": agent_id, "since": since, "interval": interval}
    failed = asyncio.run(_watch(words, settings, connection, as_json=as_json))
    if failed:
        note(f"the command failed for {failed:,} conversations")
    return EXIT_SOME_FAILED if failed else 0


def _words(command: str | None) -> list[str]:
    """Return the words of a command, its program as a path.

    Raises:
        click.UsageError: There is no such program, or a quote is not closed.
    """
    if command is None:
        return []
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise click.UsageError(f"--exec: {error}") from None
    program = shutil.which(words[0]) if words else None
    if program is None:
        raise click.UsageError(f"--exec: there is no program {words[0] if words else ''!r}")
    return [program, *words[1:]]


async def _watch(words: list[str], settings: dict[str, Any], connection: dict[str, Any], *, as_json: bool) -> int:
    """Print conversations, or run the command for each, until Ctrl-C; return how many commands failed."""
    stop, failed = anyio.Event(), 0
    async with open_client(**connection) as client, client.conversations.watch(**settings) as watch:
        with orderly_end(stop, "stopping"):
            async for conversation in _until(stop, watch):
                if words:
                    failed += not await _run(words, conversation)
                else:
                    write(service_json(conversation) if as_json else one_line(conversation.conversation_id))
    return failed


async def _until(stop: anyio.Event, watch: AsyncIterator[Conversation]) -> AsyncIterator[Conversation]:
    """Yield what a watch gives until it is time to stop."""
    stopped = asyncio.ensure_future(stop.wait())
    while not stop.is_set():
        coming = asyncio.ensure_future(anext(watch))
        await asyncio.wait({coming, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not coming.done():
            coming.cancel()
            return
        yield coming.result()


async def _run(words: list[str], conversation: Conversation) -> bool:
    """Run a command for a conversation, and return whether it succeeded."""
    conversation_id = one_line(conversation.conversation_id)
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, env={**os.environ, _ID_VARIABLE: conversation_id}
    )
    try:
        await process.communicate(service_json(conversation) + b"\n")
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):  # it has just ended
            process.terminate()
        await process.wait()
        raise
    if process.returncode:
        note(f"{conversation_id}: {words[0]} ended with {process.returncode}")
    return process.returncode == 0
