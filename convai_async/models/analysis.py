"""Analyses of conversations: evaluation results and collected data."""

from __future__ import annotations

from typing import Any

from msgspec import field

from convai_async.models._base import Model, OrNull
from convai_async.models.enums import AnalysisScope, CriteriaScoringMode, EvaluationResult, JSONSchemaType

__all__ = [
    "AllowedValues",
    "CollectedData",
    "CollectedDataSchema",
    "ConversationAnalysis",
    "CriterionResult",
    "ScopedAnalysis",
]


class CriterionResult(Model):
    """The result of an evaluation criterion.

    Schema: ConversationHistoryEvaluationCriteriaResultCommonModel.

    Attributes:
        result: ``"success"``, ``"failure"`` or ``"unknown"``.
        rationale: The reason for the result.
        score: The score, or None for a criterion without one.
        max_score: The maximum score.
    """

    criteria_id: str | None = None
    result: EvaluationResult | None = None
    rationale: str | None = None
    scoring_mode: CriteriaScoringMode | None = None
    score: int | None = None
    max_score: int | None = None


class AllowedValues(Model):
    """The values that a language model may return; the service rejects others.

    Schema: AllowedValues.

    Attributes:
        dynamic_variable: The name of the dynamic variable that contains the values, as a JSON array.
    """

    dynamic_variable: str | None = None


class CollectedDataSchema(Model):
    """The schema of a collected value.

    Schema: LiteralJsonSchemaProperty.

    Attributes:
        type: A JSON type, or several.
        enum: The allowed values; empty if any value is allowed.
        description: The instruction for the language model.
        is_system_provided: Whether the service provides the value.
        dynamic_variable: The name of the dynamic variable that provides the value.
        allowed_values: The values that the language model may return.
        allowed_values_dynamic_variable: Deprecated: use ``allowed_values``.
        is_omitted: Whether the parameter is left out of the request.
        constant_value: A constant string, number or boolean (schema: LiteralJsonSchemaPropertyConstantValue).
    """

    type: JSONSchemaType | tuple[str, ...] | None = None
    enum: OrNull[tuple[str, ...]] = ()
    is_system_provided: bool = False
    dynamic_variable: str | None = None
    constant_value: Any = None
    description: str | None = None
    allowed_values: AllowedValues | None = None
    allowed_values_dynamic_variable: str | None = None
    is_omitted: bool = False

    def __post_init__(self) -> None:
        """Replace null."""
        if self.enum is None:
            self.enum = ()


class CollectedData(Model):
    """A value that was extracted from a conversation.

    Schema: DataCollectionResultCommonModel.

    Attributes:
        value: Any JSON value; None if the conversation does not contain it.
        json_schema: The schema of the value.
        rationale: The reason for the value.
    """

    data_collection_id: str | None = None
    value: Any = None
    json_schema: CollectedDataSchema | None = None
    rationale: str | None = None
    name: str | None = None


class ScopedAnalysis(Model):
    """The analysis of the part of one agent, or of the whole conversation.

    Schema: ScopedAnalysisResult.

    Attributes:
        scope: ``"conversation"`` for the whole transcript, ``"agent"`` for the part in which the agent was active.
        source_agent_id: The agent.
        source_branch_id: The branch of the agent.
        evaluation_criteria_results: The results of the evaluation criteria, by id.
        data_collection_results: The collected data, by id.
    """

    scope: AnalysisScope | None = None
    source_agent_id: str | None = None
    source_branch_id: str | None = None
    evaluation_criteria_results: dict[str, CriterionResult] = field(default_factory=dict)
    data_collection_results: dict[str, CollectedData] = field(default_factory=dict)
    successful: EvaluationResult | None = None
    success_score: float | None = None


class ConversationAnalysis(Model):
    """The analysis of a conversation: evaluation results, collected data and a summary.

    Schema: ConversationHistoryAnalysisCommonModel.

    Attributes:
        evaluation_criteria_results: The results of the evaluation criteria, by id.
        data_collection_results: The collected data, by id.
        call_successful: The result of the success evaluation: ``"success"``, ``"failure"`` or ``"unknown"``.
        transcript_summary: A generated summary.
        call_summary_title: A generated title.
        scoped: The analyses of single agents, and of the whole conversation.
    """

    evaluation_criteria_results: dict[str, CriterionResult] = field(default_factory=dict)
    data_collection_results: dict[str, CollectedData] = field(default_factory=dict)
    call_successful: EvaluationResult | None = None
    transcript_summary: str | None = None
    call_summary_title: str | None = None
    evaluation_criteria_results_list: tuple[CriterionResult, ...] = ()
    data_collection_results_list: tuple[CollectedData, ...] = ()
    call_success_score: float | None = None
    scoped: tuple[ScopedAnalysis, ...] = ()
