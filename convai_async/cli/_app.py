"""The group of commands, and what a person reads when one fails."""

from __future__ import annotations

import asyncio

import click

from convai_async._version import __version__
from convai_async.cli._delete import delete_command
from convai_async.cli._exit_codes import EXIT_INTERRUPTED, EXIT_SOME_FAILED, EXIT_USAGE
from convai_async.cli._export import export_command, import_command
from convai_async.cli._harvest import harvest_command
from convai_async.cli._list import list_command
from convai_async.cli._search import search_command
from convai_async.cli._show import show_command
from convai_async.cli._status import status_command
from convai_async.cli._terminal import plain
from convai_async.errors import (
    APIStatusError,
    AuthenticationError,
    ConfigurationError,
    ConvAIError,
    InvalidArgumentError,
    TransportError,
)
from convai_async.harvest import ArchiveError

_NOT_FIXED_BY_TRYING_AGAIN = (ArchiveError, AuthenticationError, ConfigurationError, InvalidArgumentError)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="convai-async")
def app() -> None:
    """Read the conversations of ElevenLabs agents, and harvest them into a database.

    The API key is taken from ELEVENLABS_API_KEY. With --sandbox no key is needed: a small service with
    made-up conversations runs inside the command.

    Exit codes: 0 all went well, 1 some failed, 2 usage, 130 interrupted.
    """


for _command in (
    harvest_command,
    list_command,
    show_command,
    status_command,
    search_command,
    export_command,
    import_command,
    delete_command,
):
    app.add_command(_command)


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: The command line after the program's name; the process's own by default.
    """
    try:
        return int(app.main(arguments, prog_name="convai-async", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt, asyncio.CancelledError):
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except OSError as error:
        click.echo(f"convai-async: {error}", err=True)
        return EXIT_SOME_FAILED
    except ConvAIError as error:
        hint = _hint(error)
        click.echo(f"convai-async: {plain(str(error))}" + (f"\n{hint}" if hint else ""), err=True)
        return EXIT_USAGE if isinstance(error, _NOT_FIXED_BY_TRYING_AGAIN) else EXIT_SOME_FAILED


def _hint(error: ConvAIError) -> str | None:
    """Return what to type next, where the error itself does not say."""
    match error:
        case AuthenticationError():
            return "Set the right key: export ELEVENLABS_API_KEY=…, and --region if the workspace has one."
        case ConfigurationError() if "no API key" in str(error):
            return "Set the key: export ELEVENLABS_API_KEY=…, or try it without one: add --sandbox."
        case TransportError() | APIStatusError() if error.retryable:
            return "Run the same command again when the service can be reached."
        case _:
            return None
