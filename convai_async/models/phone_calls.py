"""Phone calls."""

from __future__ import annotations

from msgspec import field

from convai_async.models._base import Model, UnknownVariant
from convai_async.models._open_union import OpenUnion
from convai_async.models.enums import CallResult, PhoneCallDirection

__all__ = [
    "ExotelPhoneCall",
    "PhoneCall",
    "PhoneCallBase",
    "SipTrunkingPhoneCall",
    "TwilioPhoneCall",
    "UnknownPhoneCall",
]


class PhoneCallBase(Model):
    """The fields of all phone calls.

    Attributes:
        direction: ``"inbound"`` or ``"outbound"``.
        agent_number: The phone number of the agent.
        external_number: The phone number of the user.
    """

    direction: PhoneCallDirection | None = None
    phone_number_id: str | None = None
    agent_number: str | None = None
    external_number: str | None = None
    call_sid: str | None = None
    call_result: CallResult | None = None


class TwilioPhoneCall(PhoneCallBase):
    """A phone call through Twilio.

    Schema: ConversationHistoryTwilioPhoneCallModel.
    """

    type: str = "twilio"
    stream_sid: str | None = None


class SipTrunkingPhoneCall(PhoneCallBase):
    """A phone call through a SIP trunk.

    Schema: ConversationHistorySIPTrunkingPhoneCallModel.
    """

    type: str = "sip_trunking"
    call_id: str | None = None
    sip_header_dynamic_variables: dict[str, str] = field(default_factory=dict)


class ExotelPhoneCall(PhoneCallBase):
    """A phone call through Exotel.

    Schema: ConversationHistoryMetadataCommonModelPhoneCall_Exotel.
    """

    type: str = "exotel"
    stream_sid: str | None = None


class UnknownPhoneCall(UnknownVariant):
    """A phone call through a provider that this version does not know."""


PhoneCall = TwilioPhoneCall | SipTrunkingPhoneCall | ExotelPhoneCall | UnknownPhoneCall
"""A phone call.

Schema: ConversationHistoryMetadataCommonModelPhoneCall.
"""

PHONE_CALL: OpenUnion[PhoneCall] = OpenUnion(
    PhoneCall,
    tag="type",
    variants={
        "twilio": TwilioPhoneCall,
        "sip_trunking": SipTrunkingPhoneCall,
        "exotel": ExotelPhoneCall,
    },
    unknown=UnknownPhoneCall,
)
