"""``convai-async report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from convai_async.archive import Archive
from convai_async.cli._options import ArchiveType, add_filter_options, build_archive_filters, format_examples
from convai_async.cli._output import print_output, print_rich
from convai_async.report import build_report

if TYPE_CHECKING:
    from datetime import datetime

    from convai_async.archive import Location

_DAYS = 7


@click.command(
    "report",
    epilog=format_examples(
        "convai-async report calls.db",
        "convai-async report calls.db --agent agent_1 --since 30d --compare previous",
        "convai-async report calls.db --html report.html",
    ),
)
@click.argument("archive", type=ArchiveType())
@add_filter_options
@click.option(
    "--compare",
    type=click.Choice(["previous"]),
    help="Compare the key figures with the previous period of the same length.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a web page with charts, which needs no network.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def report_command(  # noqa: PLR0913 - the options, each by its name
    archive: Location,
    *,
    utc: bool,  # noqa: ARG001 - parsing --since and --until uses it
    agent_id: str | None,
    since: datetime | None,
    until: datetime | None,
    compare: Literal["previous"] | None,
    html: Path | None,
    force: bool,
) -> int:
    """Show key figures, charts and tables of the conversations in ARCHIVE.

    Without --since, it shows the last 7 days up to the newest conversation; with --html, all days. The report's days
    and hours are in UTC.
    """
    if force and html is None:
        raise click.UsageError("--force is for --html")
    if html is not None and html.is_file() and not force:
        raise click.UsageError(f"{str(html)!r} already exists: choose another file, or add --force")
    if html is not None and compare is not None and since is None:
        raise click.UsageError("--compare needs --since")
    filters = build_archive_filters(agent_id, since, until)
    with Archive.open(archive) as opened:
        days = _DAYS if html is None and since is None else None
        report = build_report(opened, days=days, compare=compare, **filters)
    if html is None:
        print_rich(report)
    else:
        report.write_html(html, overwrite=force)
        print_output(f"{html}: {report.figures['calls'].text} calls, {report.period}")
    return 0
