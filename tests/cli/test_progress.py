"""The progress of a harvest."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from convai_async.cli._display._live_progress import LiveProgress
from convai_async.cli._display._progress import LineProgress, create_display, format_outlook
from convai_async.cli._output import OutputError
from convai_async.cli._times import TimeFormatter
from convai_async.harvest import HarvestReport

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["cli_fixtures"]

UTC_TIMES = TimeFormatter(utc=True)


def render_lines(progress: LiveProgress, width: int) -> list[str]:
    progress._console = Console(width=width)
    with progress._console.capture() as capture:
        progress._console.print(progress.render())
    return capture.get().splitlines()


def test_progress_shows_how_long_a_harvest_waits() -> None:
    report = HarvestReport(waiting_for="GET /x: no connection", waiting_until_unix_secs=1_780_000_000)
    assert (
        format_outlook(report, TimeFormatter(utc=True))
        == "waiting for the service until 2026-05-28 20:26:40 at the latest"
    )
    progress = LiveProgress(TimeFormatter(utc=True))
    progress.update(report)
    assert "waiting until 20:26:40" in render_lines(progress, 80)[1]
    progress.update(HarvestReport())
    assert "waiting" not in render_lines(progress, 80)[1]


def test_progress_fits_80_columns_and_shows_the_most_important_numbers() -> None:
    seconds = iter([0.0, 0.0, 10.0, 10.0, 20.0])
    progress = LiveProgress(UTC_TIMES, monotonic=lambda: next(seconds))
    report = HarvestReport(found=99, left_to_list=156, concurrency=8)
    progress.update(report)
    assert render_lines(progress, 80)[0].endswith(" 0 so far"), "one page is not enough to estimate the total"
    report.found, report.left_to_list, report.fetched, report.failed, report.concurrency = 2000, 4000, 900, 100, 128
    report.unchanged, report.reached_unix_secs = 500, 1_767_225_600
    bar, details = render_lines(progress, 80)
    assert bar.endswith(" 25%  1,500 of about 6,000")
    assert details == "90/s, 100 failed, about 30 s left, 500 unchanged, 128 concurrent"
    assert render_lines(progress, 120)[1].endswith(", back to 2026-01-01")
    report.found, report.left_to_list, report.fetched, report.recordings = 6000, 0, 5400, 7
    bar, details = render_lines(progress, 80)
    assert bar.endswith("100%  6,000 of 6,000 found")
    assert "100 failed, 7 recordings, " in details, "there is no estimate for recordings"


@given(
    st.builds(
        HarvestReport,
        **dict.fromkeys(
            ["found", "fetched", "unchanged", "failed", "recordings", "left_to_list", "concurrency"],
            st.integers(0, 10**7),
        ),
        reached_unix_secs=st.none() | st.integers(-(10**12), 10**12),
    ),
    st.integers(60, 200),
)
def test_progress_truncates_nothing_at_any_width(report: HarvestReport, width: int) -> None:
    progress = LiveProgress(UTC_TIMES, monotonic=itertools.count().__next__)
    progress.update(report)
    bar, details = render_lines(progress, width)
    assert max(len(bar), len(details)) <= width
    assert bar.endswith(
        (
            f" {report.handled:,} so far",
            f" of {report.found:,} found",
            f" of about {report.found + report.left_to_list:,}",
        )
    )
    assert set(details.split(", ")) <= {detail.plain for detail in progress._list_details(progress._estimate_total())}


def test_line_progress_prints_the_first_report_and_then_one_every_ten_seconds() -> None:
    times = iter([0.0, 0.0, 0.0, 5.0, 10.0, 10.0, 15.0])
    shown: list[int] = []
    lines = LineProgress(lambda report: shown.append(report.fetched), clock=lambda: next(times))
    with lines:
        for number in range(4):
            lines.update(HarvestReport(fetched=number))
    assert shown == [0, 2]


def test_line_progress_stops_without_an_error_when_the_output_cannot_be_written() -> None:
    tries: list[int] = []

    def fail(report: HarvestReport) -> None:
        tries.append(report.fetched)
        raise OutputError("it is full")

    lines = LineProgress(fail, clock=iter(range(0, 1000, 100)).__next__)
    for number in range(3):
        lines.update(HarvestReport(fetched=number))
    assert tries == [0]


def test_json_progress_works_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with create_display(UTC_TIMES, as_json=True) as shown:
        shown.update(HarvestReport(fetched=3))
    assert json.loads(capsys.readouterr().out)["fetched"] == 3
