"""Results of the system tools that transfer a call."""

from __future__ import annotations

from convai_async.models._base import Model, UnknownVariant
from convai_async.models._open_union import ByTagOrNull, OpenUnion

__all__ = [
    "BranchInfo",
    "ConfiguredBranch",
    "MainBranch",
    "TrafficSplitBranch",
    "TransferToAgentError",
    "TransferToAgentSuccess",
    "TransferToNumberAmazonConnectSuccess",
    "TransferToNumberError",
    "TransferToNumberExotelSuccess",
    "TransferToNumberSipSuccess",
    "TransferToNumberTwilioSuccess",
    "UnknownBranch",
]


class ConfiguredBranch(Model):
    """The tool's configuration names the branch.

    Schema: TransferToAgentToolResultSuccessModelOutputBranchInfo_Configured.
    """

    branch_reason: str = "configured"
    branch_id: str | None = None


class MainBranch(Model):
    """The branch is the main branch, since no other is configured.

    Schema: TransferToAgentToolResultSuccessModelOutputBranchInfo_DefaultingToMain.
    """

    branch_reason: str = "defaulting_to_main"
    branch_id: str | None = None


class TrafficSplitBranch(Model):
    """The branch was selected by the traffic split.

    Schema: TransferToAgentToolResultSuccessModelOutputBranchInfo_TrafficSplit.
    """

    branch_reason: str = "traffic_split"
    branch_id: str | None = None
    traffic_percentage: float | None = None


class UnknownBranch(UnknownVariant):
    """A reason for a branch that this version does not know."""


BranchInfo = ConfiguredBranch | MainBranch | TrafficSplitBranch | UnknownBranch
"""The branch that a call was transferred to, and the reason for it."""


_BRANCH_INFO: OpenUnion[BranchInfo] = OpenUnion(
    BranchInfo,
    tag="branch_reason",
    variants={
        "configured": ConfiguredBranch,
        "defaulting_to_main": MainBranch,
        "traffic_split": TrafficSplitBranch,
    },
    unknown=UnknownBranch,
)


class TransferToAgentSuccess(Model):
    """The call was transferred to another agent.

    Schema: TransferToAgentToolResultSuccessModel.

    Attributes:
        delay_ms: The delay before the transfer in milliseconds, or None if unknown.
    """

    result_type: str = "transfer_to_agent_success"
    status: str = "success"
    from_agent: str | None = None
    to_agent: str | None = None
    condition: str | None = None
    delay_ms: int | None = None
    transfer_message: str | None = None
    enable_transferred_agent_first_message: bool = False
    to_node: str | None = None
    branch_info: ByTagOrNull[BranchInfo] = None
    preserve_client_tts_overrides: bool = False
    preserve_voice_settings: bool = False

    def __post_init__(self) -> None:
        """Decode the open unions."""
        self.branch_info = _BRANCH_INFO.read(self.branch_info, "branch_info")


class TransferToAgentError(Model):
    """The call could not be transferred to another agent.

    Schema: TransferToAgentToolResultErrorModel.
    """

    result_type: str = "transfer_to_agent_error"
    status: str = "error"
    from_agent: str | None = None
    error: str | None = None


class TransferToNumberTwilioSuccess(Model):
    """The call was transferred to a phone number through Twilio.

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
    post_dial_digits: str | None = None


class TransferToNumberSipSuccess(Model):
    """The call was transferred to a phone number through SIP.

    Schema: TransferToNumberResultSipSuccessModel.
    """

    result_type: str = "transfer_to_number_sip_success"
    status: str = "success"
    transfer_number: str | None = None
    reason: str | None = None
    note: str | None = None


class TransferToNumberError(Model):
    """The call could not be transferred to a phone number.

    Schema: TransferToNumberResultErrorModel.
    """

    result_type: str = "transfer_to_number_error"
    status: str = "error"
    error: str | None = None
    details: str | None = None


class TransferToNumberAmazonConnectSuccess(Model):
    """The call was transferred to Amazon Connect.

    Schema: ConversationHistoryTranscriptSystemToolResultCommonModelOutputResult_TransferToNumberAmazonConnectSuccess.
    """

    result_type: str = "transfer_to_number_amazon_connect_success"
    status: str = "success"
    reason: str | None = None
    client_message: str | None = None
    note: str | None = None


class TransferToNumberExotelSuccess(Model):
    """The call was transferred to a phone number through Exotel.

    Schema: ConversationHistoryTranscriptSystemToolResultCommonModelOutputResult_TransferToNumberExotelSuccess.
    """

    result_type: str = "transfer_to_number_exotel_success"
    status: str = "success"
    transfer_number: str | None = None
    reason: str | None = None
    agent_message: str | None = None
    note: str | None = None
