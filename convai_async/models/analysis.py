"""How the service judged a conversation, and what it collected from it."""

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
    """How a conversation did by one criterion.

    Schema: ConversationHistoryEvaluationCriteriaResultCommonModel.
    """

    criteria_id: str | None = None
    result: EvaluationResult | None = None
    rationale: str | None = None
    scoring_mode: CriteriaScoringMode | None = None
    score: int | None = None
    max_score: int | None = None


class AllowedValues(Model):
    """Which values a language model may give; the service refuses any other.

    Schema: AllowedValues.

    Attributes:
        dynamic_variable: The dynamic variable that holds the list of these values, a JSON array.
    """

    dynamic_variable: str | None = None


class CollectedDataSchema(Model):
    """What a collected value should look like.

    Schema: LiteralJsonSchemaProperty.

    Attributes:
        type: A JSON type; can be a list of them.
        description: Tells the language model what value to give.
        is_system_provided: Whether the service fills in the value.
        dynamic_variable: The dynamic variable that holds the value.
        allowed_values_dynamic_variable: Deprecated: see ``allowed_values``.
        is_omitted: Whether the parameter is left out of the request.
        constant_value: Text, a number or a boolean (schema: LiteralJsonSchemaPropertyConstantValue).
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
        """Put nothing in the place of a null."""
        if self.enum is None:
            self.enum = ()


class CollectedData(Model):
    """A value that was collected from a conversation.

    Schema: DataCollectionResultCommonModel.

    Attributes:
        value: Any JSON; None when the conversation did not say.
    """

    data_collection_id: str | None = None
    value: Any = None
    json_schema: CollectedDataSchema | None = None
    rationale: str | None = None
    name: str | None = None


class ScopedAnalysis(Model):
    """The analysis of one agent's part, or of the whole conversation.

    Schema: ScopedAnalysisResult.

    Attributes:
        scope: ``"conversation"`` for the full transcript, ``"agent"`` for the part in which the agent was active.
        source_branch_id: The branch of the agent, which tells apart results of one agent.
    """

    scope: AnalysisScope | None = None
    source_agent_id: str | None = None
    source_branch_id: str | None = None
    evaluation_criteria_results: dict[str, CriterionResult] = field(default_factory=dict)
    data_collection_results: dict[str, CollectedData] = field(default_factory=dict)
    successful: EvaluationResult | None = None
    success_score: float | None = None


class ConversationAnalysis(Model):
    """How the service judged a conversation, and what it collected from it.

    Schema: ConversationHistoryAnalysisCommonModel.

    Attributes:
        evaluation_criteria_results: By criterion id.
        data_collection_results: By id.
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
