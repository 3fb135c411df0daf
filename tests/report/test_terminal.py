from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from report_archives import DAY, HOSTILE, START, build_document, write_archive
from rich.console import Console

from convai_async.report import Report, build_report
from convai_async.report._formatting import format_seconds, format_value
from convai_async.report._terminal import draw_bar, draw_sparkline

if TYPE_CHECKING:
    from pathlib import Path


def render(report: Report, width: int = 80, **options: bool) -> str:
    output = io.StringIO()
    Console(file=output, width=width, highlight=False, **options).print(report)  # type: ignore[arg-type]
    return output.getvalue()


def test_terminal_shows_key_figures_bars_tables_and_calls(tmp_path: Path) -> None:
    calls = [
        build_document(f"conv_{number}", start=START + number % 2 * DAY, rating=4, tool="transfer_to_number")
        for number in range(3)
    ]
    text = render(build_report(write_archive(tmp_path / "calls.db", *calls)))
    lines = [line.rstrip() for line in text.splitlines()]
    assert lines[0] == "Calls  2026-09-21 14:13 to 2026-09-22 14:13 UTC, from https://api.elevenlabs.io"
    assert "Calls             3             Model's first byte, p95   0.86 s" in lines
    assert "2026-09-21  ████████████████      2  100.0 %" in lines
    assert "2026-09-22  ████████              1  100.0 %" in lines
    assert "              █" in lines
    assert "transfer_to_number  ████████           3       0         0.0 %  0.83 s  0.86 s" in lines
    assert "conv_1  success  A title  1:00 min  $0.50" in lines
    assert "Evaluation criteria" not in lines
    assert "Worst calls" not in lines


def test_many_days_are_a_sparkline_and_long_tables_are_cut(tmp_path: Path) -> None:
    calls = [build_document(f"c{day}", start=START + day * DAY, ending=f"Reason {day}") for day in range(20)]
    text = render(build_report(write_archive(tmp_path / "calls.db", *calls)))
    assert "████████████████████\n2026-09-21 to 2026-10-10, at most 1 calls\n" in text
    assert "and 5 more\n" in text


@pytest.mark.parametrize("width", [80, 120])
def test_lines_fit_and_numbers_are_not_cut(tmp_path: Path, width: int) -> None:
    long = "word " * 60
    call = build_document("conv_" + "x" * 26, title=long, agent=long, model=long, tool=long, comment=long, rating=1)
    report = build_report(write_archive(tmp_path / "calls.db", call))
    lines = render(report, width).splitlines()
    assert max(map(len, lines[1:])) <= width
    assert len([line for line in lines if line.rstrip().endswith(" $0.50")]) == 6
    assert any(line.rstrip().endswith("$0.0300      1,000          50      1") for line in lines)


def test_comparison_is_coloured_in_a_terminal_only(tmp_path: Path) -> None:
    calls = [build_document("b", start=START - DAY, rating=4), build_document("n", rating=5)]
    report = build_report(write_archive(tmp_path / "calls.db", *calls), days=1, compare="previous")
    assert "\x1b[32m+1.00" in render(report, force_terminal=True)
    assert "\x1b" not in render(report)


def test_text_cannot_control_the_terminal(tmp_path: Path) -> None:
    texts = ("agent", "title", "comment", "ending", "error", "language", "tool", "model")
    call = build_document("conv_1", **dict.fromkeys(texts, HOSTILE + "[bold]"))  # type: ignore[arg-type]
    text = render(build_report(write_archive(tmp_path / "calls.db", call)), 200)
    assert "\x1b" not in text
    assert text.count("[31m[bold]") >= 3


def test_bars_and_sparklines() -> None:
    assert [draw_bar(share, 4) for share in (0, 0.01, 0.5, 0.53, 1)] == ["", "", "██", "██▏", "████"]
    assert draw_sparkline([0, 1, 4, 8]) == " ▂▅█"
    assert draw_sparkline([]) == ""
    assert draw_sparkline([0, 0]) == "  "


def test_bars_and_sparklines_are_ascii_if_the_encoding_has_no_blocks(tmp_path: Path) -> None:
    report = build_report(write_archive(tmp_path / "calls.db", build_document("conv_1")))
    output = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")  # a block would raise an error
    Console(file=output, width=100).print(report)
    output.seek(0)
    text = output.read()
    assert "################      1" in text
    assert "#\n0     6     12    18\n" in text


def test_numbers_are_formatted_with_units() -> None:
    assert [format_seconds(seconds) for seconds in (0.834, 9.99, 42.4, 59.6, 247, 3840)] == [
        "0.83 s",
        "9.99 s",
        "42 s",
        "1:00 min",
        "4:07 min",
        "1:04 h",
    ]
    assert [format_value(value, "dollars") for value in (0.0, 0.0123, 1234.5, None)] == [
        "$0.00",
        "$0.0123",
        "$1,234.50",
        "-",
    ]
