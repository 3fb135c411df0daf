"""The group of commands, and what a person reads when one fails."""

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
from convai_async.cli._logging import log_traceback, logging_to_stderr
from convai_async.cli._options import examples
from convai_async.cli._terminal import one_line
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
    "harvest": ("_harvest", "Read conversations into a database; again to bring it up to date."),
    "status": ("_status", "Show what an archive holds."),
    "search": ("_search", "Find what was said."),
    "show": ("_show", "Show a conversation's transcript."),
    "list": ("_list", "List conversations, newest first."),
    "wait": ("_wait", "Wait until a conversation is done."),
    "watch": ("_watch", "Print conversations as they become done, or run a command for each."),
    "audio": ("_audio", "Save a recording."),
    "export": ("_export", "Write an archive's conversations to a file for other programs."),
    "import": ("_import", "Read an exported file back into an archive."),
    "delete": ("_delete", "Delete conversations, at the service and in an archive."),
    "sandbox": ("_sandbox", "Serve made-up conversations, to try things without a key."),
}
"""The module of each command, and its line in the help. `--help` imports none of them, and so is fast."""

_EPILOG = (
    examples("convai-async harvest calls.db --sandbox", "convai-async search calls.db refund")
    + "\n\n\b\nExit codes:\n"
    + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())
    + """

\b
Completion of commands and options with the Tab key, from the next shell on:
  bash  put into ~/.bashrc:
        eval "$(_CONVAI_ASYNC_COMPLETE=bash_source convai-async)"
  zsh   put into ~/.zshrc:
        eval "$(_CONVAI_ASYNC_COMPLETE=zsh_source convai-async)"
  fish  put into ~/.config/fish/config.fish:
        _CONVAI_ASYNC_COMPLETE=fish_source convai-async | source
"""
)


class _Commands(click.Group):
    """A group that imports a command when it is needed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help when there are no arguments: click would raise an error with the help as its message."""
        if not args and not ctx.resilient_parsing:
            _output.note(ctx.get_help())
            ctx.exit(EXIT_USAGE)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command; None when there is none of this name."""
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"convai_async.cli.{module}"), f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the list of commands into the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="convai-async")
def app() -> None:
    """Read the conversations of ElevenLabs agents, and harvest them into a database.

    The API key is taken from ELEVENLABS_API_KEY. With --sandbox no key is needed: a small service with
    made-up conversations runs inside the command.
    """


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: The command line after the program's name; the process's own by default.
    """
    with logging_to_stderr():
        try:
            return int(app.main(arguments, prog_name="convai-async", standalone_mode=False) or 0)
        except click.ClickException as error:
            _output.note(_usage_error(error))
            return error.exit_code
        except (Exception, KeyboardInterrupt, asyncio.CancelledError) as error:  # noqa: BLE001 - raised again where it is not known
            log_traceback(error)
            code, problem = _explained(error)
            if problem:
                _output.note(problem)
            return code


def _usage_error(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = "" if context is None else f"\nTry '{context.command_path} --help'."
    return f"convai-async: {one_line(error.format_message())}{where}"


def _explained(error: BaseException) -> tuple[int, str]:
    """Return the exit code of an exception, and a line for people; raise it again where it is a bug of ours."""
    match error:
        case click.Abort() | KeyboardInterrupt() | asyncio.CancelledError():
            return EXIT_INTERRUPTED, "interrupted"
        case _output.OutputError():
            return EXIT_OUTPUT, "" if error.reader_gone else f"convai-async: {error}"
        case MemoryError():
            return EXIT_SOME_FAILED, "convai-async: there is not enough memory for this"
        case OSError():
            return EXIT_SOME_FAILED, f"convai-async: {one_line(str(error))}"
        case ConfigurationError() if "no API key" in str(error):  # the error itself tells how in Python
            problem = "there is no API key: export ELEVENLABS_API_KEY=..., or try it without one: add --sandbox"
            return EXIT_USAGE, f"convai-async: {problem}"
        case ConvAIError():
            return _code_of(error), f"convai-async: {one_line(str(error))}{_hint(error)}"
        case _:
            raise error


def _code_of(error: ConvAIError) -> int:
    from convai_async.archive import ArchiveError  # noqa: PLC0415 - loads SQLite

    match error:
        case ArchiveError() | AuthenticationError() | ConfigurationError() | InvalidArgumentError():
            return EXIT_USAGE
        case ConversationNotReadyError() if error.retryable:
            return EXIT_NOT_READY
        case _:
            return EXIT_SOME_FAILED


def _hint(error: ConvAIError) -> str:
    """Return what to type next, where the error itself does not say."""
    match error:
        case AuthenticationError():
            return ". Set the right key: export ELEVENLABS_API_KEY=..., and --region if the workspace has one."
        case TransportError() | APIStatusError() if error.retryable:
            return ". Run the same command again when the service can be reached."
        case _:
            return ""
