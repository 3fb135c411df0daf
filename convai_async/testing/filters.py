"""The filters of the conversations list: which conversations match a value of each query parameter."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from convai_async.testing.parameters import Parameter, boolean, integer, one_of, several, several_ids, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from convai_async.testing.documents import Documents
    from convai_async.testing.plans import StoredConversation

JSON = dict[str, Any]

STATUSES = ("initiated", "in-progress", "processing", "done", "failed")
INITIATION_SOURCES = (
    "unknown",
    "android_sdk",
    "node_js_sdk",
    "react_native_sdk",
    "react_sdk",
    "js_sdk",
    "python_sdk",
    "widget",
    "sip_trunk",
    "twilio",
    "exotel",
    "genesys",
    "avaya",
    "audiocodes",
    "swift_sdk",
    "whatsapp",
    "twilio_sms",
    "flutter_sdk",
    "zendesk_integration",
    "slack_integration",
    "telegram_integration",
    "intercom_integration",
    "freshdesk_integration",
    "salesforce_integration",
    "template_preview",
    "genesys_bot_connector",
    "subagent_tool",
)
GUARDRAIL_TYPES = (
    "custom",
    "prompt_injection",
    "self_harm_intent",
    "violence_graphic",
    "sexual",
    "violence",
    "harassment",
    "sexual_minors",
    "self_harm",
    "self_harm_instructions",
    "harassment_threatening",
    "hate",
    "hate_threatening",
    "profanity",
    "religion_or_politics",
    "medical_and_legal",
    "guardrail",
)


class Candidate:
    """A conversation to filter; its documents are generated only when a filter needs them.

    Args:
        stored: The conversation.
        documents: Generates its documents.
        include_invalid_tool_calls: Whether tool calls that were never run count.
    """

    def __init__(
        self, stored: StoredConversation, documents: Documents, *, include_invalid_tool_calls: bool = False
    ) -> None:
        self.stored = stored
        self._documents = documents
        self._include_invalid_tool_calls = include_invalid_tool_calls

    @cached_property
    def summary(self) -> JSON:
        """Its list item."""
        return self._documents.summary(self.stored, with_text=False)

    @cached_property
    def details(self) -> JSON:
        """Its full document."""
        return self._documents.details(self.stored)

    @property
    def topic_ids(self) -> set[str]:
        """The ids of its topics, which are not in its documents."""
        return self._documents.topic_ids(self.stored)

    @property
    def metadata(self) -> JSON:
        """The metadata of its full document."""
        return self.details["metadata"]  # type: ignore[no-any-return]

    @property
    def client_data(self) -> JSON:
        """The data with which the client started it."""
        return self.details["conversation_initiation_client_data"] or {}

    def get_results(self, kind: str) -> JSON:
        """Return the results of its analysis by id; the kind is ``"evaluation_criteria"`` or ``"data_collection"``."""
        return (self.details["analysis"] or {}).get(f"{kind}_results") or {}

    def contains(self, words: list[str]) -> bool:
        """Return whether one of its messages contains all of these lower-case words."""
        return any(has_words(turn["message"], words) for turn in self.details["transcript"])

    def get_tools(self, name: str, *, errored: bool | None = None) -> set[str]:
        """Return the names or ids of the tools that were called.

        Args:
            name: ``"tool_name"`` or ``"tool_id"``.
            errored: Only tool calls that failed, or only those that succeeded; None for all, also without a result.
        """
        return {
            tool
            for call, result in self._iter_tool_calls()
            if (call.get("tool_has_been_called", True) or self._include_invalid_tool_calls)
            and (errored is None or (bool(result) and bool(result.get("is_error")) is errored))
            and (tool := call.get(name) or result.get(name)) is not None
        }

    def _iter_tool_calls(self) -> Iterator[tuple[JSON, JSON]]:
        for turn in self.details["transcript"]:
            results = {result.get("request_id"): result for result in turn["tool_results"] or ()}
            for call in turn["tool_calls"] or ():
                yield call, results.get(call.get("request_id"), {})

    def get_guardrails(self, name: str) -> set[str]:
        """Return the ``guardrail_type`` or ``guardrail_name`` of the guardrails that were triggered."""
        return {
            guardrail.get(name)
            for turn in self.details["transcript"]
            for guardrail in turn.get("triggered_guardrails") or ()
        }

    def get_agents(self, name: str) -> set[str]:
        """Return the ``agent_id``, ``branch_id`` or ``workflow_node_id`` of the agents that took part."""
        turns = self.details["transcript"]
        return {turn["agent_metadata"].get(name) for turn in turns if turn["agent_metadata"]}


def has_words(message: str | None, words: list[str]) -> bool:
    """Return whether a message contains all of these lower-case words."""
    folded = (message or "").casefold()
    return all(word in folded for word in words)


class Condition(NamedTuple):
    """A condition such as ``"party_size:gte:4"``."""

    name: str
    operator: str
    operand: str

    def is_met_by(self, value: Any) -> bool:
        """Return whether a value meets the condition; a missing value is None."""
        return _OPERATORS[self.operator](value, self.operand)


def _as_text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_OPERATORS: dict[str, Callable[[Any, str], bool]] = {
    "eq": lambda value, operand: _as_text(value) == operand,
    "neq": lambda value, operand: _as_text(value) != operand,
    "in": lambda value, operand: value is not None and _as_text(value) in operand.split("|"),
    "gt": lambda value, operand: _is_number(value) and value > float(operand),
    "gte": lambda value, operand: _is_number(value) and value >= float(operand),
    "lt": lambda value, operand: _is_number(value) and value < float(operand),
    "lte": lambda value, operand: _is_number(value) and value <= float(operand),
    # The service had these two until it took an empty operand for the same.
    "exists": lambda value, _operand: value is not None,
    "missing": lambda value, _operand: value is None,
}


def _read_condition(parameter: str) -> Condition:
    name, operator, operand = (*parameter.split(":", 2), "", "")[:3]
    if not name or operator not in _OPERATORS or (parameter.count(":") < 2 and operator not in _WITHOUT_OPERAND):  # noqa: PLR2004
        raise ValueError(f"Input should be id:op:value, where op is one of {', '.join(_OPERATORS)}")
    if operator in _NUMERIC:
        try:
            float(operand)
        except ValueError:
            raise ValueError(f"{operator} requires a numeric value") from None
    return Condition(name, operator, operand)


def _read_evaluation(parameter: str) -> tuple[str, str]:
    criterion, _, result = parameter.rpartition(":")
    if not criterion or result not in {"success", "failure", "unknown"}:
        raise ValueError("Input should be criteria_id:result, where result is one of success, failure, unknown")
    return criterion, result


_WITHOUT_OPERAND = frozenset({"exists", "missing"})
_NUMERIC = frozenset({"gt", "gte", "lt", "lte"})


class Filter(NamedTuple):
    """A list filter.

    Attributes:
        parameter: The query parameter.
        admits: Returns whether a conversation matches a value of the parameter.
    """

    parameter: Parameter
    admits: Callable[[Candidate, Any], bool]


def _match_any(get_values: Callable[[Candidate], set[str]], parameter: Parameter) -> Filter:
    """Build a filter for conversations that have any of the given values."""
    return Filter(parameter, lambda candidate, values: not get_values(candidate).isdisjoint(values))


def _match_equal(get_value: Callable[[Candidate], Any], parameter: Parameter) -> Filter:
    """Build a filter for conversations that have the given value."""
    return Filter(parameter, lambda candidate, value: get_value(candidate) == value)


def _has_collected(candidate: Candidate, conditions: list[Condition]) -> bool:
    results = candidate.get_results("data_collection")
    return all(each.is_met_by(results.get(each.name, {}).get("value")) for each in conditions)


def _has_variables(candidate: Candidate, conditions: list[Condition]) -> bool:
    variables = candidate.client_data.get("dynamic_variables") or {}
    return all(each.is_met_by(variables.get(each.name)) for each in conditions)


def _has_evaluations(candidate: Candidate, evaluations: list[tuple[str, str]]) -> bool:
    results = candidate.get_results("evaluation_criteria")
    return all(results.get(criterion, {}).get("result") == result for criterion, result in evaluations)


def _has_comment(candidate: Candidate) -> bool:
    return bool((candidate.metadata["feedback"] or {}).get("comment"))


def _get_number_ids(candidate: Candidate, kind: str, name: str) -> set[str]:
    number = (candidate.metadata.get(kind) or {}).get(name)
    return {number} if number else set()


_CONDITIONS = several(read=_read_condition)
_CONDITION = Parameter(read=lambda parameter: [_read_condition(parameter)])

SHARED_FILTERS: dict[str, Filter] = {
    "agent_id": _match_equal(lambda candidate: candidate.summary["agent_id"], text()),
    "branch_id": _match_equal(lambda candidate: candidate.summary["branch_id"], text()),
    "call_duration_max_secs": Filter(
        integer(0), lambda candidate, value: candidate.summary["call_duration_secs"] <= value
    ),
    "call_duration_min_secs": Filter(
        integer(0), lambda candidate, value: candidate.summary["call_duration_secs"] >= value
    ),
    "call_successful": _match_equal(
        lambda candidate: candidate.summary["call_successful"], one_of("success", "failure", "unknown", "error")
    ),
    "conversation_initiation_source": _match_equal(
        lambda candidate: candidate.summary["conversation_initiation_source"], one_of(*INITIATION_SOURCES)
    ),
    "conversation_product_type": _match_equal(
        lambda candidate: candidate.details["conversation_product"], one_of("agents", "speech_engine")
    ),
    "data_collection_params": Filter(_CONDITIONS, _has_collected),
    "dynamic_variable_params": Filter(_CONDITIONS, _has_variables),
    "evaluation_params": Filter(several(read=_read_evaluation), _has_evaluations),
    "exclude_statuses": Filter(several(*STATUSES), lambda candidate, values: candidate.summary["status"] not in values),
    "has_feedback_comment": _match_equal(_has_comment, boolean()),
    "main_languages": _match_any(lambda candidate: {candidate.summary["main_language"]}, several()),
    "phone_number_ids": _match_any(
        lambda candidate: _get_number_ids(candidate, "phone_call", "phone_number_id"), several()
    ),
    "rating_max": Filter(integer(1, 5), lambda candidate, value: (candidate.summary["rating"] or 6) <= value),
    "rating_min": Filter(integer(1, 5), lambda candidate, value: (candidate.summary["rating"] or 0) >= value),
    "termination_reasons": _match_any(lambda candidate: {candidate.summary["termination_reason"]}, several()),
    "text_only": _match_equal(lambda candidate: bool(candidate.metadata["text_only"]), boolean()),
    "tool_ids": _match_any(lambda candidate: candidate.get_tools("tool_id"), several()),
    "tool_ids_errored": _match_any(lambda candidate: candidate.get_tools("tool_id", errored=True), several()),
    "tool_ids_successful": _match_any(lambda candidate: candidate.get_tools("tool_id", errored=False), several()),
    "tool_names": _match_any(lambda candidate: candidate.get_tools("tool_name"), several()),
    "tool_names_errored": _match_any(lambda candidate: candidate.get_tools("tool_name", errored=True), several()),
    "tool_names_successful": _match_any(lambda candidate: candidate.get_tools("tool_name", errored=False), several()),
    "topic_ids": _match_any(lambda candidate: candidate.topic_ids, several()),
    "triggered_procedure_ids": _match_any(
        lambda candidate: set(candidate.client_data.get("start_procedure_ids") or ()), several_ids()
    ),
    "user_id": _match_equal(lambda candidate: candidate.details["user_id"], text()),
    "version_id": _match_equal(lambda candidate: candidate.summary["version_id"], text()),
    "visited_agent_branch_ids": _match_any(lambda candidate: candidate.get_agents("branch_id"), several_ids()),
    "visited_agent_ids": _match_any(lambda candidate: candidate.get_agents("agent_id"), several_ids()),
    "whatsapp_phone_number_ids": _match_any(
        lambda candidate: _get_number_ids(candidate, "whatsapp", "whatsapp_phone_number_id"), several()
    ),
}
"""The filters of both the conversations list and the text search in messages."""

LIST_FILTERS: dict[str, Filter] = SHARED_FILTERS | {
    "custom_guardrail_names": _match_any(lambda candidate: candidate.get_guardrails("guardrail_name"), several()),
    "data_collection_filter": Filter(_CONDITION, _has_collected),
    "dynamic_variable_filter": Filter(_CONDITION, _has_variables),
    "guardrail_types": _match_any(
        lambda candidate: candidate.get_guardrails("guardrail_type"), several(*GUARDRAIL_TYPES)
    ),
    "parent_conversation_id": _match_equal(lambda candidate: candidate.stored.parent_id, text()),
    "search": Filter(text(), lambda candidate, value: candidate.contains(value.casefold().split())),
    "tag_ids": _match_any(lambda candidate: set(candidate.summary["tag_ids"]), several()),
    "workflow_node_entered_id": Filter(
        text(), lambda candidate, value: value in candidate.get_agents("workflow_node_id")
    ),
}
"""The filters of the conversations list."""

WINDOW = {"call_start_after_unix": integer(), "call_start_before_unix": integer()}
"""The time bounds, both inclusive."""


def build_parameters(filters: dict[str, Filter]) -> dict[str, Parameter]:
    """Build the query parameters of a route that has these filters."""
    parameters = {name: each.parameter for name, each in filters.items()}
    return parameters | WINDOW | {"include_invalid_tool_calls": boolean(default=False)}
