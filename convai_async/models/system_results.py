"""What the service's own tools answer: one model for each ``result_type``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.models._base import Model, UnknownVariant, open_union


class EndCallSuccess(Model):
    """The call was ended.

    Schema: EndCallToolResultModel.
    """

    result_type: str = "end_call_success"
    status: str = "success"
    reason: str | None = None
    message: str | None = None


class LanguageDetectionSuccess(Model):
    """The agent changed its language.

    Schema: LanguageDetectionToolResultModel.
    """

    result_type: str = "language_detection_success"
    status: str = "success"
    reason: str | None = None
    language: str | None = None


class TransferToAgentSuccess(Model):
    """The call was handed to another agent.

    Schema: TransferToAgentToolResultSuccessModel.

    Attributes:
        delay_ms: Milliseconds before the transfer.
    """

    result_type: str = "transfer_to_agent_success"
    status: str = "success"
    from_agent: str | None = None
    to_agent: str | None = None
    condition: str | None = None
    delay_ms: int = 0
    transfer_message: str | None = None
    enable_transferred_agent_first_message: bool = False


class TransferToAgentError(Model):
    """The call could not be handed to another agent.

    Schema: TransferToAgentToolResultErrorModel.
    """

    result_type: str = "transfer_to_agent_error"
    status: str = "error"
    from_agent: str | None = None
    error: str | None = None


class TransferToNumberTwilioSuccess(Model):
    """The call was put through to a phone number by Twilio.

    Schema: TransferToNumberResultTwilioSuccessModel.
    """

    result_type: str = "transfer_to_number_twilio_success"
    status: str = "success"
    transfer_number: str | None = None
    reason: str | None = None
    client_message: str | None = None
    agent_message: str | None = None
    conference_name: str | None = None
    note: str | None = None


class TransferToNumberSipSuccess(Model):
    """The call was put through to a phone number by SIP.

    Schema: TransferToNumberResultSipSuccessModel.
    """

    result_type: str = "transfer_to_number_sip_success"
    status: str = "success"
    transfer_number: str | None = None
    reason: str | None = None
    note: str | None = None


class TransferToNumberError(Model):
    """The call could not be put through to a phone number.

    Schema: TransferToNumberResultErrorModel.
    """

    result_type: str = "transfer_to_number_error"
    status: str = "error"
    error: str | None = None
    details: str | None = None


class SkipTurnSuccess(Model):
    """The agent kept silent for a turn.

    Schema: SkipTurnToolResponseModel.
    """

    result_type: str = "skip_turn_success"
    status: str = "success"
    reason: str | None = None


class PlayDTMFSuccess(Model):
    """Keypad tones were played.

    Schema: PlayDTMFResultSuccessModel.
    """

    result_type: str = "play_dtmf_success"
    status: str = "success"
    dtmf_tones: str | None = None
    reason: str | None = None


class PlayDTMFError(Model):
    """Keypad tones could not be played.

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
    """A tool was called in a test, and did nothing.

    Schema: TestToolResultModel.
    """

    __test__ = False  # pytest would take it for a test of the user's

    result_type: str = "testing_tool_result"
    status: str = "success"
    reason: str | None = None


class UnknownSystemResult(UnknownVariant):
    """The answer of a system tool that this version does not know."""


if TYPE_CHECKING:
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
        | UnknownSystemResult
    )
else:
    SystemResult = open_union(
        "SystemResult",
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
        },
        unknown=UnknownSystemResult,
    )
"""What a system tool answered.

Schema: ConversationHistoryTranscriptSystemToolResultCommonModelResult.
"""
