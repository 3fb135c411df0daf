"""Tables, a JSON file, and the figures and the picture of the documentation."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import picture
from benchmarks.clients import OURS
from benchmarks.result import Result, machine, short

_FOLDER = Path(__file__).parent / "results"
PAGE = _FOLDER.parent.parent / "docs/benchmarks.md"
_RESULTS = _FOLDER / "results.json"
_PICTURE = _FOLDER / "comparison.svg"
_PICTURED = ("get", "decode", "audio", "memory", "import", "lag")
_CAVEATS = """What these numbers do not show: the real service, whose replies take longer than anything here; TLS and a
network, which cost everybody the same; other documents than the fake service's, other machines than this one.
The service and a contender share this machine's cores; "service" is how much of a core the service used.
"""


def previous() -> dict[str, Result]:
    """Return the results that are there, so that asking one question keeps the others' answers."""
    return msgspec.json.decode(_RESULTS.read_bytes(), type=dict[str, Result]) if _RESULTS.exists() else {}


def write(results: dict[str, Result]) -> None:
    """Write the JSON file, draw the picture, and put the figures into the documentation."""
    _FOLDER.mkdir(exist_ok=True)
    _RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    pictured = [results[name] for name in _PICTURED if name in results]
    picture.draw(pictured, _PICTURE)
    before, begin, rest = PAGE.read_text().partition("<!-- figures -->\n")
    _, end, after = rest.partition("<!-- end of figures -->\n")
    PAGE.write_text(before + begin + markdown(results) + end + after)


def markdown(results: dict[str, Result]) -> str:
    """Return the documentation's table of the results."""
    rows = ["| benchmark | what | convai_async | others |", "| --- | --- | ---: | --- |"]
    for question, result in results.items():
        (name, line), *others = result.lines.items()
        ours = f"**{short(line.value)} {result.unit}**" + ("" if name == OURS else f" {name}")
        beside = ", ".join(f"{other} {short(line.value)}" for other, line in others)
        rows.append(f"| `{question}` | {result.asks} | {ours} | {beside} |")
    return "".join(f"{row}\n" for row in rows)


def print_caveats() -> None:
    """Say what the numbers do not show."""
    print(_CAVEATS, machine(), sep="\n")


def print_table(of: Result) -> None:
    """Print a question's answers."""
    first = next(iter(of.lines.values())).value
    table = Table(title=f"{of.asks} ({of.unit})", title_justify="left")
    table.add_column("contender")
    for column in ("median", "lowest to highest", "beside the first", "peak MiB", "service"):
        table.add_column(column, justify="right")
    for name, line in of.lines.items():
        table.add_row(
            name,
            short(line.value),
            f"{short(line.lowest)} to {short(line.highest)}",
            f"{line.value / first:.2f}",
            f"{line.peak_mib:.0f}",
            f"{line.service_share:.0%}",
        )
    Console().print(table)
