"""``convai-async steps``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
import click
import msgspec

from convai_async.archive import format_command
from convai_async.cli._display._progress import LineClock
from convai_async.cli._exit_codes import EXIT_INTERRUPTED, EXIT_SOME_FAILED
from convai_async.cli._formatting import to_single_line
from convai_async.cli._logging import build_logging_options
from convai_async.cli._options import ArchiveType, CommandGroup, apply_options, format_examples, utc_option
from convai_async.cli._output import print_note, print_output
from convai_async.cli._rounds import wait_for_database
from convai_async.cli._signals import stop_gracefully
from convai_async.cli._times import TimeFormatter, parse_duration_option
from convai_async.cli._upgrade import upgrade_archive
from convai_async.errors import ConvAIError
from convai_async.steps import (
    StepFailure,
    StepReport,
    StepStatus,
    get_step_failures,
    get_step_status,
    load_steps,
    retry_steps,
    run_steps,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import timedelta

    from convai_async.archive import Location
    from convai_async.cli._options import Command
    from convai_async.steps import Step

_MAX_FAILURES_SHOWN = 20

_step_option = click.option(
    "--step", "names", multiple=True, metavar="NAME", help="Only this step; can be given several times."
)


def _add_logging_options(command: Command) -> Command:
    return apply_options(command, build_logging_options())


@click.group(
    "steps",
    cls=CommandGroup,
    epilog=format_examples(
        "convai-async steps run calls.db --module my_steps",
        "convai-async steps status calls.db",
        "convai-async steps retry calls.db",
    ),
)
def steps_command() -> None:
    """Run your functions on every conversation of an archive.

    A step is a function with the decorator convai_async.steps.step. Its results are stored in the table step_results of
    the archive.
    """


@steps_command.command(
    "run",
    epilog=format_examples(
        "convai-async steps run calls.db --module my_steps",
        "convai-async steps run calls.db --module my_steps --every 1m",
    ),
)
@click.argument("archive", type=ArchiveType())
@click.option(
    "--module",
    required=True,
    metavar="NAME",
    help="The Python module with the steps, such as my_steps for my_steps.py in this folder.",
)
@_step_option
@click.option(
    "--every",
    type=parse_duration_option,
    metavar="TIME",
    help="Keep running, and process new and changed conversations again after this time: 30s, 5m or 1h. SIGTERM or"
    " Ctrl-C stops it, with exit code 0.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON lines.")
@_add_logging_options
def run_command(
    archive: Location, *, module: str, names: tuple[str, ...], every: timedelta | None, as_json: bool
) -> int:
    """Run the steps of a module on the conversations in ARCHIVE that they have not processed.

    Run the same command again after a harvest, after an interruption, or to retry what failed: each failure is retried
    after a growing wait, for eight attempts by default.

    Ctrl-C waits up to 30 seconds for conversations that are being processed; a second Ctrl-C stops immediately.
    Results are never lost, and never stored twice.
    """
    chosen = _choose(load_steps(module), module, names)
    upgrade_archive(archive)
    return asyncio.run(_run(archive, chosen, every, as_json=as_json))


def _choose(steps: list[Step[Any]], module: str, names: tuple[str, ...]) -> list[Step[Any]]:
    known = {each.name: each for each in steps}
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{module} has no step {name!r}, only {', '.join(known)}", param_hint="--step")
    return [each for each in steps if not names or each.name in names]


async def _run(archive: Location, steps: list[Step[Any]], every: timedelta | None, *, as_json: bool) -> int:
    """Run the steps once, or with ``every`` until the command is stopped, and return the exit code.

    With ``every``, an error that may pass is printed, and the next round tries again; if the database does not respond,
    it is tried again every few seconds.
    """
    stop = anyio.Event()
    with stop_gracefully(stop, "stopping: waiting for running steps (press Ctrl-C again to stop immediately)"):
        if every is None:
            reports = await _run_once(archive, steps, stop, as_json=as_json)
            _print_reports(reports, as_json=as_json)
            if stop.is_set():
                return EXIT_INTERRUPTED
            return EXIT_SOME_FAILED if any(report.failed for report in reports) else 0
        while not stop.is_set():
            try:
                reports = await wait_for_database(lambda: _run_once(archive, steps, stop, as_json=as_json), stop) or []
                _print_reports([each for each in reports if each.done or each.failed], as_json=as_json)
            except ConvAIError as error:
                if not error.retryable:
                    raise
                print_note(f"convai-async: {to_single_line(str(error))}")
            with anyio.move_on_after(every.total_seconds()):
                await stop.wait()
        return 0


async def _run_once(archive: Location, steps: list[Step[Any]], stop: anyio.Event, *, as_json: bool) -> list[StepReport]:
    clock = LineClock(at_once=False)

    def show(reports: list[StepReport]) -> None:
        if not as_json and clock.is_due():
            print_note("; ".join(map(_format_report, reports)))

    return await run_steps(archive, steps, stop=stop, progress=show)


def _print_reports(reports: Iterable[StepReport], *, as_json: bool) -> None:
    for report in reports:
        if as_json:
            print_output(msgspec.json.encode(report))
            continue
        print_output(_format_report(report))
        if report.last_error is not None:
            print_output(f"  last error: {to_single_line(report.last_error)}")
        if report.aborted:
            print_output("  stopped after 100 failures in a row: correct the step, and run it again for the others")


def _format_report(report: StepReport) -> str:
    dead = f" ({report.dead:,} dead)" if report.dead else ""
    discarded = f", {report.discarded:,} discarded" if report.discarded else ""
    return f"{report.step} version {report.version}: {report.done:,} done, {report.failed:,} failed{dead}{discarded}"


@steps_command.command("status", epilog=format_examples("convai-async steps status calls.db"))
@click.argument("archive", type=ArchiveType())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@utc_option
def status_command(archive: Location, *, as_json: bool, utc: bool) -> int:
    """Show the steps that were run on ARCHIVE, and the conversations that they failed to process."""
    status, failures = get_step_status(archive), get_step_failures(archive)
    if as_json:
        print_output(msgspec.json.encode({"steps": status, "failures": failures}))
        return 0
    if not status:
        print_output(f"no step was run on {archive}")
    times = TimeFormatter(utc=utc)
    for step in status:
        for line in _format_status(archive, step, times):
            print_output(line)
    for failure in failures[:_MAX_FAILURES_SHOWN]:
        print_output(_format_failure(failure, times))
    if len(failures) > _MAX_FAILURES_SHOWN:
        print_output(f"and {len(failures) - _MAX_FAILURES_SHOWN:,} more: --json prints up to 1,000")
    return 0


def _format_failure(failure: StepFailure, times: TimeFormatter) -> str:
    when = failure.retry_unix_secs
    what = "dead" if when is None else f"retried {times.format(when)}"
    attempts = "1 attempt" if failure.attempts == 1 else f"{failure.attempts:,} attempts"
    where = f"{to_single_line(failure.conversation_id)}, {to_single_line(failure.step)}"
    return f"{where}: {what} after {attempts}: {to_single_line(failure.error)}"


def _format_status(archive: Location, step: StepStatus, times: TimeFormatter) -> Iterator[str]:
    yield f"{to_single_line(step.name)} version {step.version}, for {step.selects} conversations"
    yield f"{step.done:>9,} done"
    if step.outdated:
        yield f"{step.outdated:>9,} with the result of an older version"
    queueing = ", and others that are not queued yet" if step.queueing else ""
    yield f"{step.due:>9,} due{queueing}"
    if step.running:
        yield f"{step.running:>9,} running"
    if step.waiting:
        yield f"{step.waiting:>9,} waiting for a retry, the first {times.format(step.next_unix_secs)}"
    if step.dead:
        command = format_command("steps", "retry", archive)
        yield f"{step.dead:>9,} dead: `{command}` queues them again"


@steps_command.command("retry", epilog=format_examples("convai-async steps retry calls.db --step score"))
@click.argument("archive", type=ArchiveType())
@_step_option
def retry_command(archive: Location, *, names: tuple[str, ...]) -> int:
    """Queue the conversations again that steps failed to process, also the dead ones, which have no attempts left.

    The next `convai-async steps run` processes them, with all attempts.
    """
    print_output(f"{retry_steps(archive, names or None):,} queued again")
    return 0
