"""Draw the results as a bar chart."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.result import format_number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.result import Result

_TITLE_WIDTH = 38
_OURS, _OTHERS = "#1f6feb", "#b6bec8"


def draw_chart(results: Sequence[Result], path: Path) -> None:
    """Draw a panel of bars for each result, ours in colour; each panel has its own scale, from zero.

    Args:
        results: The results to draw.
        path: The SVG file to write.
    """
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "convai_async", "font.size": 9})
    figure = Figure(figsize=(9, 2.2 * ((len(results) + 1) // 2)), layout="constrained")
    panels = figure.subplots((len(results) + 1) // 2, 2, squeeze=False).flat
    for panel, result in zip(panels, results, strict=False):
        names = list(result.implementations)
        values = [summary.value for summary in result.implementations.values()]
        bars = panel.barh(names, values, color=[_OURS, *[_OTHERS] * (len(names) - 1)])
        panel.bar_label(bars, [format_number(value) for value in values], padding=3)
        title = f"{result.title} ({result.unit}, {'more' if result.more_is_better else 'less'} is better)"
        panel.set_title("\n".join(wrap(title, _TITLE_WIDTH)), fontsize=9, loc="left")
        panel.invert_yaxis()
        panel.margins(x=0.2)
        panel.set_xticks([])
        panel.spines[["top", "right", "bottom"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
