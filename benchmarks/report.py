"""Print the results, and write them to a JSON file, a chart and the table in the documentation."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import chart
from benchmarks.clients import OURS
from benchmarks.result import Result, describe_machine, format_number

_FOLDER = Path(__file__).parent / "results"
PAGE = _FOLDER.parent.parent / "docs/benchmarks.md"
_RESULTS = _FOLDER / "results.json"
_CHART = _FOLDER / "comparison.svg"
_CHARTED = ("get", "decode", "audio", "memory", "import", "lag")
_CAVEATS = """\
These numbers do not include the real service, whose replies take longer than anything here, nor TLS and a network,
which cost every implementation the same. Other documents and other machines give other numbers.
In the tables, "ratio" is the value relative to the first row, and "server" is how much of a CPU core the server used.
"""


def read_results() -> dict[str, Result]:
    """Return the saved results by benchmark."""
    return msgspec.json.decode(_RESULTS.read_bytes(), type=dict[str, Result]) if _RESULTS.exists() else {}


def write_results(results: dict[str, Result]) -> None:
    """Write the JSON file, the chart and the table in the documentation."""
    _FOLDER.mkdir(exist_ok=True)
    _RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    charted = [results[name] for name in _CHARTED if name in results]
    chart.draw_chart(charted, _CHART)
    before, begin, rest = PAGE.read_text().partition("<!-- figures -->\n")
    _, end, after = rest.partition("<!-- end of figures -->\n")
    PAGE.write_text(before + begin + format_markdown(results) + end + after)


def format_markdown(results: dict[str, Result]) -> str:
    """Return the table for the documentation."""
    rows = ["| benchmark | | convai_async | alternatives |", "| --- | --- | ---: | --- |"]
    for benchmark, result in results.items():
        (name, summary), *others = result.implementations.items()
        ours = f"**{format_number(summary.value)} {result.unit}**" + ("" if name == OURS else f" {name}")
        alternatives = ", ".join(f"{other} {format_number(summary.value)}" for other, summary in others)
        rows.append(f"| `{benchmark}` | {result.title} | {ours} | {alternatives} |")
    return "".join(f"{row}\n" for row in rows)


def print_caveats() -> None:
    """Print how to read the numbers, and the machine."""
    print(_CAVEATS, describe_machine(), sep="\n")


def print_table(result: Result) -> None:
    """Print the result of a benchmark."""
    first = next(iter(result.implementations.values())).value
    table = Table(
        title=f"{result.title} ({result.unit})", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column("implementation", no_wrap=True)
    for column in ("median", "range", "ratio", "peak MiB", "server"):
        table.add_column(column, justify="right")
    for name, summary in result.implementations.items():
        table.add_row(
            name,
            format_number(summary.value),
            f"{format_number(summary.lowest)} to {format_number(summary.highest)}",
            f"{summary.value / first:.2f}",
            f"{summary.peak_mib:.0f}",
            f"{summary.service_share:.0%}",
        )
    Console().print(table)
