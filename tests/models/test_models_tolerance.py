"""Documents that do not quite keep to the contract, and those that are something else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from contract_documents import SCHEMAS, Maker, Schema
from hypothesis import given
from hypothesis import strategies as st

from convai_async import models
from convai_async.errors import DecodeError
from convai_async.models import Conversation, Model


def conversation(**fields: Any) -> bytes:
    return msgspec.json.encode({"conversation_id": "c", **fields})


def test_fraction_of_integer_is_dropped() -> None:
    made = Conversation.from_json(
        conversation(
            metadata={"call_duration_secs": 12.75, "cost": -1.5, "charging": {"analysis": {"total": {"runs": 2.0}}}},
            transcript=[{"time_in_call_secs": 1.25}],
            user_message_count=3.0,
        )
    )
    assert (made.metadata.call_duration_secs, made.metadata.cost, made.user_message_count) == (12, -1, 3)
    assert made.transcript[0].time_in_call_secs == 1
    analysis = made.metadata.charging.analysis
    assert analysis is not None
    assert analysis.total is not None
    assert analysis.total.runs == 2


def test_null_map_value_is_left_out_unless_it_is_allowed() -> None:
    made = Conversation.from_json(
        conversation(
            analysis={"evaluation_criteria_results": {"a": None, "b": {"result": "success"}}},
            metadata={"charging": {"llm_usage": {"irreversible_generation": {"model_usage": {"m": None}}}}},
            conversation_initiation_client_data={"dynamic_variables": {"x": None}},
        )
    )
    assert made.analysis is not None
    assert made.analysis.evaluation_criteria_results == {"b": models.CriterionResult(result="success")}
    assert made.metadata.charging.llm_usage.irreversible_generation.model_usage == {}
    assert made.conversation_initiation_client_data.dynamic_variables == {"x": None}
    summary = models.ConversationSummary.from_json(
        b'{"conversation_id": "c", "cost": 1.5, "evaluation_criteria_results": {"a": null}}'
    )
    assert summary.evaluation_criteria_results == {"a": None}
    prices = {"analysis": {"total": {"price_per_feature": {"a": None, "b": 0.5}}}}
    analysis = Conversation.from_json(conversation(metadata={"charging": prices})).metadata.charging.analysis
    assert analysis is not None
    assert analysis.total is not None
    assert analysis.total.price_per_feature == {"b": 0.5}


def test_values_of_a_map_with_nulls_are_normalized() -> None:
    summary = models.ConversationSummary.from_json(
        b'{"conversation_id": "c", "evaluation_criteria_results": {"a": null, "b": {"result": {"code": 5}}}}'
    )
    assert summary.evaluation_criteria_results == {"a": None, "b": models.CriterionSummary()}


def test_object_or_list_instead_of_text_becomes_json_text() -> None:
    made = Conversation.from_json(
        conversation(
            transcript=[
                {"message": {"text": "hällo"}},
                {"message": ["a", 1]},
                {"tool_results": [{"result_value": {}}]},
            ],
            metadata={"warnings": ["x", {"code": 5}]},
        )
    )
    assert [turn.message for turn in made.transcript] == ['{"text":"hällo"}', '["a",1]', None]
    (result,) = made.transcript[2].tool_results
    assert isinstance(result, models.OtherToolResult)
    assert result.result_value == "{}"
    assert made.metadata.warnings == ("x", '{"code":5}')


@pytest.mark.parametrize("piece", [5, 1.5, "text", [1], [], {"type": ["a"]}, {"type": 5}, {"type": "of_tomorrow"}])
def test_unknown_variant_is_kept_in_normalized_document(piece: Any) -> None:
    turn = {"tool_results": [piece], "time_in_call_secs": 1.5}
    made = Conversation.from_json(conversation(transcript=[turn], metadata={"phone_call": piece})).transcript[0]
    (result,) = made.tool_results
    assert isinstance(result, models.UnknownToolResult)
    assert result.raw == piece
    again = Conversation.from_json(Conversation.from_json(conversation(transcript=[turn])).to_json())
    assert again.transcript[0].tool_results == (result,)


def test_number_as_text_inside_variant_is_a_number() -> None:
    turn = {"tool_results": [{"type": "mcp", "tool_latency_secs": "0.5", "is_error": "true"}]}
    (result,) = Conversation.from_json(conversation(transcript=[turn])).transcript[0].tool_results
    assert result == models.OtherToolResult(type="mcp", tool_latency_secs=0.5, is_error=True)


def test_object_instead_of_enum_value_becomes_null() -> None:
    made = Conversation.from_json(conversation(status={"name": "done"}, transcript=[{"role": {}}]))
    assert made.status is None
    assert made.transcript[0].role is None


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (b'\xef\xbb\xbf{"conversation_id": "c", "agent_name": "A"}', "A"),
        (b'{"conversation_id": "c", "agent_name": "half \\ud83d"}', "half \N{REPLACEMENT CHARACTER}"),
        (b'{"conversation_id": "c", "agent_name": "\\ud83d\\ude00 \\ude00"}', "😀 \N{REPLACEMENT CHARACTER}"),
        (b'{"conversation_id": "c", "agent_name": "\xff", "\\ud83d": 1}', "\N{REPLACEMENT CHARACTER}"),
        (b'{"conversation_id": "c", "agent_name": "A", "metadata": {"cost_fiat": NaN}}', "A"),
        (b'{"conversation_id": "c", "agent_name": "A", "metadata": {"cost": Infinity, "cost_fiat": 1e400}}', "A"),
        (b'{"conversation_id": "c", "agent_name": "A", "otlp_traces": {"a": [-Infinity, 1e400]}}', "A"),
        (b'{"conversation_id": "c", "agent_name": "line\x0bbreak"}', "line\x0bbreak"),
    ],
)
def test_invalid_utf8_and_non_finite_numbers_decode(document: bytes, name: str) -> None:
    made = Conversation.from_json(document)
    assert made.agent_name == name
    assert made.metadata.cost is None
    assert made.metadata.cost_fiat is None
    assert made.otlp_traces in (None, {"a": [None, None]})


@pytest.mark.parametrize(
    ("model", "document", "path", "retryable"),
    [
        (Conversation, b"", "$", True),
        (Conversation, b"<html>", "$", True),
        (Conversation, b"null", "$", True),
        (Conversation, b"[]", "$", True),
        (Conversation, b"{}", "$", True),
        (Conversation, b'{"detail": {"status": "busy"}}', "$", True),
        (Conversation, b'{"conversation_id": "c', "$", True),
        (Conversation, b'{"conversation_id": "\xff"}', "$", True),
        (models.AgentLink, b'{"detail": "x"}', "$", True),
        (models.SignedUrl, b'{"detail": "x"}', "$", True),
        (models.FileUpload, b"{}", "$", True),
        (Conversation, b'{"conversation_id": 5}', "$.conversation_id", False),
        (Conversation, b'{"conversation_id": {"a": 1}}', "$.conversation_id", False),
        (Conversation, b'{"conversation_id": "c", "status": 5}', "$.status", False),
        (Conversation, b'{"conversation_id": "c", "status": 5, "has_audio": NaN}', "$.status", False),
        (Conversation, b'{"conversation_id": "c", "status": ["done"]}', "$.status", False),
        (Conversation, b'{"conversation_id": "c", "analysis": [1]}', "$.analysis", False),
        (Conversation, b'{"conversation_id": "c", "metadata": {"cost": {}}}', "$.metadata.cost", False),
        (Conversation, b'{"conversation_id": "c", "transcript": "hello"}', "$.transcript", False),
        (Conversation, b'{"conversation_id": "c", "transcript": [null]}', "$.transcript[0]", False),
        (Conversation, b'{"conversation_id": "c", "metadata": {"cost": 1e30}}', "$.metadata.cost", False),
    ],
)
def test_only_a_wholly_different_document_is_retryable(
    model: type[Model], document: bytes, path: str, retryable: bool
) -> None:
    with pytest.raises(DecodeError) as caught:
        model.from_json(document)
    assert (caught.value.path, caught.value.retryable, caught.value.body) == (path, retryable, document)


def test_missing_number_is_none_and_zero_is_zero() -> None:
    for fields, expected in (({}, None), ({"likes": None, "tokens": None, "delay_ms": None}, None)):
        document = msgspec.json.encode(fields)
        assert models.ConversationFeedback.from_json(document).likes is expected
        assert models.ConversationFeedback.from_json(document).dislikes is expected
        assert models.TokenUsage.from_json(document).tokens is expected
        assert models.TransferToAgentSuccess.from_json(document).delay_ms is expected
        assert models.RagUsage.from_json(document).usage_count is expected
        assert models.AsyncConversation.from_json(document).retry_count is expected
    assert models.ConversationFeedback.from_json(b'{"likes": 0}').likes == 0


def test_no_model_has_zero_as_default() -> None:
    for model in vars(models).values():
        if isinstance(model, type) and issubclass(model, Model):
            for field in msgspec.structs.fields(model):
                assert type(field.default) not in {int, float}, f"{model.__name__}.{field.name}"


@given(st.integers(0, 10**9))
def test_documents_with_random_deviations_decode(seed: int) -> None:
    def mutate(schema: Schema, made: dict[str, Any]) -> None:
        for name, value in list(made.items()):
            if maker.random.random() > 0.1 or name in {"conversation_id", "type", "result_type", "trigger_type"}:
                continue
            if type(value) is int:
                made[name] = value + 0.5
            elif isinstance(value, str):
                made[name] = {"text": value}
            elif isinstance(value, dict) and "properties" not in schema:
                made[name] = None

    maker = Maker(seed, optional=0.7, edit=mutate)
    made = Conversation.from_json(msgspec.json.encode(maker.make(SCHEMAS["GetConversationResponseModel"])))
    assert Conversation.from_json(made.to_json()) == made
