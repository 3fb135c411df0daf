"""SIP messages of phone calls."""

from __future__ import annotations

from datetime import datetime, timedelta

from convai_async._support.timestamps import to_utc_datetime
from convai_async.models._list_item import ListItem
from convai_async.models.enums import SipDirection

__all__ = ["SipMessage"]

_MICROSECONDS = 1_000_000


class SipMessage(ListItem, gc=True, dict=True):
    """A SIP message.

    Schema: SipLogMessage.

    Attributes:
        direction: ``"in"`` or ``"out"``.
        created_at_unix_micro: The time in unix microseconds; see `created_at`.
    """

    call_id: str | None = None
    phone_numbers: tuple[str, ...] = ()
    local_address: str | None = None
    remote_address: str | None = None
    transport: str | None = None
    raw_message: str | None = None
    error_message: str | None = None
    direction: SipDirection | None = None
    created_at_unix_micro: int | None = None

    @property
    def created_at(self) -> datetime | None:
        """The time at which the message was sent or received in UTC, or None if it is unknown."""
        if self.created_at_unix_micro is None:
            return None
        seconds, microseconds = divmod(self.created_at_unix_micro, _MICROSECONDS)
        moment = to_utc_datetime(seconds)
        return None if moment is None else moment + timedelta(microseconds=microseconds)
