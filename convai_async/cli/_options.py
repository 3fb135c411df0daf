"""Options that several commands share, and the client that they describe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convai_async import endpoints
from convai_async.cli._logging import logging_options
from convai_async.cli._moments import MOMENT_HELP, moment
from convai_async.client import ConvAIClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from convai_async.client import Region

Command = TypeVar("Command", bound=Callable[..., Any])

_SANDBOX_SIZE = 200
_TIMEOUT_SECS = 60.0

utc_option = click.option(
    "--utc", is_flag=True, is_eager=True, help="Read and show times in UTC; in local time by default."
)
json_lines_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


class _SandboxSize(click.IntRange):
    """The number after --sandbox: what is meant as an argument can come to stand there."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert it, or say how to write the command instead."""
        if isinstance(value, str) and not value.lstrip("+-").isdigit():
            self.fail(f"{value!r} is not a number: put --sandbox last, after the other arguments.", param, ctx)
        return super().convert(value, param, ctx)


def examples(*commands: str) -> str:
    """Return the last lines of a command's help."""
    return "\b\n" + "\n".join(["Example:" if len(commands) == 1 else "Examples:", *(f"  {each}" for each in commands)])


def connection_options(command: Command) -> Command:
    """Add the options that say which service to ask, and what to show of it."""
    options = [
        click.option(
            "--region",
            type=click.Choice(["global", "us", "eu", "in", "sg"]),
            default="global",
            show_default=True,
            help="Where the workspace is.",
        ),
        click.option("--base-url", metavar="URL", help="Another address of the service, instead of a region."),
        click.option(
            "--sandbox",
            metavar="[N]",
            type=_SandboxSize(min=1),
            is_flag=False,
            flag_value=_SANDBOX_SIZE,
            default=None,
            help=f"Ask a made-up service with N conversations ({_SANDBOX_SIZE} by default) instead; no key needed.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True, max=86_400),
            default=_TIMEOUT_SECS,
            show_default=True,
            metavar="SECONDS",
            help="How long one attempt of a request may take.",
        ),
        *logging_options(),
    ]
    return _decorated(command, options)


def filter_options(command: Command) -> Command:
    """Add the options that say which conversations are meant."""
    options = [
        agent_option,
        since_option,
        click.option(
            "--until", type=moment, metavar="TIME", help="Only those that started before; the same forms as --since."
        ),
        utc_option,
    ]
    return _decorated(command, options)


agent_option = click.option("--agent", "agent_id", metavar="ID", help="Only conversations with this agent.")
since_option = click.option(
    "--since", type=moment, metavar="TIME", help=f"Only those that started then or later: {MOMENT_HELP}."
)


def archive_filters(agent_id: str | None, since: datetime | None, until: datetime | None) -> dict[str, Any]:
    """Return what the filter options mean as arguments of an `Archive`."""
    return {"agent_id": agent_id, "since": _unix_seconds(since), "until": _unix_seconds(until)}


def _unix_seconds(moment: datetime | None) -> int | None:
    return None if moment is None else endpoints.to_unix_seconds("date", moment, up=True)


def _decorated(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


@asynccontextmanager
async def open_client(
    region: Region, base_url: str | None, sandbox: int | None, **settings: Any
) -> AsyncIterator[ConvAIClient]:
    """Open the client that the connection options describe, and the made-up service if they ask for it."""
    if sandbox is None:
        async with ConvAIClient(region=region, base_url=base_url, **settings) as client:
            yield client
        return
    if base_url is not None or region != "global":
        raise click.UsageError("--sandbox is a service of its own: leave --base-url and --region out")
    from convai_async.testing import FakeConvAI  # noqa: PLC0415 - only the sandbox pays for it

    async with (
        FakeConvAI(conversations=sandbox, gzip=False) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, **settings) as client,
    ):
        yield client


def source_name(client: ConvAIClient, sandbox: int | None) -> str:
    """Return what an archive notes as its origin: the address, or the sandbox, whose port is new each time."""
    return client.base_url if sandbox is None else f"sandbox:{sandbox}"
