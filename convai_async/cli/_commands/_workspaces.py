"""``convai-async workspaces``."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from convai_async.cli._display._workspaces_status import format_status
from convai_async.cli._formatting import format_table, to_single_line
from convai_async.cli._options import CommandGroup, apply_options, format_examples, utc_option
from convai_async.cli._output import print_output
from convai_async.cli._times import TimeFormatter, parse_duration_option
from convai_async.errors import ConfigurationError

if TYPE_CHECKING:
    from types import ModuleType

    from convai_async.cli._options import Command
    from convai_async.workers import ScheduledWorkspace

_TITLES = ("name", "schedule", "key", "other settings")
_DEFAULTS: dict[str, Any] = {
    "archive": "",
    "region": "global",
    "base_url": None,
    "agents": (),
    "lookback": "P3D",
    "audio": False,
    "recordings": None,
    "share": 1.0,
    "paused": False,
}
"""The settings that `list` leaves out."""

_database_argument = click.argument("database")


def _add_settings(command: Command) -> Command:
    """Add the options for the fields of a workspace."""
    return apply_options(
        command,
        [
            click.option(
                "--key",
                metavar="REFERENCE",
                help="Where workers find the API key: env:NAME for an environment variable, or file:/PATH.",
            ),
            click.option(
                "--schedule",
                metavar="CRON",
                help="When to harvest: a cron expression in UTC, in which H is a number that depends on the name. By"
                " default once an hour.",
            ),
            click.option(
                "--archive",
                metavar="ARCHIVE",
                help="Another archive than DATABASE: the absolute path of a file, or a URL without a password.",
            ),
            click.option(
                "--region",
                type=click.Choice(["global", "us", "eu", "in", "sg"]),
                help="Data residency region of the workspace.",
            ),
            click.option("--base-url", metavar="URL", help="Base URL of the service, instead of --region."),
            click.option(
                "--agent",
                "agents",
                multiple=True,
                metavar="ID",
                help="Only conversations of this agent. Repeat it for several.",
            ),
            click.option(
                "--lookback",
                type=parse_duration_option,
                metavar="TIME",
                help="How far back each harvest reads the list again, by default 3d.",
            ),
            click.option("--audio/--no-audio", default=None, help="Whether to save recordings."),
            click.option(
                "--recordings",
                metavar="PLACE",
                help="Where to save recordings: a folder, s3://BUCKET/PREFIX, gs:// or az://.",
            ),
            click.option(
                "--share",
                type=click.FloatRange(0, 1, min_open=True),
                metavar="SHARE",
                help="Share of the service's limit to use, by default 1.",
            ),
            click.option("--paused/--not-paused", default=None, help="Whether workers leave it out for now."),
        ],
    )


@click.group(
    "workspaces",
    cls=CommandGroup,
    epilog=format_examples(
        "convai-async workspaces add postgresql://db/convai acme --key env:ACME_KEY",
        "convai-async workspaces status postgresql://db/convai",
    ),
)
def workspaces_command() -> None:
    """Set which workspaces workers harvest, and show their state.

    The settings are in DATABASE, a PostgreSQL URL such as postgresql://db/convai.
    """


@workspaces_command.command(
    "add",
    epilog=format_examples(
        "convai-async workspaces add postgresql://db/convai acme --key env:ACME_KEY",
        "convai-async workspaces add postgresql://db/convai --file workspaces.toml",
    ),
)
@_database_argument
@click.argument("name", required=False)
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    help="Add the workspaces of a TOML file, which has a table [[workspaces]] for each, with the same fields.",
)
@_add_settings
def add_command(database: str, name: str | None, file: Path | None, **settings: Any) -> int:
    """Add the workspace NAME, or those of a file. Workers start to harvest them within 20 seconds."""
    given = _select_given(settings)
    if (name is None) == (file is None) or (file is not None and given):
        raise click.UsageError("Pass either NAME with --key and other settings, or --file.")
    if name is not None and "key" not in given:
        raise click.UsageError("Missing option '--key'.")
    workers = _import_workers()
    added = (
        [workers.ScheduledWorkspace(name=name, **given)] if file is None else workers.read_scheduled_workspaces(file)
    )
    asyncio.run(workers.add_workspaces(database, added))
    for workspace in added:
        print_output(f"{to_single_line(workspace.name)}: added")
    return 0


@workspaces_command.command("change")
@_database_argument
@click.argument("name")
@_add_settings
def change_command(database: str, name: str, **settings: Any) -> int:
    """Change settings of the workspace NAME. They apply from its next harvest on."""
    changes = _select_given(settings)
    if not changes:
        raise click.UsageError("Pass at least one setting to change.")
    asyncio.run(_import_workers().change_workspace(database, name, **changes))
    print_output(f"{to_single_line(name)}: changed")
    return 0


@workspaces_command.command("remove")
@_database_argument
@click.argument("name")
def remove_command(database: str, name: str) -> int:
    """Remove the settings of the workspace NAME. Its archive stays, and a running harvest continues to its end."""
    asyncio.run(_import_workers().remove_workspace(database, name))
    print_output(f"{to_single_line(name)}: removed; its archive is unchanged")
    return 0


@workspaces_command.command("list")
@_database_argument
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
def list_command(database: str, *, as_json: bool) -> int:
    """Print the settings of all workspaces."""
    workspaces = asyncio.run(_import_workers().list_workspaces(database))
    if as_json:
        for workspace in workspaces:
            print_output(msgspec.json.encode(workspace))
    else:
        print_output(format_table([_TITLES, *map(_format_settings, workspaces)]))
    return 0


@workspaces_command.command("status")
@_database_argument
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@utc_option
def status_command(database: str, *, as_json: bool, utc: bool) -> int:
    """Show which worker harvests which workspace.

    Also shows how far behind each workspace is, and how long the queue is.
    """
    status = asyncio.run(_import_workers().read_status(database))
    print_output(msgspec.json.encode(status) if as_json else format_status(status, TimeFormatter(utc=utc)))
    return 0


def _select_given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value not in {None, ()}}


def _format_settings(workspace: ScheduledWorkspace) -> tuple[str, ...]:
    settings = msgspec.to_builtins(workspace)
    others = [
        f"{name} {' '.join(map(to_single_line, value)) if isinstance(value, tuple) else to_single_line(str(value))}"
        for name, value in settings.items()
        if name not in _TITLES and value != _DEFAULTS.get(name)
    ]
    return *(to_single_line(settings[name]) for name in _TITLES[:-1]), ", ".join(others)


def _import_workers() -> ModuleType:
    try:
        return importlib.import_module("convai_async.workers")
    except ModuleNotFoundError:
        raise ConfigurationError("this command needs an extra: pip install 'convai-async[postgres]'") from None
