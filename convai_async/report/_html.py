"""Write a report as one page that needs no network, with Jinja2, Altair and vl-convert: the extra ``report``."""

from __future__ import annotations

import hashlib
import time
from base64 import b64encode
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jinja2
import msgspec
import vl_convert
from markupsafe import Markup

from convai_async._version import __version__
from convai_async.report._calls import LIST_TITLES
from convai_async.report._charts import CHARTS, DATASET, NEEDS, Charts
from convai_async.report._cubes import BIN_EDGES, OTHER_LABEL
from convai_async.report._definitions import FIGURES, TABLES, Label
from convai_async.report._formatting import MISSING, format_utc_time, format_value
from convai_async.report._queries import OTHER_AGENTS

if TYPE_CHECKING:
    from convai_async.report._calls import CallEntry
    from convai_async.report._cubes import Cube
    from convai_async.report._queries import ReportData
    from convai_async.report._tables import Figure, Table

_WIDE = {"volume", "tools", "collected"}
_CHART_TITLES = {"success": "Success rate and evaluation criteria met", "tool_latency": "Latency"}
_DASHBOARDS = {
    "https://api.elevenlabs.io": "https://elevenlabs.io",
    "https://api.us.elevenlabs.io": "https://elevenlabs.io",
    "https://api.eu.residency.elevenlabs.io": "https://eu.residency.elevenlabs.io",
    "https://api.in.residency.elevenlabs.io": "https://in.residency.elevenlabs.io",
    "https://api.sg.residency.elevenlabs.io": "https://sg.residency.elevenlabs.io",
}
"""The address of the service's own pages, for each address of its API."""
_PRECISION = 6
_SNIPPET = "window.vegaEmbed = vegaEmbed;"
"""All that the page needs of the libraries."""


def render_page(
    data: ReportData, period: str, figures: dict[str, Figure], tables: dict[str, Table], charts: Charts
) -> str:
    """Return a report as a page.

    The policy of the page allows only its own two scripts and its style, by their hashes, and no request at all.
    """
    bundle = _build_bundle()
    script, css = (_read(name) for name in ("page.js", "page.css"))
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(bundle)} {_hash(script)}",
            f"style-src {_hash(css)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_read("page.html")).render(
        period=period,
        source=data.source,
        figures=figures.values(),
        is_compared=any(each.change for each in figures.values()),
        policy=Markup(policy),  # noqa: S704 - hashes and keywords
        css=Markup(css),  # noqa: S704 - a file of this package
        bundle=Markup(bundle),  # noqa: S704 - from a library
        script=Markup(script),  # noqa: S704 - a file of this package
        data=Markup(_encode_json(_build_data(data, charts))),  # noqa: S704 - without a character that ends a script
        buckets=data.buckets.labels,
        agents=data.agents,
        cards=[_build_card(table) for table in tables.values()],
        lists=[_build_list(data, name) for name in LIST_TITLES],
        version=__version__,
        created=format_utc_time(int(time.time())),
    )


@cache
def _build_bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed, which takes two seconds."""
    return _fit_in_script(vl_convert.javascript_bundle(_SNIPPET))


def _read(name: str) -> str:
    return files("convai_async.report").joinpath(name).read_text(encoding="utf-8")


def _fit_in_script(code: str) -> str:
    """Return JavaScript without what would end the element, or change its bytes and so its hash."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--").replace("\r\n", "\n").replace("\r", "\n")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _encode_json(data: Any) -> str:
    text = msgspec.json.encode(data).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _build_data(data: ReportData, charts: Charts) -> dict[str, Any]:
    return {
        "agents": data.agents,
        "buckets": data.buckets.labels,
        "starts": data.buckets.starts,
        "end": data.buckets.end,
        "edges": BIN_EDGES,
        "others": [OTHER_LABEL, OTHER_AGENTS],
        "dataset": DATASET,
        "cubes": {name: _encode_cube(cube) for name, cube in data.cubes.items()},
        "tables": TABLES,
        "figures": FIGURES,
        "charts": {
            name: {"table": CHARTS[name], "needs": NEEDS.get(name, []), "spec": _build_spec(chart)}
            for name, chart in charts.build_all().items()
        },
    }


def _encode_cube(cube: Cube) -> dict[str, Any]:
    """Return a cube as lists: the keys as one number each, of which only the differences are written."""
    sizes = [len(labels) for labels in cube.labels] + [len(BIN_EDGES) + 2] * bool(cube.width)
    steps, last = [], 0
    for row in cube.rows:
        at = int(row[0])
        for part, size in zip(row[1:], sizes, strict=False):
            at = at * size + int(part)
        steps.append(at - last)
        last = at
    values = [[_shorten(row[1 + len(sizes) + place]) for row in cube.rows] for place in range(len(cube.measures))]
    return {
        "labels": cube.labels,
        "measures": cube.measures,
        "width": cube.width,
        "sizes": sizes,
        "at": steps,
        "values": values,
    }


def _shorten(number: float) -> float:
    return int(number) if number == int(number) else round(number, _PRECISION)


def _build_spec(chart: Any) -> dict[str, Any]:
    """Return a chart's specification without its data, as wide as the page allows, and coloured by the page's style."""
    spec: dict[str, Any] = chart.to_dict()
    del spec["data"]
    spec["config"] = {
        "background": None,
        "font": 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif',
        "view": {"stroke": None},
        "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
        "axisQuantitative": {"tickCount": 6},
        "legend": {"orient": "top", "labelFontSize": 12, "symbolType": "circle", "columnPadding": 16},
    }
    return spec | {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}


def _build_card(table: Table) -> dict[str, Any]:
    return {
        "table": table,
        "labels": sum(isinstance(column, Label) for column in TABLES[table.name].columns),
        "is_wide": table.name in _WIDE,
        "charts": [
            {"name": chart, "title": _CHART_TITLES.get(chart)} for chart, of in CHARTS.items() if of == table.name
        ],
    }


def _build_list(data: ReportData, name: str) -> dict[str, Any]:
    has_comments = name == "commented"
    calls: list[CallEntry] = getattr(data.lists, name)
    return {
        "name": name,
        "title": LIST_TITLES[name],
        "text_title": "Comment" if has_comments else "Title" if name != "worst" else "Title and reason",
        "calls": [_build_call(data, call, name) for call in calls],
    }


def _build_call(data: ReportData, call: CallEntry, list_name: str) -> dict[str, Any]:
    texts = {"commented": [call.comment], "worst": [call.title, call.reason]}.get(list_name, [call.title])
    return {
        "id": call.conversation_id,
        "link": build_link(data.source, call.conversation_id),
        "cell": call.cell,
        "text": " · ".join(text for text in texts if text) or MISSING,
        "agent": data.agents[call.cell % len(data.agents)],
        "start": format_utc_time(call.start),
        "outcome": call.outcome or MISSING,
        "style": call.outcome if call.outcome in {"success", "failure", "failed"} else "",
        "duration": format_value(call.seconds, "seconds"),
        "credits": format_value(call.cost, "credits"),
        "price": format_value(call.price, "dollars"),
        "rating": format_value(call.rating, "score"),
    }


def build_link(source: str, conversation_id: str) -> str | None:
    """Return the address of a conversation in the service's dashboard; None if it is from another service."""
    dashboard = _DASHBOARDS.get(source)
    return None if dashboard is None else f"{dashboard}/app/agents/history/{quote(conversation_id, safe='')}"
