"""Each list filter of the fake service returns exactly the matching conversations."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import ConvAIClient, endpoints
from convai_async.testing import FakeConvAI
from convai_async.testing.filters import LIST_FILTERS
from convai_async.testing.plans import TOPICS
from convai_async.testing.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

JSON = dict[str, Any]

COUNT = 100
WINDOW_START = 1_779_000_000


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=COUNT, seed=3, unfinished=3) as service:
        yield service


@cache
def documents() -> dict[str, JSON]:
    corpus = FakeConvAI(conversations=COUNT, seed=3, unfinished=3).conversations
    return {each: corpus.details(each) for each in corpus}


def get_tools(details: JSON, field: str, *, failed: bool | None = None, ran_only: bool = True) -> set[str]:
    found = set()
    for turn in details["transcript"]:
        for call, result in zip(turn["tool_calls"] or (), turn["tool_results"] or (), strict=True):
            if ran_only and not call["tool_has_been_called"]:
                continue
            if failed is None or result["is_error"] is failed:
                found.add(result["tool_id"] if field == "id" else call["tool_name"])
    return found


def collected(details: JSON, name: str) -> Any:
    results = (details["analysis"] or {}).get("data_collection_results", {})
    return results.get(name, {}).get("value")


def variable(details: JSON, name: str) -> Any:
    return details["conversation_initiation_client_data"]["dynamic_variables"].get(name)


def criterion(details: JSON, name: str) -> str | None:
    results = (details["analysis"] or {}).get("evaluation_criteria_results", {})
    result = results.get(name, {}).get("result")
    return result if isinstance(result, str) else None


def get_speakers(details: JSON, field: str) -> set[str]:
    return {turn["agent_metadata"][field] for turn in details["transcript"] if turn["role"] == "agent"}


def get_guardrails(details: JSON, field: str) -> set[str]:
    return {each[field] for turn in details["transcript"] for each in turn.get("triggered_guardrails", ())}


def rating(details: JSON) -> int | None:
    value = details["metadata"]["feedback"]["rating"]
    return value if isinstance(value, int) else None


def success(details: JSON) -> str:
    return str((details["analysis"] or {}).get("call_successful", "unknown"))


EXPECTED: dict[str, tuple[Any, Callable[[JSON], bool]]] = {
    "agent_id": ("agent_billing", lambda d: d["agent_id"] == "agent_billing"),
    "branch_id": ("agtbrch_1_beta", lambda d: d["branch_id"] == "agtbrch_1_beta"),
    "call_duration_max_secs": (150, lambda d: d["metadata"]["call_duration_secs"] <= 150),
    "call_duration_min_secs": (150, lambda d: d["metadata"]["call_duration_secs"] >= 150),
    "call_start_after_unix": (WINDOW_START, lambda d: d["metadata"]["start_time_unix_secs"] >= WINDOW_START),
    "call_start_before_unix": (WINDOW_START, lambda d: d["metadata"]["start_time_unix_secs"] <= WINDOW_START),
    "call_successful": ("failure", lambda d: success(d) == "failure"),
    "conversation_initiation_source": (
        "whatsapp",
        lambda d: d["metadata"]["conversation_initiation_source"] == "whatsapp",
    ),
    "conversation_product_type": ("speech_engine", lambda d: d["conversation_product"] == "speech_engine"),
    "custom_guardrail_names": (
        ["No promises about refunds", "none"],
        lambda d: "No promises about refunds" in get_guardrails(d, "guardrail_name"),
    ),
    "data_collection_filter": ("reason:eq:refund", lambda d: collected(d, "reason") == "refund"),
    "data_collection_params": (
        ["party_size:gte:4", "reason:in:booking|refund"],
        lambda d: (collected(d, "party_size") or 0) >= 4,
    ),
    "dynamic_variable_filter": ("vip:eq:true", lambda d: variable(d, "vip") is True),
    "dynamic_variable_params": (
        ["visits:lt:10", "note:eq:", "balance:neq:"],
        lambda d: variable(d, "visits") < 10,
    ),
    "evaluation_params": (
        ["solved:failure", "was_polite:success"],
        lambda d: criterion(d, "solved") == "failure" and criterion(d, "was_polite") == "success",
    ),
    "exclude_statuses": (["failed", "processing"], lambda d: d["status"] not in {"failed", "processing"}),
    "guardrail_types": (["profanity", "hate"], lambda d: "profanity" in get_guardrails(d, "guardrail_type")),
    "has_feedback_comment": (True, lambda d: d["metadata"]["feedback"]["comment"] is not None),
    "main_languages": (["de", "ja"], lambda d: d["metadata"]["main_language"] in {"de", "ja"}),
    "phone_number_ids": (
        ["phnum_1"],
        lambda d: (d["metadata"]["phone_call"] or {}).get("phone_number_id") == "phnum_1",
    ),
    "rating_max": (3, lambda d: rating(d) in {1, 2, 3}),
    "rating_min": (4, lambda d: rating(d) in {4, 5}),
    "search": (
        "number order",
        lambda d: any(
            "number" in (turn["message"] or "").lower() and "order" in (turn["message"] or "").lower()
            for turn in d["transcript"]
        ),
    ),
    "termination_reasons": (
        ["Client disconnected: 1000"],
        lambda d: d["metadata"]["termination_reason"] == "Client disconnected: 1000",
    ),
    "text_only": (True, lambda d: d["metadata"]["text_only"]),
    "tool_ids": (["tool_issue_refund"], lambda d: "tool_issue_refund" in get_tools(d, "id")),
    "tool_ids_errored": (
        ["__system_play_dtmf", "__system_transfer_to_number"],
        lambda d: not get_tools(d, "id", failed=True).isdisjoint(["__system_play_dtmf", "__system_transfer_to_number"]),
    ),
    "tool_ids_successful": (
        ["mcp:mcp_1:issue_refund"],
        lambda d: "mcp:mcp_1:issue_refund" in get_tools(d, "id", failed=False),
    ),
    "tool_names": (["issue_refund"], lambda d: "issue_refund" in get_tools(d, "name")),
    "tool_names_errored": (["issue_refund"], lambda d: "issue_refund" in get_tools(d, "name", failed=True)),
    "tool_names_successful": (["end_call"], lambda d: "end_call" in get_tools(d, "name", failed=False)),
    "triggered_procedure_ids": (
        ["proc_verify_identity"],
        lambda d: "proc_verify_identity" in d["conversation_initiation_client_data"]["start_procedure_ids"],
    ),
    "user_id": ("user_7", lambda d: d["user_id"] == "user_7"),
    "version_id": ("agtvrsn_0_2", lambda d: d["version_id"] == "agtvrsn_0_2"),
    "visited_agent_branch_ids": (["agtbrch_2_main"], lambda d: "agtbrch_2_main" in get_speakers(d, "branch_id")),
    "visited_agent_ids": (["agent_night_shift"], lambda d: "agent_night_shift" in get_speakers(d, "agent_id")),
    "whatsapp_phone_number_ids": (
        ["wapn_2"],
        lambda d: (d["metadata"]["whatsapp"] or {}).get("whatsapp_phone_number_id") == "wapn_2",
    ),
    "workflow_node_entered_id": ("node_help", lambda d: "node_help" in get_speakers(d, "workflow_node_id")),
}
"""A value of each filter, and whether a conversation matches."""

ELSEWHERE = {"parent_conversation_id", "tag_ids", "topic_ids"}
"""Filters with separate tests, because they use data that is not in the documents."""


def test_fake_service_knows_every_filter_of_the_client() -> None:
    steering = {"cursor", "page_size", "summary_mode", "sort_direction", "data_collection_ids"}
    steering |= {"evaluation_criteria_ids", "include_invalid_tool_calls"}
    assert set(ROUTES["list_conversations"].parameters) == set(endpoints.ConversationFilters.__annotations__)
    assert set(EXPECTED) | ELSEWHERE | steering == set(endpoints.ConversationFilters.__annotations__)
    assert set(ROUTES["text_search_messages"].parameters) == {
        *endpoints.MessageFilters.__annotations__,
        "text_query",
    }


@pytest.mark.parametrize("name", EXPECTED)
async def test_filter_returns_exactly_the_matching_conversations(client: ConvAIClient, name: str) -> None:
    value, admits = EXPECTED[name]
    expected = [conversation_id for conversation_id, details in documents().items() if admits(details)]
    assert await ids(client, **{name: value}) == expected
    assert 0 < len(expected) < COUNT


@pytest.mark.parametrize("name", ["agent_id", "exclude_statuses", "rating_min", "tool_names"])
async def test_text_search_applies_the_filters(client: ConvAIClient, name: str) -> None:
    value, admits = EXPECTED[name]
    hits = await client.conversations.messages.text_search("refund", **{name: value}, page_size=50).collect()
    expected = {
        conversation_id
        for conversation_id, details in documents().items()
        if admits(details) and any("refund" in (turn["message"] or "").lower() for turn in details["transcript"])
    }
    assert {hit.conversation_id for hit in hits} == expected


async def ids(client: ConvAIClient, **filters: Any) -> list[str]:
    return [summary.conversation_id async for summary in client.conversations.list(**filters)]


@pytest.mark.parametrize(
    ("condition", "admits"),
    [
        ("eq:5", lambda size: size == 5),
        ("neq:5", lambda size: size != 5),
        ("gt:5", lambda size: size is not None and size > 5),
        ("gte:5", lambda size: size is not None and size >= 5),
        ("lt:5", lambda size: size is not None and size < 5),
        ("lte:5.5", lambda size: size is not None and size <= 5.5),
        ("in:2|8", lambda size: size in {2, 8}),
        ("eq:", lambda size: size is None),
        ("neq:", lambda size: size is not None),
        ("missing", lambda size: size is None),
        ("exists", lambda size: size is not None),
    ],
)
async def test_data_collection_condition_returns_exactly_the_matching_conversations(
    client: ConvAIClient, condition: str, admits: Callable[[Any], bool]
) -> None:
    expected = [each for each, details in documents().items() if admits(collected(details, "party_size"))]
    assert await ids(client, data_collection_params=[f"party_size:{condition}"]) == expected
    assert expected


async def test_several_filters_are_combined(client: ConvAIClient) -> None:
    names = ("agent_id", "exclude_statuses", "main_languages")
    expected = [each for each, details in documents().items() if all(EXPECTED[name][1](details) for name in names)]
    assert await ids(client, **{name: EXPECTED[name][0] for name in names}) == expected
    assert expected


async def test_tool_calls_that_were_not_run_count_only_when_included(client: ConvAIClient) -> None:
    def find_tool(tool: str, *, ran_only: bool) -> list[str]:
        return [each for each, d in documents().items() if tool in get_tools(d, "name", ran_only=ran_only)]

    tools = {tool for details in documents().values() for tool in get_tools(details, "name", ran_only=False)}
    tool = min(tool for tool in tools if find_tool(tool, ran_only=True) != find_tool(tool, ran_only=False))
    assert await ids(client, tool_names=[tool]) == find_tool(tool, ran_only=True)
    assert await ids(client, tool_names=[tool], include_invalid_tool_calls=True) == find_tool(tool, ran_only=False)


async def test_parent_topic_and_tag_filters_find_added_conversations(client: ConvAIClient, fake: FakeConvAI) -> None:
    child = next(each for each in fake.conversations if fake.conversations[each].parent_id)
    parent = fake.conversations[child].parent_id
    assert await ids(client, parent_conversation_id=parent) == [child]
    own = fake.add(parent_conversation_id=parent, topic_ids=["topic_of_own"], tag_ids=["tag_of_own"])
    assert await ids(client, parent_conversation_id=parent) == [own, child]
    assert await ids(client, topic_ids=["topic_of_own", "none"]) == [own]
    assert await ids(client, tag_ids=["tag_of_own", "none"]) == [own]


async def test_topic_counts_agree_with_the_topic_filter(client: ConvAIClient) -> None:
    window: Any = {"from_unix_secs": 1, "to_unix_secs": 1_780_000_000}
    topics = await client.agents.topics.get("agent_billing", **window).collect()
    assert {topic.label for topic in topics} == set(TOPICS)
    for topic in topics:
        found = await ids(client, agent_id="agent_billing", topic_ids=[topic.topic_id])
        assert len(found) == topic.conversation_count
        reasons = {collected(documents()[each], "reason") for each in found} - {None}
        assert reasons <= {topic.label}


async def test_topics_are_sorted_and_limited_to_the_window(client: ConvAIClient) -> None:
    async def sorted_by(column: Any, **options: Any) -> list[Any]:
        return await client.agents.topics.get("agent_billing", from_unix_secs=1, sort_by=column, **options).collect()

    counts = [topic.conversation_count or 0 for topic in await sorted_by("conversations")]
    assert counts == sorted(counts, reverse=True)
    rates = [topic.success_rate or 0 for topic in await sorted_by("success_rate", sort_direction="asc")]
    assert rates == sorted(rates)
    assert await sorted_by("sentiment", sort_direction="asc") == (await sorted_by("sentiment"))[::-1]
    with_criteria = await sorted_by("frustration", include_evaluation_criteria=True)
    without = await sorted_by("frustration", include_evaluation_criteria=False)
    assert all(topic.metrics and topic.metrics.evaluation_criteria for topic in with_criteria)
    assert not any(topic.metrics and topic.metrics.evaluation_criteria for topic in without)
    day = 86_400
    reply = await client.request(
        "GET", "/v1/convai/agents/agent_billing/topics", query={"from_unix_secs": day + 5, "to_unix_secs": 4 * day}
    )
    assert (reply["window_start_unix_secs"], reply["window_end_unix_secs"]) == (day, 4 * day)
    assert reply["aggregated_run_count"] == 3


async def test_list_items_include_only_the_requested_results(client: ConvAIClient) -> None:
    everybody = await client.request("GET", "/v1/convai/conversations", query={"page_size": 100})
    assert not any("data_collection_results" in item for item in everybody["conversations"])
    asked = {"page_size": 100, "data_collection_ids": ["reason", "none"], "evaluation_criteria_ids": ["solved"]}
    included = await client.request("GET", "/v1/convai/conversations", query=asked)
    assert len(included["conversations"]) == COUNT, "they do not filter"
    for item in included["conversations"]:
        details = documents()[item["conversation_id"]]
        if details["analysis"]:
            assert item["data_collection_results"] == {"reason": collected(details, "reason")}
            assert item["evaluation_criteria_results"] == {"solved": {"result": criterion(details, "solved")}}


async def test_list_items_have_a_summary_only_with_summary_mode_include(client: ConvAIClient) -> None:
    without = await client.conversations.list()
    with_text = await client.conversations.list(summary_mode="include")
    assert not any(summary.transcript_summary for summary in without)
    assert any(summary.transcript_summary for summary in with_text)


async def test_ascending_list_is_complete_while_conversations_are_added_and_deleted(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    there = list(fake.conversations)
    assert await ids(client, sort_direction="asc", page_size=7) == there[::-1]
    seen: list[str] = []
    async for page in client.conversations.list(sort_direction="asc", page_size=20).pages():
        seen += [summary.conversation_id for summary in page]
        fake.add(start=1)
        await client.conversations.delete(seen[-1])
    assert seen == there[::-1]


@pytest.mark.parametrize("order", ["newest", "oldest", "random"])
async def test_list_in_any_order_is_complete(order: Any) -> None:
    async with (
        FakeConvAI(conversations=60, order=order) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        newest_first = list(fake.conversations)
        found = await ids(client, page_size=7)
        assert sorted(found) == sorted(newest_first)
        assert (found == newest_first) is (order == "newest")
        assert (found == newest_first[::-1]) is (order == "oldest")
        assert await ids(client, page_size=7, sort_direction="desc") == newest_first


def test_filters_of_list_items_do_not_generate_details() -> None:
    corpus = FakeConvAI(conversations=20).conversations
    for name in ("agent_id", "call_successful", "exclude_statuses", "main_languages", "tag_ids", "topic_ids"):
        for candidate in corpus.candidates({}):
            LIST_FILTERS[name].admits(candidate, ["none"])
            assert "details" not in vars(candidate)
