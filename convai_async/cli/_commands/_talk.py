"""``convai-async talk``."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from convai_async._support.atomic_files import AtomicFile
from convai_async.cli._display._talk_view import ConversationView, History
from convai_async.cli._exit_codes import EXIT_SOME_FAILED
from convai_async.cli._formatting import to_single_line
from convai_async.cli._options import add_connection_options, format_examples, json_lines_option, open_client
from convai_async.cli._output import is_terminal, print_note
from convai_async.cli._signals import stop_gracefully
from convai_async.cli._talk_input import LineReader, open_line_reader
from convai_async.errors import ConversationClosedError, ConversationRefusedError, ReplyTimeoutError
from convai_async.live import AudioFormat, LiveConversation, read_wav, write_wav

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async.client import ConvAIClient

_ACTIVITY_SECS = 30.0
_FIRST_MESSAGE_SECS = 1.0


@click.command(
    "talk",
    epilog=format_examples(
        "convai-async talk agent_front_desk --sandbox",
        "echo 'Where is my order?' | convai-async talk agent_1 --save talk.jsonl",
        "convai-async talk agent_1 --wav question.wav --out reply.wav",
    ),
)
@click.argument("agent_id")
@click.option("--save", metavar="FILE", type=click.Path(path_type=Path), help="Save the messages in a new JSONL file.")
@click.option(
    "--wav",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Speak this WAV file instead of reading text, and exit after the reply; needs --out.",
)
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path), help="With --wav: the new WAV file for the reply."
)
@json_lines_option
@add_connection_options
def talk_command(
    agent_id: str, *, save: Path | None, wav: Path | None, out: Path | None, as_json: bool, **connection: Any
) -> int:
    """Talk to an agent.

    Each line of input is a message. /quit, Ctrl-D or a second Ctrl-C ends the conversation. From a pipe or a file, each
    message is sent after the reply to the previous one, which may take --timeout seconds.

    Calls of tools that run in the client are shown, and answered with an error. The JSON of --json and --save contains
    the events of the service and your messages, without audio and partial responses.
    """
    if (wav is None) != (out is None):
        raise click.UsageError("--wav and --out must be used together")
    if wav is not None and not wav.is_file():
        raise click.UsageError(f"{str(wav)!r} is not a file")
    if wav is not None:
        _check_wav(wav)
    for path in (save, out):
        if path is not None and path.exists():
            raise click.UsageError(f"{str(path)!r} already exists: choose another file")
        if path is not None and not os.access(path.parent, os.W_OK):
            raise click.UsageError(f"no file can be created in {str(path.parent)!r}: choose another folder")
    if wav is None and sys.stdin is None:
        raise click.UsageError("standard input is closed")
    is_interactive = wav is None and not as_json and is_terminal() and sys.stdin.isatty()
    view = ConversationView(History(save), as_json=as_json, is_interactive=is_interactive)
    try:
        if wav is not None and out is not None:
            return asyncio.run(_speak_file(agent_id, wav, out, view, connection))
        return asyncio.run(_chat(agent_id, view, connection, is_interactive=is_interactive))
    except ReplyTimeoutError:  # its message is for Python code, where the conversation continues
        secs = connection["timeout"]
        print_note(f"convai-async: the agent's reply was not complete after {secs:g} s; --timeout sets another limit")
        return EXIT_SOME_FAILED


def _check_wav(wav: Path) -> None:
    """Check that a file is a WAV file, before a conversation starts, which has a price.

    Its rate is checked later: only the conversation has the rate that the agent expects.
    """
    import wave  # noqa: PLC0415 - most conversations are in text

    try:
        wave.open(str(wav), "rb").close()
    except (wave.Error, EOFError) as error:
        raise click.UsageError(
            f"{str(wav)!r} is not a WAV file of 16-bit PCM{f': {error}' if str(error) else ''}: convert it, for example"
            " with `ffmpeg -i in.mp3 -ar 16000 -ac 1 -c:a pcm_s16le out.wav`"
        ) from None


async def _chat(agent_id: str, view: ConversationView, connection: dict[str, Any], *, is_interactive: bool) -> int:
    stop = anyio.Event()
    hint = "\npress Ctrl-C again, or type /quit, to end the conversation" if is_interactive else None
    async with open_client(**connection) as client, _connect_in_text(client, agent_id) as live:
        with stop_gracefully(stop, "stopping", hint=hint), open_line_reader() as lines:
            talk = (
                _send_typed_lines(live, lines, view)
                if is_interactive
                else _send_piped_lines(live, lines, view, connection["timeout"])
            )
            return await _run_conversation(live, view, talk, stop)


@asynccontextmanager
async def _connect_in_text(client: ConvAIClient, agent_id: str) -> AsyncIterator[LiveConversation]:
    """Open a text-only conversation, or one with audio if the agent does not allow text-only conversations."""
    async with AsyncExitStack() as stack:
        try:
            live = await stack.enter_async_context(client.conversations.connect(agent_id, text_only=True, tools={}))
        except ConversationRefusedError as error:
            if "text_only" not in error.reason:
                raise
            print_note("the agent does not allow text-only conversations: it speaks, and its words are shown")
            live = await stack.enter_async_context(client.conversations.connect(agent_id, tools={}))
        yield live


async def _run_conversation(live: LiveConversation, view: ConversationView, talk: Any, stop: anyio.Event) -> int:
    """Show the events of a conversation until the user has talked, the agent hangs up, or the user stops it."""
    print_note(f"conversation {to_single_line(live.conversation_id)}")
    tasks = [asyncio.ensure_future(each) for each in (_show_events(live, view), talk, stop.wait())]
    showing, talking, _ = tasks
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if talking.done():
            await talking
        closed = live.closed
        await live.close()
        await showing
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if closed is None:
        return 0
    print_note(f"convai-async: {to_single_line(closed.describe())}")
    return 0 if closed.ended_by == "agent" else EXIT_SOME_FAILED


async def _show_events(live: LiveConversation, view: ConversationView) -> None:
    async for event in live:
        view.show(event)


async def _send_typed_lines(live: LiveConversation, lines: LineReader, view: ConversationView) -> None:
    """Send lines that a user types, also while the agent responds, which interrupts it."""
    loop = asyncio.get_running_loop()
    prompting = loop.call_later(_FIRST_MESSAGE_SECS, view.show_prompt)
    activity = asyncio.create_task(_stay_active(live))
    try:
        while (line := await lines.read()) is not None and line.strip() != "/quit":
            view.show_user(line)
            if line.strip():
                await live.send_text(line)
            else:
                view.show_prompt()
    finally:
        prompting.cancel()
        activity.cancel()


async def _stay_active(live: LiveConversation) -> None:
    """Keep the conversation open while the user thinks: the service ends it after a minute without input."""
    with suppress(ConversationClosedError):
        while True:
            await asyncio.sleep(_ACTIVITY_SECS)
            await live.send_activity()


async def _send_piped_lines(live: LiveConversation, lines: LineReader, view: ConversationView, timeout: float) -> None:
    """Send each line after the reply to the previous one, and the first one after the agent's first message."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_FIRST_MESSAGE_SECS):
            await view.has_response.wait()
    while (line := await lines.read()) is not None and line.strip() != "/quit":
        if line.strip():
            view.show_user(line)
            reply = await live.ask(line, timeout=timeout)
            await view.wait_until_shown(reply.events[-1])


async def _speak_file(agent_id: str, wav: Path, out: Path, view: ConversationView, connection: dict[str, Any]) -> int:
    async def ask() -> None:
        question = await asyncio.to_thread(read_wav, wav, live.input_format)
        reply = await live.ask(question, timeout=connection["timeout"])
        await asyncio.to_thread(_write_reply, out, reply.audio, live.output_format)

    stop = anyio.Event()
    async with (
        open_client(**connection) as client,
        client.conversations.connect(agent_id, tools={}) as live,
    ):
        with stop_gracefully(stop, "stopping"):
            return await _run_conversation(live, view, ask(), stop)


def _write_reply(out: Path, audio: bytes, audio_format: str) -> None:
    wav = io.BytesIO()
    write_wav(wav, audio, audio_format)
    file = AtomicFile(out)
    try:
        file.write(wav.getvalue())
        file.commit(overwrite=False)
    finally:
        file.discard()
    seconds = len(audio) / AudioFormat.parse(audio_format).bytes_per_second
    print_note(f"{out}: {seconds:.1f} s")
