"""The facts of a conversation, as the values of the rows of `FACT_TABLES`."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from convai_async.archive._schema._json_text import encode_value, format_value, get_json_type

if TYPE_CHECKING:
    from convai_async.models import CollectedData, Conversation, CriterionResult, RagRetrieval

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
    analysis = conversation.analysis
    values: list[Any] = []
    if analysis is None:
        return values
    results: dict[str | None, CriterionResult] = {}
    results.update(analysis.evaluation_criteria_results.items())
    for result in analysis.evaluation_criteria_results_list:  # the same results, in newer documents
        results.setdefault(result.criteria_id, result)
    for criterion in results.items():
        values += (conversation_id, *_criterion(*criterion), None)
    for scoped in analysis.scoped:
        agent_id = None if scoped.scope == "conversation" else scoped.source_agent_id
        for name, result in scoped.evaluation_criteria_results.items():
            if agent_id is not None or name not in results:
                values += (conversation_id, *_criterion(name, result), agent_id)
    return values


def _criterion(criteria_id: str | None, result: CriterionResult) -> tuple[Any, ...]:
    return criteria_id, result.result, result.rationale, result.score, result.max_score


def _read_collected_data(conversation_id: str, conversation: Conversation) -> list[Any]:
    analysis = conversation.analysis
    values: list[Any] = []
    if analysis is None:
        return values
    results: dict[str | None, CollectedData] = {}
    results.update(analysis.data_collection_results.items())
    for result in analysis.data_collection_results_list:
        results.setdefault(result.data_collection_id, result)
    for collected in results.items():
        values += (conversation_id, *_collected(*collected), None)
    for scoped in analysis.scoped:
        agent_id = None if scoped.scope == "conversation" else scoped.source_agent_id
        for name, result in scoped.data_collection_results.items():
            if agent_id is not None or name not in results:
                values += (conversation_id, *_collected(name, result), agent_id)
    return values


def _collected(data_collection_id: str | None, result: CollectedData) -> tuple[Any, ...]:
    value = result.value
    return data_collection_id, format_value(value), get_json_type(value), result.rationale


def _read_llm_usage(conversation_id: str, conversation: Conversation) -> list[Any]:
    values: list[Any] = []
    # The other part of the usage is contained in this one.
    for model, usage in conversation.metadata.charging.llm_usage.initiated_generation.model_usage.items():
        for category in ("input", "input_cache_read", "input_cache_write", "output_total"):
            counted = getattr(usage, category)
            if counted.tokens or counted.price:
                values += (conversation_id, model, category, counted.tokens, counted.price)
    return values
