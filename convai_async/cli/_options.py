"""Options that several commands share, and the client that they configure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from convai_async import endpoints
from convai_async._support.proxies import has_proxy
from convai_async.cli._exit_codes import EXIT_USAGE
from convai_async.cli._logging import build_logging_options
from convai_async.cli._output import print_note
from convai_async.cli._times import TIME_FORMATS, check_time_order, parse_time_option
from convai_async.client import ConvAIClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from convai_async.client import Region

Command = TypeVar("Command", bound=Callable[..., Any])

_SANDBOX_SIZE = 200
_TIMEOUT_SECS = 60.0

utc_option = click.option("--utc", is_flag=True, is_eager=True, help="Use UTC instead of local time for all times.")
json_lines_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")


class CommandGroup(click.Group):
    """A group of commands that prints its help to standard error when there are no arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Print the help, and exit with the code of a usage error, if there are no arguments."""
        if not args and not ctx.resilient_parsing:
            print_note(ctx.get_help())
            ctx.exit(EXIT_USAGE)
        return super().parse_args(ctx, args)


class ArchiveType(click.ParamType):  # type: ignore[type-arg]  # not generic in older versions
    """The path of an SQLite file, or the URL of a PostgreSQL database."""

    name = "archive"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002 - click's signature
        """Return a path, or a URL whose text has no password."""
        from convai_async.archive import parse_location  # noqa: PLC0415 - loads SQLite

        return parse_location(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """Complete the names of files."""
        return [CompletionItem(incomplete, type="file")]


class _SandboxSize(click.IntRange):
    """The optional number after --sandbox."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert the number; explain the error if the next argument was taken for it."""
        if isinstance(value, str) and not value.lstrip("+-").isdigit():
            self.fail(f"{value!r} is not a number: put --sandbox after the other arguments.", param, ctx)
        return super().convert(value, param, ctx)


def format_examples(*commands: str) -> str:
    """Return the examples for the end of a command's help."""
    return "\b\n" + "\n".join(["Example:" if len(commands) == 1 else "Examples:", *(f"  {each}" for each in commands)])


def add_connection_options(command: Command) -> Command:
    """Add the options for the connection to the service and for logging."""
    options = [
        click.option(
            "--region",
            type=click.Choice(["global", "us", "eu", "in", "sg"]),
            default="global",
            show_default=True,
            help="Data residency region of the workspace.",
        ),
        click.option("--base-url", metavar="URL", help="Base URL of the service, instead of --region."),
        click.option(
            "--sandbox",
            metavar="[N]",
            type=_SandboxSize(min=1),
            is_flag=False,
            flag_value=_SANDBOX_SIZE,
            default=None,
            help=f"Use a fake service with N sample conversations (default {_SANDBOX_SIZE}); needs no API key.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True, max=86_400),
            default=_TIMEOUT_SECS,
            show_default=True,
            metavar="SECONDS",
            help="Timeout for each attempt of a request.",
        ),
        *build_logging_options(),
    ]
    return apply_options(command, options)


def add_filter_options(command: Command) -> Command:
    """Add the options that select conversations."""
    options = [
        agent_option,
        since_option,
        click.option(
            "--until",
            type=parse_time_option,
            callback=check_time_order,
            metavar="TIME",
            help="Only conversations that started before this time (same formats).",
        ),
        utc_option,
    ]
    return apply_options(command, options)


agent_option = click.option("--agent", "agent_id", metavar="ID", help="Only conversations of this agent.")
since_option = click.option(
    "--since",
    type=parse_time_option,
    callback=check_time_order,
    metavar="TIME",
    help=f"Only conversations that started at this time or later: {TIME_FORMATS}.",
)


def build_archive_filters(agent_id: str | None, since: datetime | None, until: datetime | None) -> dict[str, Any]:
    """Return the filter options as arguments of the methods of `Archive`."""
    return {"agent_id": agent_id, "since": _to_unix_seconds(since), "until": _to_unix_seconds(until)}


def _to_unix_seconds(moment: datetime | None) -> int | None:
    return None if moment is None else endpoints.to_unix_seconds("date", moment, up=True)


def apply_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """Add options to a command, in this order in its help."""
    for option in reversed(options):
        command = option(command)
    return command


@asynccontextmanager
async def open_client(
    region: Region, base_url: str | None, sandbox: int | None, **settings: Any
) -> AsyncIterator[ConvAIClient]:
    """Open a client with the connection options; with ``--sandbox``, also start the fake service."""
    if sandbox is None:
        async with ConvAIClient(region=region, base_url=base_url, trust_env=has_proxy(), **settings) as client:
            yield client
        return
    if base_url is not None or region != "global":
        raise click.UsageError("--sandbox cannot be combined with --base-url or --region")
    from convai_async.testing import FakeConvAI  # noqa: PLC0415 - loads slowly

    async with (
        FakeConvAI(conversations=sandbox, gzip=False) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, **settings) as client,
    ):
        yield client


def get_source_name(client: ConvAIClient, sandbox: int | None) -> str:
    """Return the source to record in an archive: the base URL, or the sandbox (its port changes each time)."""
    return client.base_url if sandbox is None else f"sandbox:{sandbox}"
