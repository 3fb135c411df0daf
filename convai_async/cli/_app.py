"""The click group with all commands, and the messages for errors."""

from __future__ import annotations

import asyncio
import importlib

import click

from convai_async._version import __version__
from convai_async.cli import _output
from convai_async.cli._exit_codes import (
    EXIT_CODES,
    EXIT_INTERRUPTED,
    EXIT_NOT_READY,
    EXIT_OUTPUT,
    EXIT_SOME_FAILED,
    EXIT_USAGE,
)
from convai_async.cli._formatting import to_single_line
from convai_async.cli._logging import log_to_stderr, log_traceback
from convai_async.cli._options import CommandGroup, format_examples
from convai_async.errors import (
    APIStatusError,
    AuthenticationError,
    ConfigurationError,
    ConvAIError,
    ConversationNotReadyError,
    InvalidArgumentError,
    TransportError,
)

_COMMANDS = {
    "harvest": "Download conversations into an archive, or update it.",
    "workspaces": "Set which workspaces workers harvest, and show their state.",
    "worker": "Harvest workspaces on several machines, over PostgreSQL.",
    "status": "Show the contents of an archive.",
    "search": "Search the transcripts in an archive.",
    "show": "Show the transcript of a conversation.",
    "browse": "Open a local web page to read and listen to an archive.",
    "list": "List conversations, newest first.",
    "wait": "Wait until a conversation is done.",
    "watch": "Print new conversations, or run a command for each one.",
    "talk": "Talk to an agent, in text or with a WAV file.",
    "audio": "Download the recording of a conversation.",
    "report": "Show key figures and charts of an archive.",
    "export": "Export an archive to JSONL, CSV or Parquet.",
    "steps": "Run your functions on every conversation of an archive.",
    "datasette": "Print the metadata of an archive for Datasette.",
    "import": "Import an exported JSONL file into an archive.",
    "copy": "Copy an archive, also between SQLite and PostgreSQL.",
    "delete": "Delete conversations from the service and an archive.",
    "mcp": "Serve an archive to an assistant, over MCP.",
    "sandbox": "Run a local fake service with sample conversations.",
}
"""Each command, and its line in the help: `--help` stays fast because it imports none of them."""

_EPILOG = (
    format_examples("convai-async harvest calls.db --sandbox", "convai-async search calls.db refund")
    + "\n\n\b\nExit codes:\n"
    + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())
    + """

\b
Shell completion (add the line to the file, then open a new shell):
  bash  ~/.bashrc:
        eval "$(_CONVAI_ASYNC_COMPLETE=bash_source convai-async)"
  zsh   ~/.zshrc:
        eval "$(_CONVAI_ASYNC_COMPLETE=zsh_source convai-async)"
  fish  ~/.config/fish/config.fish:
        _CONVAI_ASYNC_COMPLETE=fish_source convai-async | source
"""
)


class _Commands(CommandGroup):
    """A group that imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return a command, or None if there is no such command."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"convai_async.cli._commands._{cmd_name}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Add the list of commands to the help."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="convai-async")
def app() -> None:
    """Browse, download and search the conversations of ElevenLabs agents.

    Set the environment variable ELEVENLABS_API_KEY to your API key. To try a command without a key, add
    --sandbox: the command then uses a fake service with sample conversations.
    """


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: The arguments after the program's name; by default those of the process.
    """
    with log_to_stderr():
        try:
            return int(app.main(arguments, prog_name="convai-async", standalone_mode=False) or 0)
        except click.ClickException as error:
            _output.print_note(_format_usage_error(error))
            return error.exit_code
        except (Exception, KeyboardInterrupt, asyncio.CancelledError) as error:  # noqa: BLE001 - _explain raises unknown errors again
            log_traceback(error)
            code, problem = _explain(error)
            if problem:
                _output.print_note(problem)
            return code


def _format_usage_error(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = "" if context is None else f"\nTry '{context.command_path} --help'."
    return f"convai-async: {to_single_line(error.format_message())}{where}"


def _explain(error: BaseException) -> tuple[int, str]:
    """Return the exit code and the message for an exception; raise it again if it is a bug in this package."""
    match error:
        case click.Abort() | KeyboardInterrupt() | asyncio.CancelledError():
            return EXIT_INTERRUPTED, "interrupted"
        case _output.OutputError():
            return EXIT_OUTPUT, "" if error.is_broken_pipe else f"convai-async: {error}"
        case MemoryError():
            return EXIT_SOME_FAILED, "convai-async: out of memory"
        case OSError():
            return EXIT_SOME_FAILED, f"convai-async: {to_single_line(_describe_os_error(error))}"
        case ConfigurationError() if "no API key" in str(error):  # the client's message is for Python code
            advice = "export ELEVENLABS_API_KEY=..., or add --sandbox to try the command without a key"
            return EXIT_USAGE, f"convai-async: no API key: {advice}"
        case ConvAIError():
            return _get_exit_code(error), f"convai-async: {to_single_line(str(error))}{_suggest_action(error)}"
        case _:
            raise error


def _describe_os_error(error: OSError) -> str:
    name = error.filename2 or error.filename  # a failed rename has two: the second one is the user's file
    return f"{name!r}: {error.strerror}" if name else str(error)


def _get_exit_code(error: ConvAIError) -> int:
    from convai_async.archive import ArchiveError  # noqa: PLC0415 - loads SQLite

    match error:
        case ArchiveError():
            return EXIT_SOME_FAILED if error.retryable else EXIT_USAGE
        case AuthenticationError() | ConfigurationError() | InvalidArgumentError():
            return EXIT_USAGE
        case ConversationNotReadyError() if error.retryable:
            return EXIT_NOT_READY
        case _:
            return EXIT_SOME_FAILED


def _suggest_action(error: ConvAIError) -> str:
    """Return what to do next if the error does not say it."""
    match error:
        case TransportError() if error.retryable:
            return ". Check the network connection and run the same command again."
        case APIStatusError() if error.retryable:
            return ". Run the same command again later."
        case _:
            return ""
