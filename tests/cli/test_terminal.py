from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING

import pytest
from command_line import COMMAND, on_a_terminal
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from convai_async.cli._live_progress import LiveProgress
from convai_async.cli._moments import Clock
from convai_async.cli._output import OutputError
from convai_async.cli._progress import Lines, display, outlook
from convai_async.harvest import HarvestReport
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["cli_fixtures"]

UTC_CLOCK = Clock(utc=True)


def without_styles(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (80, ["conversation", "started", "length", "result", "title"]),
        (70, ["conversation", "started", "result", "title"]),
        (120, ["conversation", "started", "length", "result", "agent", "title"]),
    ],
)
def test_list_table_has_the_columns_that_fit(service: FakeConvAI, columns: int, names: list[str]) -> None:
    details = {each: service.conversations.details(each) for each in list(service.conversations)[:5]}
    shown = on_a_terminal([*COMMAND, "list", "--base-url", service.url, "--limit", "5"], columns=columns)
    assert "\x1b[32msuccess\x1b[0m" in shown
    header, *lines = without_styles(shown).splitlines()
    assert header.split() == names
    assert max(map(len, lines)) <= columns
    for line, (conversation_id, document) in zip(lines, details.items(), strict=False):
        title = document["analysis"]["call_summary_title"]
        assert line.startswith(f"{conversation_id}  20")
        assert f"  {document['analysis']['call_successful']}  " in line
        assert title in line or f"{title[:9]}" in line, "a title has 18 columns, of which a wide character takes two"


def test_list_table_shows_titles_as_they_are_and_not_as_markup(service: FakeConvAI) -> None:
    title = "[/] [bold]refund[/bold] [link=https://evil.example]here[/link]"
    rename = faults.change(lambda page: page["conversations"][0].update(call_summary_title=title))
    service.faults.add(rename, operation="list_conversations")
    shown = on_a_terminal([*COMMAND, "list", "--base-url", service.url, "--limit", "1"])
    assert "[/] [bold]" in shown


def test_list_table_shows_local_time_and_utc_on_request(service: FakeConvAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    start = service.conversations[next(iter(service.conversations))].start
    command = [*COMMAND, "list", "--base-url", service.url, "--limit", "1"]
    assert Clock(utc=True).show(start + 9 * 3600, seconds=False) in on_a_terminal(command)
    shown = on_a_terminal([*command, "--utc"])
    assert "started (UTC)" in shown
    assert UTC_CLOCK.show(start, seconds=False) in shown


def test_delete_asks_first(service: FakeConvAI) -> None:
    conversation_id = next(iter(service.conversations))
    command = [*COMMAND, "delete", conversation_id, "--base-url", service.url]
    assert "nothing was deleted" in on_a_terminal(command, typed="n\n", returncode=1)
    assert conversation_id in service.conversations
    assert "1 deleted" in on_a_terminal(command, typed="y\n")
    assert conversation_id not in service.conversations


def test_show_wraps_for_people_and_shortens_what_tools_say(service: FakeConvAI) -> None:
    conversation_id = next(iter(service.conversations))
    result = {"type": "webhook", "tool_name": "find", "result_value": "x" * 1000}
    longer = faults.change(lambda document: document["transcript"][0].update(tool_results=[result]))
    service.faults.add(longer, operation="get_conversation")
    shown = without_styles(on_a_terminal([*COMMAND, "show", conversation_id, "--base-url", service.url], columns=60))
    assert max(map(len, shown.splitlines())) <= 60
    assert "(600 more characters with --json)" in " ".join(shown.split())


def test_harvest_on_a_terminal_shows_a_bar_and_its_result(service: FakeConvAI, archive: Path) -> None:
    shown = on_a_terminal([*COMMAND, "harvest", str(archive), "--base-url", service.url], columns=80)
    assert "\x1b[" in shown
    assert "40 found, 40 fetched" in shown


def lines_of(progress: LiveProgress, width: int) -> list[str]:
    progress._console = Console(width=width)
    with progress._console.capture() as capture:
        progress._console.print(progress.render())
    return capture.get().splitlines()


def test_progress_shows_until_when_a_harvest_waits() -> None:
    report = HarvestReport(waiting_for="GET /x: no connection", waiting_until_unix_secs=1_780_000_000)
    assert outlook(report, Clock(utc=True)) == "waiting until 2026-05-28 20:26:40 at the latest"
    progress = LiveProgress(Clock(utc=True))
    progress.update(report)
    assert "waiting until 20:26:40" in lines_of(progress, 80)[1]
    progress.update(HarvestReport())
    assert "waiting" not in lines_of(progress, 80)[1]


def test_progress_fits_80_columns_and_says_what_matters() -> None:
    seconds = iter([0.0, 0.0, 10.0, 10.0, 20.0])
    progress = LiveProgress(UTC_CLOCK, monotonic=lambda: next(seconds))
    report = HarvestReport(found=99, to_list=156, concurrency=8)
    progress.update(report)
    assert lines_of(progress, 80)[0].endswith(" 0 so far"), "from one page there is no telling how many there are"
    report.found, report.to_list, report.fetched, report.failed, report.concurrency = 2000, 4000, 900, 100, 128
    report.unchanged, report.reached_unix_secs = 500, 1_767_225_600
    bar, facts = lines_of(progress, 80)
    assert bar.endswith(" 25%  1,500 of about 6,000")
    assert facts == "90/s, 100 failed, about 30 s left, 500 unchanged, 128 at once"
    assert lines_of(progress, 120)[1].endswith(", back to 2026-01-01")
    report.found, report.to_list, report.fetched, report.recordings = 6000, 0, 5400, 7
    bar, facts = lines_of(progress, 80)
    assert bar.endswith("100%  6,000 of 6,000 found")
    assert "100 failed, 7 recordings, " in facts, "how long the recordings will take is not known"


@given(
    st.builds(
        HarvestReport,
        **dict.fromkeys(
            ["found", "fetched", "unchanged", "failed", "recordings", "to_list", "concurrency"],
            st.integers(0, 10**7),
        ),
        reached_unix_secs=st.none() | st.integers(-(10**12), 10**12),
    ),
    st.integers(60, 200),
)
def test_progress_cuts_nothing_on_any_width(report: HarvestReport, width: int) -> None:
    progress = LiveProgress(UTC_CLOCK, monotonic=itertools.count().__next__)
    progress.update(report)
    bar, facts = lines_of(progress, width)
    assert max(len(bar), len(facts)) <= width
    assert bar.endswith(
        (f" {report.handled:,} so far", f" of {report.found:,} found", f" of about {report.found + report.to_list:,}")
    )
    assert set(facts.split(", ")) <= {fact.plain for fact in progress._facts(progress._total())}


def test_lines_come_at_once_and_then_every_few_seconds() -> None:
    times = iter([0.0, 0.0, 0.0, 5.0, 10.0, 10.0, 15.0])
    shown: list[int] = []
    lines = Lines(lambda report: shown.append(report.fetched), clock=lambda: next(times))
    with lines:
        for number in range(4):
            lines.update(HarvestReport(fetched=number))
    assert shown == [0, 2]


def test_lines_end_quietly_when_the_output_cannot_be_written() -> None:
    tries: list[int] = []

    def fail(report: HarvestReport) -> None:
        tries.append(report.fetched)
        raise OutputError("it is full")

    lines = Lines(fail, clock=iter(range(0, 1000, 100)).__next__)
    for number in range(3):
        lines.update(HarvestReport(fetched=number))
    assert tries == [0]


def test_progress_in_json_needs_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with display(UTC_CLOCK, as_json=True) as shown:
        shown.update(HarvestReport(fetched=3))
    assert json.loads(capsys.readouterr().out)["fetched"] == 3
