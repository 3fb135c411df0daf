"""How a conversation came in or went out over the telephone network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async.models._base import Model, UnknownVariant, open_union
from convai_async.models.enums import PhoneCallDirection


class PhoneCallBase(Model):
    """What every phone call has."""

    direction: PhoneCallDirection | None = None
    phone_number_id: str | None = None
    agent_number: str | None = None
    external_number: str | None = None
    call_sid: str | None = None


class TwilioPhoneCall(PhoneCallBase):
    """A call over Twilio.

    Schema: ConversationHistoryTwilioPhoneCallModel.
    """

    type: str = "twilio"
    stream_sid: str | None = None


class SipTrunkingPhoneCall(PhoneCallBase):
    """A call over a SIP trunk.

    Schema: ConversationHistorySIPTrunkingPhoneCallModel.
    """

    type: str = "sip_trunking"


class UnknownPhoneCall(UnknownVariant):
    """A call over a network that this version does not know."""


if TYPE_CHECKING:
    PhoneCall = TwilioPhoneCall | SipTrunkingPhoneCall | UnknownPhoneCall
else:
    PhoneCall = open_union(
        "PhoneCall",
        tag="type",
        variants={"twilio": TwilioPhoneCall, "sip_trunking": SipTrunkingPhoneCall},
        unknown=UnknownPhoneCall,
    )
"""A phone call, by network.

Schema: ConversationHistoryMetadataCommonModelPhoneCall.
"""
