"""Metrics of a long-running harvest in the format of Prometheus; needs prometheus_client, the extra ``metrics``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from convai_async.cli._monitor import HarvestMonitor, WorkspaceState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_COUNTERS: dict[str, tuple[str, Callable[[WorkspaceState], float]]] = {
    "convai_fetched": ("Conversations that were fetched and written.", lambda state: state.count("fetched")),
    "convai_recordings": ("Recordings that were saved.", lambda state: state.count("recordings")),
    "convai_deleted": ("Conversations that were deleted at the service.", lambda state: state.count("deleted")),
    "convai_bytes": ("Bytes of the fetched JSON and audio.", lambda state: state.count("bytes")),
}
_GAUGES: dict[str, tuple[str, Callable[[WorkspaceState], float]]] = {
    "convai_running": ("Whether the workspace is being harvested now.", lambda state: state.status == "running"),
    "convai_failed": (
        "Conversations that the current or last harvest could not fetch.",
        lambda state: state.current.failed,
    ),
    "convai_concurrency": ("Limit on requests in flight.", lambda state: state.current.concurrency),
    "convai_harvest_seconds": ("Duration of the current or last harvest.", lambda state: state.current.seconds),
    "convai_last_complete_timestamp_seconds": (
        "When the last complete harvest ended, in Unix seconds; 0 if there was none.",
        lambda state: state.last_complete,
    ),
}


class _HarvestCollector(Collector):
    def __init__(self, monitor: HarvestMonitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all workspaces."""
        states = self._monitor.workspaces.items()
        for name, (help_text, read) in _COUNTERS.items():
            counter = CounterMetricFamily(name, help_text, labels=["workspace"])
            for workspace, state in states:
                counter.add_metric([workspace], read(state))
            yield counter
        for name, (help_text, read) in _GAUGES.items():
            gauge = GaugeMetricFamily(name, help_text, labels=["workspace"])
            for workspace, state in states:
                gauge.add_metric([workspace], read(state))
            yield gauge
        harvests = CounterMetricFamily(
            "convai_harvests", "Harvests that have ended, by outcome.", labels=["workspace", "outcome"]
        )
        for workspace, state in states:
            for outcome, number in state.outcomes.items():
                harvests.add_metric([workspace, outcome], number)
        yield harvests


def render_metrics(monitor: HarvestMonitor) -> bytes:
    """Return the current metrics of all workspaces as text."""
    registry = CollectorRegistry()
    registry.register(_HarvestCollector(monitor))
    return generate_latest(registry)
