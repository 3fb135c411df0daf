"""The facts of a conversation, as the values of the rows of `FACT_TABLES`."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from convai_async.archive._schema._json_text import encode_value, format_value, get_json_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async.models import CollectedData, Conversation, ConversationAnalysis, CriterionResult, RagRetrieval

Facts: TypeAlias = tuple[tuple[Any, ...], ...]
"""For each of `FACT_TABLES`, the values of all its rows, one after the other: a list for each row would be larger."""


def read_facts(conversation_id: str, conversation: Conversation) -> Facts:
    """Return the rows of `FACT_TABLES`, in their order."""
    retrievals: list[Any] = []
    for position, info in enumerate(map(_get_retrieval, conversation.transcript)):
        if info is not None:
            retrievals += (conversation_id, position, *_read_retrieval(info))
    tags: list[Any] = []
    for tag in dict.fromkeys(conversation.tag_ids):
        tags += (conversation_id, tag)
    return (
        tuple(_read_evaluation(conversation_id, conversation)),
        tuple(_read_collected_data(conversation_id, conversation)),
        tuple(_read_llm_usage(conversation_id, conversation)),
        tuple(tags),
        tuple(retrievals),
    )


_get_retrieval = attrgetter("rag_retrieval_info")


def _read_retrieval(info: RagRetrieval) -> tuple[Any, ...]:
    return info.retrieval_query, info.embedding_model, info.rag_latency_secs, encode_value(info.chunks)


def _read_evaluation(conversation_id: str, conversation: Conversation) -> list[Any]:
    return _read_results(
        conversation_id, conversation.analysis, "evaluation_criteria_results", "criteria_id", _read_criterion
    )


def _read_criterion(result: CriterionResult) -> tuple[Any, ...]:
    return result.result, result.rationale, result.score, result.max_score


def _read_collected_data(conversation_id: str, conversation: Conversation) -> list[Any]:
    return _read_results(
        conversation_id, conversation.analysis, "data_collection_results", "data_collection_id", _read_value
    )


def _read_value(result: CollectedData) -> tuple[Any, ...]:
    return format_value(result.value), get_json_type(result.value), result.rationale


def _read_results(
    conversation_id: str,
    analysis: ConversationAnalysis | None,
    field: str,
    id_field: str,
    read: Callable[[Any], tuple[Any, ...]],
) -> list[Any]:
    """Return the values of the rows of results: those of the conversation, and then those of its agents.

    Args:
        conversation_id: The first column.
        analysis: The analysis with the results.
        field: The field with the results by id.
        id_field: The field of a result with its id, which is the second column.
        read: Returns the other columns for a result, except for the agent, which is the last one.
    """
    values: list[Any] = []
    if analysis is None:
        return values
    results: dict[str | None, Any] = dict(getattr(analysis, field))
    for result in getattr(analysis, f"{field}_list"):  # the same results, in newer documents
        results.setdefault(getattr(result, id_field), result)
    for result_id, result in results.items():
        values += (conversation_id, result_id, *read(result), None)
    for scoped in analysis.scoped:
        agent_id = None if scoped.scope == "conversation" else scoped.source_agent_id
        for result_id, result in getattr(scoped, field).items():
            if agent_id is not None or result_id not in results:
                values += (conversation_id, result_id, *read(result), agent_id)
    return values


def _read_llm_usage(conversation_id: str, conversation: Conversation) -> list[Any]:
    values: list[Any] = []
    # The other part of the usage is contained in this one.
    for model, usage in conversation.metadata.charging.llm_usage.initiated_generation.model_usage.items():
        for category in ("input", "input_cache_read", "input_cache_write", "output_total"):
            counted = getattr(usage, category)
            if counted.tokens or counted.price:
                values += (conversation_id, model, category, counted.tokens, counted.price)
    return values
