"""Filters of `client.conversations.list`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import endpoints
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI

AGENT = AGENTS[0][0]


CONTRACT_VALUES: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "agent_id": (AGENT, [("agent_id", AGENT)]),
    "call_successful": ("success", [("call_successful", "success")]),
    "call_start_before_unix": (
        datetime(2026, 5, 20, tzinfo=UTC),
        [("call_start_before_unix", "1779235200")],
    ),
    "call_start_after_unix": (1_779_000_000, [("call_start_after_unix", "1779000000")]),
    "call_duration_min_secs": (30, [("call_duration_min_secs", "30")]),
    "call_duration_max_secs": (300, [("call_duration_max_secs", "300")]),
    "rating_min": (2, [("rating_min", "2")]),
    "rating_max": (4, [("rating_max", "4")]),
    "has_feedback_comment": (False, [("has_feedback_comment", "false")]),
    "user_id": ("user_1", [("user_id", "user_1")]),
    "evaluation_params": (["polite:success"], [("evaluation_params", "polite:success")]),
    "data_collection_params": (
        ["order:exists", "city:eq:Rome"],
        [("data_collection_params", "order:exists"), ("data_collection_params", "city:eq:Rome")],
    ),
    "tool_names": (["issue_refund", "end_call"], [("tool_names", "issue_refund"), ("tool_names", "end_call")]),
    "page_size": (7, [("page_size", "7")]),
    "summary_mode": ("include", [("summary_mode", "include")]),
    "search": ("refund & more", [("search", "refund & more")]),
    "cursor": (None, []),
}


def test_contract_values_cover_every_filter_of_the_openapi_document() -> None:
    contract = json.loads((Path(__file__).parents[1] / "data/openapi.json").read_text())
    parameters = contract["paths"]["/v1/convai/conversations"]["get"]["parameters"]
    assert set(CONTRACT_VALUES) == {each["name"] for each in parameters if each["in"] == "query"}
    assert len(CONTRACT_VALUES) == 17


NEWER_VALUES: dict[str, Any] = {
    "conversation_initiation_source": "widget",
    "conversation_product_type": "agents",
    "data_collection_filter": "city:eq:Rome",
    "dynamic_variable_filter": "vip:eq:true",
    "dynamic_variable_params": ["vip:eq:true", "visits:gt:3"],
    "exclude_statuses": ["failed", "processing"],
    "guardrail_types": ["custom", "profanity"],
    "include_invalid_tool_calls": True,
    "sort_direction": "asc",
    "text_only": True,
}


@pytest.mark.parametrize("name", sorted(set(endpoints.ConversationFilters.__annotations__) - set(CONTRACT_VALUES)))
async def test_newer_filter_is_sent_under_its_name(client: ConvAIClient, fake: FakeConvAI, name: str) -> None:
    several = "Strings" in str(endpoints.ConversationFilters.__annotations__[name])
    value = NEWER_VALUES.get(name, ["a", "b"] if several else "a")
    await client.conversations.list(**{name: value})
    sent = [pair for pair in fake.requests[-1].query if pair[0] == name]
    texts = value if isinstance(value, list) else ["true" if value is True else value]
    assert sent == [(name, text) for text in texts]


@pytest.mark.parametrize("name", CONTRACT_VALUES)
async def test_filter_is_encoded_as_in_the_openapi_document(client: ConvAIClient, fake: FakeConvAI, name: str) -> None:
    value, sent = CONTRACT_VALUES[name]
    await client.conversations.list(**{name: value})
    assert [pair for pair in fake.requests[-1].query if pair[0] == name] == sent


async def test_all_filters_together_are_sent_once_each(client: ConvAIClient, fake: FakeConvAI) -> None:
    filters: Any = {name: value for name, (value, _) in CONTRACT_VALUES.items()}
    await client.conversations.list(**filters)
    assert sorted(fake.requests[-1].query) == sorted(pair for _, sent in CONTRACT_VALUES.values() for pair in sent)


async def test_misspelled_filter_raises_type_error_with_a_suggestion(client: ConvAIClient) -> None:
    misspelled: Any = {"agent": AGENT}
    with pytest.raises(TypeError, match="agent_id"):
        client.conversations.list(**misspelled)


def test_list_has_48_filters_and_message_search_38() -> None:
    assert len(endpoints.ConversationFilters.__annotations__) == 48
    assert len(endpoints.MessageFilters.__annotations__) == 38
