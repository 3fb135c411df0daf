from __future__ import annotations

import copy
import json
import pickle
from typing import Any, Literal, get_args

import contract_models
import msgspec
import pytest
from contract_documents import SCHEMAS, Maker, Schema, branches, resolve, types_of

from convai_async import models
from convai_async.errors import DecodeError
from convai_async.models import Conversation, Model, UnknownVariant, get_decoder
from convai_async.models._open_union import open_unions

STRUCTS: dict[str, type[Model]] = {
    "AgentConfigOverride-Output": models.AgentOverride,
    "AgentMetadata": models.AgentMetadata,
    "AsyncConversationMetadata": models.AsyncConversation,
    "ConversationChargingCommonModel": models.ConversationCharging,
    "ConversationConfigClientOverride-Output": models.ConfigOverride,
    "ConversationConfigOverride": models.ConversationOverride,
    "ConversationDeletionSettings": models.DeletionSettings,
    "ConversationFeedbackRequestModel": contract_models.FeedbackRequest,
    "ConversationHistoryAnalysisCommonModel": models.ConversationAnalysis,
    "ConversationHistoryBatchCallModel": models.BatchCall,
    "ConversationHistoryElevenAssistantCommonModel": models.ElevenAssistant,
    "ConversationHistoryErrorCommonModel": models.ConversationError,
    "ConversationHistoryEvaluationCriteriaResultCommonModel": models.CriterionResult,
    "ConversationHistoryFeedbackCommonModel": models.ConversationFeedback,
    "ConversationHistoryMetadataCommonModel": models.ConversationMetadata,
    "ConversationHistoryMultivoiceMessageModel": models.MultivoiceMessage,
    "ConversationHistoryMultivoiceMessagePartModel": models.MultivoicePart,
    "ConversationHistoryRagUsageCommonModel": models.RagUsage,
    "ConversationHistorySIPTrunkingPhoneCallModel": models.SipTrunkingPhoneCall,
    "ConversationHistoryTranscriptApiIntegrationWebhookToolsResultCommonModel": models.IntegrationWebhookToolResult,
    "ConversationHistoryTranscriptCommonModel-Output": models.TranscriptTurn,
    "ConversationHistoryTranscriptOtherToolsResultCommonModel": models.OtherToolResult,
    "ConversationHistoryTranscriptSystemToolResultCommonModel": models.SystemToolResult,
    "ConversationHistoryTranscriptToolCallApiIntegrationWebhookDetails": models.IntegrationWebhookCallDetails,
    "ConversationHistoryTranscriptToolCallClientDetails": models.ClientCallDetails,
    "ConversationHistoryTranscriptToolCallCommonModel-Output": models.ToolCall,
    "ConversationHistoryTranscriptToolCallMCPDetails": models.MCPCallDetails,
    "ConversationHistoryTranscriptToolCallWebhookDetails": models.WebhookCallDetails,
    "ConversationHistoryTranscriptWorkflowToolsResultCommonModel-Output": models.WorkflowToolResult,
    "ConversationHistoryTwilioPhoneCallModel": models.TwilioPhoneCall,
    "ConversationInitiationClientDataRequest-Output": models.InitiationData,
    "ConversationInitiationSourceInfo": models.SourceInfo,
    "ConversationSignedUrlResponseModel": models.SignedUrl,
    "ConversationSummaryResponseModel": models.ConversationSummary,
    "ConversationTokenDBModel": models.ConversationToken,
    "ConversationTurnMetrics": models.TurnMetrics,
    "DataCollectionResultCommonModel": models.CollectedData,
    "DefaultConversationInitiationTrigger": models.DefaultInitiation,
    "DynamicVariableUpdateCommonModel": models.DynamicVariableUpdate,
    "EndCallToolResultModel": models.EndCallSuccess,
    "FeatureStatusCommonModel": models.FeatureStatus,
    "FeaturesUsageCommonModel": models.FeaturesUsage,
    "GetAgentLinkResponseModel": models.AgentLink,
    "GetConversationResponseModel": models.Conversation,
    "GetConversationsPageResponseModel": contract_models.ConversationsPage,
    "LLMCategoryUsage": models.LLMUsageByCategory,
    "LLMInputOutputTokensUsage": models.ModelTokenUsage,
    "LLMTokensCategoryUsage": models.TokenUsage,
    "LLMUsage-Output": models.LLMUsage,
    "LanguageDetectionToolResultModel": models.LanguageDetectionSuccess,
    "LiteralJsonSchemaProperty": models.CollectedDataSchema,
    "MetricRecord": models.MetricRecord,
    "PlayDTMFResultErrorModel": models.PlayDTMFError,
    "PlayDTMFResultSuccessModel": models.PlayDTMFSuccess,
    "PromptAgentAPIModelOverride": models.PromptOverride,
    "RagChunkMetadata": models.RagChunk,
    "RagRetrievalInfo": models.RagRetrieval,
    "SkipTurnToolResponseModel": models.SkipTurnSuccess,
    "SoftTimeoutConfigOverride": models.SoftTimeoutOverride,
    "TTSConversationalConfigOverride": models.TTSOverride,
    "TestToolResultModel": models.TestToolResult,
    "TestsFeatureUsageCommonModel": models.AgentTestingFeatures,
    "TokenResponseModel": models.WebRTCToken,
    "TransferToAgentToolResultErrorModel": models.TransferToAgentError,
    "TransferToAgentToolResultSuccessModel": models.TransferToAgentSuccess,
    "TransferToNumberResultErrorModel": models.TransferToNumberError,
    "TransferToNumberResultSipSuccessModel": models.TransferToNumberSipSuccess,
    "TransferToNumberResultTwilioSuccessModel": models.TransferToNumberTwilioSuccess,
    "TurnConfigOverride": models.TurnOverride,
    "UserFeedback": models.TurnFeedback,
    "VoiceMailDetectionResultSuccessModel": models.VoicemailDetectionSuccess,
    "WhatsAppConversationInfo": models.WhatsAppConversation,
    "WorkflowFeaturesUsageCommonModel": models.WorkflowFeatures,
    "WorkflowToolEdgeStepModel": models.WorkflowEdgeStep,
    "WorkflowToolMaxIterationsExceededStepModel": models.WorkflowMaxIterationsExceededStep,
    "WorkflowToolNestedToolsStepModel-Output": models.WorkflowNestedToolsStep,
    "WorkflowToolResponseModel-Output": models.WorkflowResult,
    "ZendeskConversationInitiationTrigger": models.ZendeskInitiation,
}
UNIONS: dict[str, Any] = {
    "ConversationHistoryMetadataCommonModelInitiationTrigger": models.InitiationTrigger,
    "ConversationHistoryMetadataCommonModelPhoneCall": models.PhoneCall,
    "ConversationHistoryTranscriptCommonModelOutputToolResultsItems": models.ToolResult,
    "ConversationHistoryTranscriptSystemToolResultCommonModelResult": models.SystemResult,
    "ConversationHistoryTranscriptToolCallCommonModelOutputToolDetails": models.ToolCallDetails,
    "WorkflowToolNestedToolsStepModelOutputResultsItems": models.ToolResult,
    "WorkflowToolResponseModelOutputStepsItems": models.WorkflowStep,
}
ENUMS: dict[str, Any] = {
    "AgentDefinitionSource": models.AgentDefinitionSource,
    "AsyncConversationMetadataDeliveryStatus": models.DeliveryStatus,
    "AuthorizationMethod": models.AuthorizationMethod,
    "ConversationFeedbackType": models.FeedbackType,
    "ConversationHistorySipTrunkingPhoneCallModelDirection": models.PhoneCallDirection,
    "ConversationHistoryTranscriptCommonModelOutputRole": models.TurnRole,
    "ConversationHistoryTranscriptCommonModelOutputSourceMedium": models.SourceMedium,
    "ConversationHistoryTranscriptOtherToolsResultCommonModelType": models.ToolResultType,
    "ConversationHistoryTwilioPhoneCallModelDirection": models.PhoneCallDirection,
    "ConversationInitiationSource": models.InitiationSource,
    "ConversationSummaryResponseModelDirection": models.PhoneCallDirection,
    "ConversationSummaryResponseModelStatus": models.ConversationStatus,
    "ConversationTokenPurpose": models.ConversationTokenPurpose,
    "EmbeddingModelEnum": models.EmbeddingModel,
    "EvaluationSuccessResult": models.EvaluationResult,
    "GetConversationResponseModelStatus": models.ConversationStatus,
    "LLM": models.LLM,
    "LiteralJsonSchemaPropertyType": models.JSONSchemaType,
    "ToolType": models.ToolType,
    "UserFeedbackScore": models.FeedbackScore,
    "V1ConvaiConversationsGetParametersSummaryMode": contract_models.SummaryMode,
    "WhatsAppConversationInfoDirection": models.WhatsAppDirection,
}
JSON_VALUES = {
    "ConversationInitiationClientDataRequestOutputCustomLlmExtraBody",
    "ConversationInitiationClientDataRequestOutputDynamicVariables",
    "LiteralJsonSchemaPropertyConstantValue",
}
"""Schemas of plain JSON values: `Any`."""

REQUIRED: dict[str, dict[str, Any]] = {
    "ConversationSignedUrlResponseModel": {"signed_url": "wss://x"},
    "TokenResponseModel": {"token": "t"},
    "GetAgentLinkResponseModel": {"agent_id": "agent_1"},
    "GetConversationResponseModel": {"conversation_id": "conv_1"},
    "ConversationSummaryResponseModel": {"conversation_id": "conv_1"},
    "GetConversationsPageResponseModel": {"conversations": []},
    "GetSipLogMessagesResponse": {"sip_messages": []},
}
"""What a document must have; everything else may be missing or null."""

each_struct = pytest.mark.parametrize("name", STRUCTS)


def test_every_schema_has_a_model() -> None:
    assert len(SCHEMAS) == 110
    assert STRUCTS.keys() | UNIONS.keys() | ENUMS.keys() | JSON_VALUES == SCHEMAS.keys()


@each_struct
def test_model_has_every_field_of_its_schema_and_names_it(name: str) -> None:
    model = STRUCTS[name]
    assert set(SCHEMAS[name].get("properties", ())) <= set(model.__struct_fields__)
    assert f"Schema: {name}." in (model.__doc__ or "")


@pytest.mark.parametrize("name", ENUMS)
def test_enum_literal_lists_every_value(name: str) -> None:
    literals = [value for part in get_args(ENUMS[name]) for value in get_args(part)]
    assert set(literals) >= set(SCHEMAS[name]["enum"])
    assert len(set(literals)) == len(literals)
    assert str in get_args(ENUMS[name])


@pytest.mark.parametrize("name", UNIONS)
def test_every_variant_decodes_as_its_class(name: str) -> None:
    decode = get_decoder(UNIONS[name])
    for branch in branches(SCHEMAS[name]):
        variant, schema = resolve(branch)
        result = decode(msgspec.json.encode(Maker().make(schema)))
        assert type(result) is STRUCTS[variant]
        assert isinstance(result, UNIONS[name])


@each_struct
def test_smallest_document_has_empty_collections(name: str) -> None:
    made = STRUCTS[name].from_json(msgspec.json.encode(REQUIRED.get(name, {})))
    for field, schema in SCHEMAS[name].get("properties", {}).items():
        value = getattr(made, field)
        _, resolved = resolve(schema)
        if "array" in types_of(resolved) or ("additionalProperties" in resolved):
            assert list(value) == []
        if resolved.get("type") == "boolean" and field != "has_more":
            assert value is False


@each_struct
@pytest.mark.parametrize("seed", range(5))
def test_document_keeps_values_through_decoding_encoding_pickling_and_copying(name: str, seed: int) -> None:
    document = Maker(seed, optional=(1.0, 0.5)[seed % 2]).make(SCHEMAS[name]) | REQUIRED.get(name, {})
    made = STRUCTS[name].from_json(msgspec.json.encode(document))
    assert STRUCTS[name].from_json(msgspec.json.encode(made)) == made
    assert pickle.loads(pickle.dumps(made)) == made
    assert copy.deepcopy(made) == made
    for field, value in document.items():
        if isinstance(value, str | bool | int | float):
            assert getattr(made, field) == value


@each_struct
def test_null_field_gets_default(name: str) -> None:
    nulls = dict.fromkeys(SCHEMAS[name].get("properties", {})) | REQUIRED.get(name, {})
    smallest = STRUCTS[name].from_json(msgspec.json.encode(REQUIRED.get(name, {})))
    assert STRUCTS[name].from_json(msgspec.json.encode(nulls)) == smallest


@each_struct
def test_document_with_allowed_nulls_needs_no_normalization(name: str) -> None:
    # The second try, for quirks, costs four times as much.
    def allowed_nulls(schema: Schema, made: dict[str, Any]) -> None:
        for field, kind in schema.get("properties", {}).items():
            allowed = [kind, *kind.get("anyOf", ()), *kind.get("oneOf", ())]
            if any("null" in schema.get("type", ()) for schema in allowed) and maker.random.random() < 0.5:
                made[field] = None

    maker = Maker(5, edit=allowed_nulls)
    document = maker.make(SCHEMAS[name]) | REQUIRED.get(name, {})
    msgspec.json.Decoder(STRUCTS[name], strict=False).decode(msgspec.json.encode(document))


@each_struct
def test_nested_null_field_gets_default(name: str) -> None:
    def some_nulls(schema: Schema, made: dict[str, Any]) -> None:
        for field in schema.get("properties", ()):
            if field not in {"conversation_id", "type", "result_type", "trigger_type"} and maker.random.random() < 0.5:
                made[field] = None

    maker = Maker(3, edit=some_nulls)
    STRUCTS[name].from_json(msgspec.json.encode(maker.make(SCHEMAS[name]) | REQUIRED.get(name, {})))


@each_struct
def test_unknown_fields_and_enum_values_are_accepted(name: str) -> None:
    def add(schema: Schema, made: dict[str, Any]) -> None:
        if "additionalProperties" not in schema:
            made["a_field_of_tomorrow"] = {"deep": [None, 1]}
        for field, kind in schema.get("properties", {}).items():
            _, resolved = resolve(branches(kind)[0] if branches(kind) else kind)
            if "enum" in resolved and "type" not in field and field in made:
                made[field] = "a_value_of_tomorrow"

    document = Maker(edit=add).make(SCHEMAS[name]) | REQUIRED.get(name, {})
    made = STRUCTS[name].from_json(msgspec.json.encode(document))
    for field, value in document.items():
        if value == "a_value_of_tomorrow":
            assert getattr(made, field) == value


@each_struct
def test_integer_as_float_and_float_as_integer_are_accepted(name: str) -> None:
    def swap(schema: Schema, made: dict[str, Any]) -> None:
        for field, value in made.items():
            if type(value) is int:
                made[field] = float(value)
            elif type(value) is float and value.is_integer():
                made[field] = int(value)

    document = Maker(edit=swap).make(SCHEMAS[name]) | REQUIRED.get(name, {})
    made = STRUCTS[name].from_json(json.dumps(document))
    for field, schema in SCHEMAS[name].get("properties", {}).items():
        if types_of(schema) == ["integer"] and document.get(field) is not None:
            assert type(getattr(made, field)) is int


@pytest.mark.parametrize("name", UNIONS)
@pytest.mark.parametrize("value", [{"type": "of_tomorrow", "x": 1}, {"type": 5}, {"type": ["a"]}, 7, "text", [], None])
def test_unknown_variant_keeps_tag_and_raw_json(name: str, value: Any) -> None:
    union = UNIONS[name]
    tag = open_unions[union].tag
    if isinstance(value, dict):
        value = {tag: value["type"], **{key: item for key, item in value.items() if key != "type"}}
    result = get_decoder(union)(msgspec.json.encode(value))
    assert isinstance(result, UnknownVariant)
    assert isinstance(result, union)
    assert result.raw == value
    assert result.tag == (value[tag] if isinstance(value, dict) and isinstance(value[tag], str) else None)


@pytest.mark.parametrize("name", UNIONS)
@pytest.mark.parametrize("tag", [{}, {"null": None}])
def test_missing_or_null_tag_decodes(name: str, tag: dict[str, None]) -> None:
    union = UNIONS[name]
    value = {open_unions[union].tag: None} if tag else {}
    result = get_decoder(union)(msgspec.json.encode(value))
    expected = models.OtherToolResult if union is models.ToolResult else UnknownVariant
    assert isinstance(result, expected)


def conversation(**turn: Any) -> bytes:
    return msgspec.json.encode({"conversation_id": "conv_1", "transcript": [{}, turn]})


def test_nested_workflow_results_have_their_classes() -> None:
    system = {"type": "system", "result": {"result_type": "end_call_success", "reason": "bye"}}
    inner = {"type": "workflow", "result": {"steps": [{"type": "nested_tools", "results": [system, {"type": "new"}]}]}}
    outer = {"type": "workflow", "result": {"steps": [{"type": "edge"}, {"type": "nested_tools", "results": [inner]}]}}
    turn = Conversation.from_json(conversation(tool_results=[outer])).transcript[1]
    match turn.tool_results:
        case [
            models.WorkflowToolResult(
                result=models.WorkflowResult(steps=[edge, models.WorkflowNestedToolsStep() as step])
            )
        ]:
            assert type(edge) is models.WorkflowEdgeStep
        case other:
            pytest.fail(f"not as precise as it should be: {other}")
    (nested,) = step.results
    assert isinstance(nested, models.WorkflowToolResult)
    assert nested.result is not None
    (innermost,) = nested.result.steps
    assert isinstance(innermost, models.WorkflowNestedToolsStep)
    first, second = innermost.results
    assert isinstance(first, models.SystemToolResult)
    assert first.result == models.EndCallSuccess(reason="bye")
    assert second == models.UnknownToolResult(tag="new", raw={"type": "new"})


def test_older_metrics_format_is_converted() -> None:
    older = Conversation.from_json(conversation(conversation_turn_metrics={"ttfb": {"elapsed_time": 0.3}}))
    today = Conversation.from_json(conversation(conversation_turn_metrics={"metrics": {"ttfb": {"elapsed_time": 0.3}}}))
    metrics = today.transcript[1].conversation_turn_metrics
    assert metrics == models.TurnMetrics(metrics={"ttfb": models.MetricRecord(elapsed_time=0.3)})
    assert older == today
    assert Conversation.from_json(conversation(conversation_turn_metrics={})).transcript[
        1
    ].conversation_turn_metrics == (models.TurnMetrics(metrics={}))


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (b'{"conversation_id": 5}', "$.conversation_id"),
        (b"{}", "$"),
        (b"[]", "$"),
        (b'{"conversation_id": "c"', "$"),
        (b"", "$"),
        (b"<html>", "$"),
        (b'{"conversation_id": "\xff"}', "$"),
        (
            conversation(tool_results=[{}, {"type": "mcp", "request_id": 5}]),
            "$.transcript[1].tool_results[1].request_id",
        ),
        (
            conversation(tool_results=[{"type": "system", "result": {"result_type": "end_call_success", "reason": 1}}]),
            "$.transcript[1].tool_results[0].result.reason",
        ),
        (b'{"conversation_id": "c", "transcript": [{"message": ' + b"[" * 100_000, None),
        (b'{"conversation_id": "c", "metadata": {"warnings": ' + b"[" * 100_000, None),
        (
            b'{"conversation_id": "c", "conversation_initiation_client_data": {"dynamic_variables": {"a": '
            + b"[" * 100_000,
            None,
        ),
    ],
)
def test_decode_error_has_path_and_body(document: bytes, path: str | None) -> None:
    with pytest.raises(DecodeError) as caught:
        get_decoder(Conversation)(document)
    assert caught.value.body == document
    assert path is None or caught.value.path == path


def test_repr_hides_secrets() -> None:
    secret = "s3cret-value"
    shown = [
        models.SignedUrl(signed_url=f"wss://x?token={secret}"),
        models.WebRTCToken(token=secret),
        models.AgentLink(agent_id="a", token=models.ConversationToken(conversation_token=secret)),
        models.ToolCall(tool_details=models.WebhookCallDetails(headers={"authorization": secret})),
    ]
    for model in shown:
        assert secret not in repr(model)
        assert secret not in str(model)
        assert "***" in repr(model)
        assert secret.encode() in msgspec.json.encode(model)


def test_signed_url_has_conversation_id() -> None:
    assert models.SignedUrl(signed_url="wss://h/x?agent_id=a&conversation_id=conv_1&s=1").conversation_id == "conv_1"
    assert models.SignedUrl(signed_url="wss://h/x?agent_id=a").conversation_id is None


def test_times_are_aware_datetimes() -> None:
    made = Conversation.from_json(b'{"conversation_id": "c", "metadata": {"start_time_unix_secs": 1780000000}}')
    assert made.start_time is not None
    assert made.start_time.isoformat() == "2026-05-28T20:26:40+00:00"
    assert models.ConversationSummary(conversation_id="c").start_time is None
    assert models.ConversationSummary(conversation_id="c", start_time_unix_secs=10**20).start_time is None
    message = models.SipMessage(created_at_unix_micro=1_780_000_000_000_005)
    assert message.created_at is not None
    assert message.created_at.microsecond == 5
    assert models.SipMessage().created_at is None


PAGES = {
    contract_models.ConversationsPage: "conversations",
    contract_models.MessageHitsPage: "results",
    contract_models.SipMessagesPage: "sip_messages",
    contract_models.ConversationTagsPage: "conversation_tags",
    contract_models.AgentTopicsPage: "topics",
}


@pytest.mark.parametrize("page", PAGES)
def test_page_without_items_raises_decode_error(page: type[Model]) -> None:
    with pytest.raises(DecodeError, match=PAGES[page]):
        page.from_json("{}")
    assert getattr(page.from_json(json.dumps({PAGES[page]: None})), PAGES[page]) == ()


def test_equal_documents_are_equal_and_share_no_collections() -> None:
    first, second = models.TranscriptTurn(), models.TranscriptTurn()
    assert first == second
    first.conversation_turn_metrics = models.TurnMetrics(metrics={})
    assert second.conversation_turn_metrics is None
    usages = models.LLMUsage(), models.LLMUsage()
    usages[0].model_usage["a_model"] = models.ModelTokenUsage()
    assert usages[1].model_usage == {}


def test_enum_lists_literals_for_completion() -> None:
    assert Literal["done"] not in get_args(models.ConversationStatus)
    assert "done" in get_args(get_args(models.ConversationStatus)[0])
