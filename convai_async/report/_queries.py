"""Read an archive into a report's numbers, in one pass over the conversations: the only place with SQL.

Memory does not grow with the number of conversations. All numbers are of the same moment, also while a harvest writes.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from convai_async.archive import Archive, ArchiveError
from convai_async.report._buckets import DAY_SECS, WEEKDAYS, Buckets, build_buckets
from convai_async.report._calls import CallEntry, CallLists, CallSelector
from convai_async.report._cubes import Cube, CubeBuilder, find_bin

if TYPE_CHECKING:
    from convai_async.archive._connection import Connection

T = TypeVar("T")

MAX_AGENTS = 8
OTHER_AGENTS = "(other agents)"
NONE_LABEL = "(none)"
_MAX_LABELS = 12
_MAX_VALUES = 24
_MAX_LABEL_CHARS = 80
_BATCH_SIZE = 500
_HOUR_SECS = 3600
DURATION_STEPS = {
    30: "under 30 s",
    60: "30 to 60 s",
    120: "1 to 2 min",
    180: "2 to 3 min",
    240: "3 to 4 min",
    300: "4 to 5 min",
    420: "5 to 7 min",
    600: "7 to 10 min",
    900: "10 to 15 min",
    1800: "15 to 30 min",
    2**62: "over 30 min",
}
"""The durations that calls are counted by: the upper bound in seconds, and the label."""


class ReportFilters(msgspec.Struct, frozen=True):
    """The conversations that a report is about; one without a valid start time is not among them.

    Attributes:
        agent_id: Those of this agent; None means any.
        start: Those that started at this Unix second or later; None means no bound.
        end: Those that started before this Unix second.
    """

    agent_id: str | None
    start: int | None
    end: int

    @property
    def sql(self) -> str:
        """The condition."""
        agent = "" if self.agent_id is None else " AND agent_id = :agent_id"
        return f"start_time_unix_secs >= :start AND start_time_unix_secs < :end{agent}"

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of its placeholders."""
        return {"agent_id": self.agent_id, "start": self.start or 0, "end": self.end}


class ReportData(msgspec.Struct, frozen=True):
    """The numbers of a report.

    Attributes:
        source: The address of the service that the conversations are from.
        agents: The agents' names, most calls first; the number of a cell modulo their number is an agent.
        first: When the first conversation started, in Unix seconds.
        last: When the last one started.
        buckets: The buckets of time; the number of a cell divided by the number of agents is a bucket.
        cubes: The numbers by their names.
        lists: The lists of calls.
    """

    source: str
    agents: list[str]
    first: int
    last: int
    buckets: Buckets
    cubes: dict[str, Cube]
    lists: CallLists


class _AgentRow(msgspec.Struct, array_like=True):
    agent_id: str | None
    first: int
    last: int


class _CallRow(msgspec.Struct, array_like=True):
    conversation_id: str
    cell: int
    start: int
    title: str | None
    status: str | None
    outcome: str | None
    seconds: float | None
    cost: int | None
    price: float | None
    rating: float | None
    likes: int | None
    dislikes: int | None
    comment: str | None
    language: str | None
    ending: str | None
    error: str | None
    turn_metrics: str | None


class _ToolRow(msgspec.Struct, array_like=True):
    conversation_id: str
    tool: str | None
    is_error: int | None
    seconds: float | None


class _CriterionRow(msgspec.Struct, array_like=True):
    conversation_id: str
    criterion: str | None
    result: str | None


class _ValueRow(msgspec.Struct, array_like=True):
    conversation_id: str
    name: str | None
    value: str


class _ModelRow(msgspec.Struct, array_like=True):
    conversation_id: str
    model: str
    input_tokens: float | None
    output_tokens: float | None
    price: float | None


_METRICS = msgspec.json.Decoder(dict[str, list[float | None]])

_CALLS = """\
SELECT conversation_id, {cell}, start_time_unix_secs, call_summary_title, status, call_successful, call_duration_secs,
    cost, coalesce(cost_fiat, llm_price), rating, likes, dislikes, comment, main_language, termination_reason,
    error_reason, turn_metrics
FROM conversations WHERE {condition}"""
_OF_CALLS = "WHERE conversation_id IN (SELECT value FROM json_each(?))"
_TOOLS = f"SELECT conversation_id, tool_name, is_error, tool_latency_secs FROM tool_calls {_OF_CALLS}"  # noqa: S608
_CRITERIA = f"SELECT conversation_id, criteria_id, result FROM evaluation_results {_OF_CALLS}"  # noqa: S608
_VALUES = (
    "SELECT conversation_id, data_collection_id, value FROM data_collection_results"  # noqa: S608
    f" {_OF_CALLS} AND value IS NOT NULL"
)
_MODELS = (
    "SELECT conversation_id, model, sum(tokens) FILTER (WHERE category LIKE 'input%'),"  # noqa: S608
    " sum(tokens) FILTER (WHERE category = 'output_total'), sum(price)"
    f" FROM llm_usage {_OF_CALLS} GROUP BY conversation_id, model"
)


def read_report_data(archive: Archive, filters: ReportFilters) -> ReportData | None:
    """Read the numbers of the conversations that filters select; None if there are none.

    Raises:
        ArchiveError: The archive cannot be read, or holds values that convai_async did not write.
    """
    with archive.snapshot() as connection:
        try:
            return _read(archive, connection, filters)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise ArchiveError(
                f"{str(archive.path)!r} contains data that convai_async did not write ({error}): restore it from a"
                " backup, or harvest into a new one"
            ) from error


def find_starts(archive: Archive, filters: ReportFilters) -> tuple[int, int] | None:
    """Return the first and the last start time of selected conversations, in Unix seconds; None if there are none."""
    with archive.snapshot() as connection:
        selected = f"FROM conversations WHERE {filters.sql}"
        # Two subqueries use the index; one query with both would read every row.
        query = f"SELECT (SELECT min(start_time_unix_secs) {selected}), (SELECT max(start_time_unix_secs) {selected})"
        first, last = connection.execute(query, filters.parameters).fetchone()
        return None if last is None else (int(first), int(last))


def _read(archive: Archive, connection: Connection, filters: ReportFilters) -> ReportData | None:
    spans = _convert(
        connection.execute(
            "SELECT agent_id, min(start_time_unix_secs), max(start_time_unix_secs) FROM conversations"  # noqa: S608
            f" WHERE {filters.sql} GROUP BY agent_id ORDER BY count(*) DESC, agent_id NULLS FIRST",
            filters.parameters,
        ),
        _AgentRow,
    )
    if not spans:
        return None
    first, last = min(each.first for each in spans), max(each.last for each in spans)
    buckets = build_buckets(first, last)
    ids = [each.agent_id for each in spans[:MAX_AGENTS]]
    agents = _name_agents(connection, ids) + [OTHER_AGENTS] * (len(spans) > MAX_AGENTS)
    branches = " ".join(f"WHEN {_match_agent(each, number)} THEN {number}" for number, each in enumerate(ids))
    query = _CALLS.format(
        cell=f"{buckets.sql} * {len(agents)} + CASE {branches} ELSE {len(ids)} END", condition=filters.sql
    )
    parameters = filters.parameters | {f"agent_{number}": each for number, each in enumerate(ids)}
    counter = _Counter()
    rows = connection.iterate(query, parameters)
    while batch := list(itertools.islice(rows, _BATCH_SIZE)):
        counter.count(connection, msgspec.convert(batch, list[_CallRow]))
    return ReportData(archive.source, agents, first, last, buckets, counter.build_cubes(), counter.selector.build())


def _name_agents(connection: Connection, ids: list[str | None]) -> list[str]:
    """Return the latest name of each agent, or its id where there is none, or two have the same."""
    found = [
        connection.execute(
            f"SELECT agent_name FROM conversations WHERE {_match_agent(each, 0)} AND agent_name > ''"  # noqa: S608
            " ORDER BY start_time_unix_secs DESC NULLS LAST LIMIT 1",
            {"agent_0": each},
        ).fetchone()
        for each in ids
    ]
    names = [_shorten_label(row[0] if row else agent_id) for row, agent_id in zip(found, ids, strict=True)]
    return [
        f"{name} ({agent_id})" if names.count(name) > 1 else name for name, agent_id in zip(names, ids, strict=True)
    ]


def _match_agent(agent_id: str | None, number: int) -> str:
    return "agent_id IS NULL" if agent_id is None else f"agent_id = :agent_{number}"


def _convert(rows: Any, kind: type[T]) -> list[T]:
    return msgspec.convert(list(rows), list[kind])  # type: ignore[valid-type]


@lru_cache(4096)
def _shorten_label(text: str | None) -> str:
    label = NONE_LABEL if text is None else " ".join(text.split()) or NONE_LABEL
    return label if len(label) <= _MAX_LABEL_CHARS else f"{label[: _MAX_LABEL_CHARS - 1]}…"


_CALL_MEASURES = [
    *("calls", "success", "failure", "seconds", "cost", "price"),
    *("rating_sum", "ratings", "passed", "missed"),
]
_STAGES = {
    "convai_llm_service_ttfb": "model: first byte",
    "convai_llm_service_ttf_sentence": "model: first sentence",
    "convai_tts_service_ttfb": "speech: first byte",
}
"""Words for the service's names of durations; others stay as they are."""
FIRST_BYTE = _STAGES["convai_llm_service_ttfb"]


class _Counter:
    """Counts conversations, batch by batch."""

    def __init__(self) -> None:
        self.selector = CallSelector()
        one = (_MAX_LABELS,)
        self._builders = {
            "calls": CubeBuilder(_CALL_MEASURES),
            "hours": CubeBuilder(("calls",), labels=(WEEKDAYS, [f"{hour:02}" for hour in range(24)])),
            "durations": CubeBuilder(("calls",), labels=(list(DURATION_STEPS.values()),), bins=True),
            "latency": CubeBuilder(("turns",), limits=one, bins=True),
            "models": CubeBuilder(("price", "input", "output", "calls"), limits=one),
            "tools": CubeBuilder(("calls", "failed"), limits=one, bins=True),
            "endings": CubeBuilder(("calls",), limits=one),
            "errors": CubeBuilder(("calls",), limits=one),
            "languages": CubeBuilder(("calls",), limits=one),
            "ratings": CubeBuilder(("ratings",), limits=one),
            "criteria": CubeBuilder(("results", "success", "failure"), limits=one),
            "collected": CubeBuilder(("calls",), limits=(_MAX_LABELS, _MAX_VALUES)),
        }

    def build_cubes(self) -> dict[str, Cube]:
        return {name: builder.build() for name, builder in self._builders.items()}

    def count(self, connection: Connection, batch: list[_CallRow]) -> None:
        cells = {each.conversation_id: each.cell for each in batch}
        ids = msgspec.json.encode(list(cells)).decode()
        failed_tools = self._count_tools(_convert(connection.execute(_TOOLS, (ids,)), _ToolRow), cells)
        passed, missed = self._count_criteria(_convert(connection.execute(_CRITERIA, (ids,)), _CriterionRow), cells)
        for value in _convert(connection.execute(_VALUES, (ids,)), _ValueRow):
            self._builders["collected"].add(
                (cells[value.conversation_id], _shorten_label(value.name), _shorten_label(value.value)), 1
            )
        for usage in _convert(connection.execute(_MODELS, (ids,)), _ModelRow):
            numbers = usage.price, usage.input_tokens, usage.output_tokens, 1
            self._builders["models"].add((cells[usage.conversation_id], _shorten_label(usage.model)), *numbers)
        for call in batch:
            criteria = passed.get(call.conversation_id, 0), missed.get(call.conversation_id, 0)
            self._count_call(call, *criteria)
            self._count_metrics(call)
            self.selector.add(
                _build_call_entry(call, criteria[1], failed_tools.get(call.conversation_id, 0)),
                is_disliked=bool(call.dislikes),
            )

    def _count_tools(self, rows: list[_ToolRow], cells: dict[str, int]) -> dict[str, int]:
        failed: dict[str, int] = {}
        for each in rows:
            number = 0 if each.seconds is None else 1 + find_bin(each.seconds)
            self._builders["tools"].add(
                (cells[each.conversation_id], _shorten_label(each.tool), number), 1, each.is_error
            )
            if each.is_error:
                failed[each.conversation_id] = failed.get(each.conversation_id, 0) + 1
        return failed

    def _count_criteria(
        self, rows: list[_CriterionRow], cells: dict[str, int]
    ) -> tuple[dict[str, int], dict[str, int]]:
        results: dict[str, dict[str, int]] = {"success": {}, "failure": {}}
        for each in rows:
            success, failure = each.result == "success", each.result == "failure"
            self._builders["criteria"].add(
                (cells[each.conversation_id], _shorten_label(each.criterion)), 1, success, failure
            )
            if each.result in results:
                of_calls = results[each.result]
                of_calls[each.conversation_id] = of_calls.get(each.conversation_id, 0) + 1
        return results["success"], results["failure"]

    def _count_call(self, call: _CallRow, passed: int, missed: int) -> None:
        cell, builders = call.cell, self._builders
        builders["calls"].add(
            (cell,),
            *(1, call.outcome == "success", call.outcome == "failure", call.seconds),
            *(call.cost, call.price, call.rating, call.rating is not None),
            *(passed, missed),
        )
        days, seconds = divmod(call.start, DAY_SECS)
        builders["hours"].add((cell, (days + 3) % 7, seconds // _HOUR_SECS), 1)
        if call.seconds is not None:
            step = next(number for number, limit in enumerate(DURATION_STEPS) if call.seconds < limit)
            builders["durations"].add((cell, step, 1 + find_bin(call.seconds)), 1)
        builders["endings"].add((cell, _shorten_label(call.ending)), 1)
        builders["languages"].add((cell, _shorten_label(call.language)), 1)
        if call.error is not None:
            builders["errors"].add((cell, _shorten_label(call.error)), 1)
        for label, number in (
            ("" if call.rating is None else f"{call.rating:g}", 1),
            ("like", call.likes),
            ("dislike", call.dislikes),
        ):
            if label and number:
                builders["ratings"].add((cell, label), number)

    def _count_metrics(self, call: _CallRow) -> None:
        if call.turn_metrics is None:
            return
        add = self._builders["latency"].add
        for metric, measured in _METRICS.decode(call.turn_metrics).items():
            stage = _STAGES.get(metric) or _shorten_label(metric)
            for seconds in measured:
                if seconds is not None:
                    add((call.cell, stage, 1 + find_bin(seconds)), 1)


def _build_call_entry(call: _CallRow, failed_criteria: int, failed_tools: int) -> CallEntry:
    return CallEntry(
        call.conversation_id,
        call.cell,
        call.start,
        call.title,
        call.status if call.status == "failed" else call.outcome or call.status or "",
        call.seconds,
        call.cost,
        call.price,
        call.rating,
        call.error or call.ending,
        call.comment,
        failed_criteria,
        failed_tools,
    )
