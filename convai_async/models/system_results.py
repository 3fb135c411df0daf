"""Results of system tools: one model for each ``result_type``."""

from __future__ import annotations

from convai_async.models._base import Model, UnknownVariant
from convai_async.models._open_union import OpenUnion
from convai_async.models.enums import (
    EndProcedureErrorStatus,
    KnowledgeBaseRagStatus,
    KnowledgeBaseStatus,
    StartProcedureErrorStatus,
)
from convai_async.models.transfer_results import (
    TransferToAgentError,
    TransferToAgentSuccess,
    TransferToNumberAmazonConnectSuccess,
    TransferToNumberError,
    TransferToNumberExotelSuccess,
    TransferToNumberSipSuccess,
    TransferToNumberTwilioSuccess,
)

__all__ = [
    "DummyResult",
    "EndCallSuccess",
    "EndProcedureError",
    "EndProcedureSuccess",
    "KnowledgeBaseChunk",
    "KnowledgeBaseRagSuccess",
    "KnowledgeBaseSuccess",
    "LanguageDetectionSuccess",
    "PlayDTMFError",
    "PlayDTMFSuccess",
    "SkipTurnSuccess",
    "StartProcedureError",
    "StartProcedureSuccess",
    "SystemResult",
    "TestToolResult",
    "UnknownSystemResult",
    "VoicemailDetectionSuccess",
]


class EndCallSuccess(Model):
    """The call was ended.

    Schema: EndCallToolResultModel.
    """

    result_type: str = "end_call_success"
    status: str = "success"
    reason: str | None = None
    message: str | None = None


class LanguageDetectionSuccess(Model):
    """The agent switched to another language.

    Schema: LanguageDetectionToolResultModel.
    """

    result_type: str = "language_detection_success"
    status: str = "success"
    reason: str | None = None
    language: str | None = None


class SkipTurnSuccess(Model):
    """The agent skipped a turn.

    Schema: SkipTurnToolResponseModel.
    """

    result_type: str = "skip_turn_success"
    status: str = "success"
    reason: str | None = None


class PlayDTMFSuccess(Model):
    """DTMF tones were played.

    Schema: PlayDTMFResultSuccessModel.
    """

    result_type: str = "play_dtmf_success"
    status: str = "success"
    dtmf_tones: str | None = None
    reason: str | None = None


class PlayDTMFError(Model):
    """DTMF tones could not be played.

    Schema: PlayDTMFResultErrorModel.
    """

    result_type: str = "play_dtmf_error"
    status: str = "error"
    error: str | None = None
    details: str | None = None


class VoicemailDetectionSuccess(Model):
    """A voicemail was detected.

    Schema: VoiceMailDetectionResultSuccessModel.
    """

    result_type: str = "voicemail_detection_success"
    status: str = "success"
    voicemail_message: str | None = None
    reason: str | None = None


class TestToolResult(Model):
    """A tool was called in a test, without effect.

    Schema: TestToolResultModel.
    """

    __test__ = False  # pytest would collect the class

    result_type: str = "testing_tool_result"
    status: str = "success"
    reason: str | None = None
    to_agent: str | None = None
    to_node: str | None = None


class KnowledgeBaseChunk(Model):
    """A chunk of a document of the knowledge base.

    Schema: KnowledgeBaseRagChunkModel.
    """

    chunk_id: str | None = None
    document_id: str | None = None
    content: str | None = None


class DummyResult(Model):
    """A dummy tool was called, without effect.

    Schema: ConversationHistoryTranscriptSystemToolResultCommonModelOutputResult_Dummy.
    """

    result_type: str = "dummy"


class StartProcedureSuccess(Model):
    """A procedure was started.

    Schema: ConversationHistoryTranscriptSystemToolResultCommonModelOutputResult_StartProcedureSuccess.
    """

    result_type: str = "start_procedure_success"
    status: str = "success"
    procedure_id: str | None = None
    procedure_name: str | None = None
    procedure_entry_workflow_node: str | None = None
    procedure_return_workflow_node: str | None = None
    message: str | None = None


class StartProcedureError(Model):
    """A procedure could not be started.

    Schema: ConversationHistoryTranscriptSystemToolResultCommonModelOutputResult_StartProcedureError.
    """

    result_type: str = "start_procedure_error"
    status: StartProcedureErrorStatus | None = None
    procedure_id: str | None = None
    message: str | None = None


class EndProcedureSuccess(Model):
    """A procedure was ended.

    Schema: ConversationHistoryTranscriptSystemToolResultCommonModelOutputResult_EndProcedureSuccess.
    """

    result_type: str = "end_procedure_success"
    status: str = "success"
    procedure_id: str | None = None
    procedure_name: str | None = None
    message: str | None = None


class EndProcedureError(Model):
    """A procedure could not be ended.

    Schema: ConversationHistoryTranscriptSystemToolResultCommonModelOutputResult_EndProcedureError.
    """

    result_type: str = "end_procedure_error"
    status: EndProcedureErrorStatus | None = None
    procedure_id: str | None = None
    message: str | None = None


class KnowledgeBaseSuccess(Model):
    """The knowledge base was searched.

    Schema: ConversationHistoryTranscriptSystemToolResultCommonModelOutputResult_KnowledgeBaseSuccess.
    """

    result_type: str = "knowledge_base_success"
    status: KnowledgeBaseStatus | None = None
    chunk_count: int | None = None
    message: str | None = None


class KnowledgeBaseRagSuccess(Model):
    """Chunks were retrieved from the knowledge base.

    Schema: ConversationHistoryTranscriptSystemToolResultCommonModelOutputResult_KnowledgeBaseRagSuccess.
    """

    result_type: str = "knowledge_base_rag_success"
    status: KnowledgeBaseRagStatus | None = None
    chunk_count: int | None = None
    message: str | None = None
    chunks: tuple[KnowledgeBaseChunk, ...] = ()


class UnknownSystemResult(UnknownVariant):
    """The result of a system tool that this version does not know."""


SystemResult = (
    EndCallSuccess
    | LanguageDetectionSuccess
    | TransferToAgentSuccess
    | TransferToAgentError
    | TransferToNumberTwilioSuccess
    | TransferToNumberSipSuccess
    | TransferToNumberError
    | SkipTurnSuccess
    | PlayDTMFSuccess
    | PlayDTMFError
    | VoicemailDetectionSuccess
    | TestToolResult
    | DummyResult
    | StartProcedureSuccess
    | StartProcedureError
    | EndProcedureSuccess
    | EndProcedureError
    | KnowledgeBaseSuccess
    | KnowledgeBaseRagSuccess
    | TransferToNumberAmazonConnectSuccess
    | TransferToNumberExotelSuccess
    | UnknownSystemResult
)
"""The result of a system tool.

Schema: ConversationHistoryTranscriptSystemToolResultCommonModelResult.
"""

SYSTEM_RESULT: OpenUnion[SystemResult] = OpenUnion(
    SystemResult,
    tag="result_type",
    variants={
        "end_call_success": EndCallSuccess,
        "language_detection_success": LanguageDetectionSuccess,
        "transfer_to_agent_success": TransferToAgentSuccess,
        "transfer_to_agent_error": TransferToAgentError,
        "transfer_to_number_twilio_success": TransferToNumberTwilioSuccess,
        "transfer_to_number_sip_success": TransferToNumberSipSuccess,
        "transfer_to_number_error": TransferToNumberError,
        "skip_turn_success": SkipTurnSuccess,
        "play_dtmf_success": PlayDTMFSuccess,
        "play_dtmf_error": PlayDTMFError,
        "voicemail_detection_success": VoicemailDetectionSuccess,
        "testing_tool_result": TestToolResult,
        "dummy": DummyResult,
        "start_procedure_success": StartProcedureSuccess,
        "start_procedure_error": StartProcedureError,
        "end_procedure_success": EndProcedureSuccess,
        "end_procedure_error": EndProcedureError,
        "knowledge_base_success": KnowledgeBaseSuccess,
        "knowledge_base_rag_success": KnowledgeBaseRagSuccess,
        "transfer_to_number_amazon_connect_success": TransferToNumberAmazonConnectSuccess,
        "transfer_to_number_exotel_success": TransferToNumberExotelSuccess,
    },
    unknown=UnknownSystemResult,
)
