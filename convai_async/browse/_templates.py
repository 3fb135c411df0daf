"""Render the HTML pages, and the values in them."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jinja2
import msgspec
from markupsafe import Markup, escape

from convai_async._support.text import format_call_time
from convai_async._support.timestamps import to_utc_datetime
from convai_async.browse._search import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from convai_async.browse._conversation import Turn

_MOST_GROWTH = 20
"""How many times as long as JSON its lines can be: each level of brackets makes the lines within longer."""


def render(template: str, **values: Any) -> str:
    """Return the HTML of a page. Values are escaped."""
    return _ENVIRONMENT.get_template(template).render(values)


def compile_templates() -> None:
    """Compile the templates, so that the first page does not take longer than the others."""
    for name in _ENVIRONMENT.list_templates():
        _ENVIRONMENT.get_template(name)


def format_local_time(unix_secs: int | None) -> str:
    """Return a time in the local zone, like ``2026-01-31 14:00``; empty for None and for times outside the calendar."""
    moment = to_utc_datetime(unix_secs)
    try:
        return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"
    except (OverflowError, ValueError, OSError):
        return ""


def format_iso(unix_secs: int | None) -> str:
    """Return a time in UTC in ISO 8601; empty for None and for times outside the calendar."""
    moment = to_utc_datetime(unix_secs)
    return "" if moment is None else moment.isoformat()


def format_json(text: str | None) -> str:
    """Return JSON with line breaks, and unchanged other text, and JSON whose indentation is most of it."""
    text = text or ""
    try:
        formatted = msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return text
    return formatted if len(formatted) <= _MOST_GROWTH * len(text) else text


def format_metric(name: str) -> str:
    """Return the name of a metric in words: ``llm first byte`` for ``convai_llm_service_ttfb``."""
    words = name.removeprefix("convai_").replace("_service", "").replace("ttfb", "first byte")
    return words.replace("ttf_", "first_").replace("_", " ")


def mark_words(excerpt: str) -> Markup:
    """Return an excerpt of a search with its words marked."""
    start, end = MARK
    return Markup(escape(excerpt).replace(start, Markup("<mark>")).replace(end, Markup("</mark>")))  # noqa: S704 - it is escaped


def summarize(turns: Iterable[Turn]) -> list[tuple[str, int, float, float]]:
    """Return the name, number, median and maximum of each metric."""
    by_name: dict[str, list[float]] = {}
    for turn in turns:
        for each in turn.metrics:
            by_name.setdefault(each.metric, []).append(each.elapsed_secs)
    return [
        (format_metric(name), len(values), statistics.median(values), max(values)) for name, values in by_name.items()
    ]


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("convai_async.browse"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "time": format_local_time,
    "iso": format_iso,
    "duration": format_call_time,
    "json": format_json,
    "metric": format_metric,
    "mark": mark_words,
    "segment": lambda text: quote(text, safe=""),
    "summarize": summarize,
}
