"""``convai-async status``."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from convai_async.cli._terminal import byte_count, one_line, utc
from convai_async.harvest import Archive


@click.command("status", short_help="Show what an archive holds.")
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status_command(archive: Path, *, as_json: bool) -> int:
    """Show what an ARCHIVE holds, and what could not be fetched."""
    with Archive.open(archive) as opened:
        status, failures = opened.status(), opened.failures()
    if as_json:
        click.echo(msgspec.json.encode({**msgspec.to_builtins(status), "failed": msgspec.to_builtins(failures)}))
        return 0
    span = f" from {utc(status.oldest_unix_secs)} to {utc(status.newest_unix_secs)} UTC" if status.conversations else ""
    lines = [
        f"{archive}: {byte_count(status.size)}, of {status.source}",
        f"{status.conversations:>9,} conversations{span}",
        f"{status.final:>9,} of them final (done or failed)",
        f"{status.turns:>9,} turns",
        f"{status.recordings:>9,} recordings",
        f"{status.failures:>9,} could not be fetched; the next harvest tries again",
    ]
    if status.undecodable:
        lines.append(f"{status.undecodable:>9,} kept as raw JSON only: see decode_error")
    lines += [f"  {one_line(failure.conversation_id)}: {one_line(failure.error)}" for failure in failures]
    click.echo("\n".join(lines))
    return 0
