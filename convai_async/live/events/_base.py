"""The base class of all events, and events that are unknown."""

from __future__ import annotations

from typing import ClassVar

from convai_async.models import Model, UnknownVariant

EventId = int | str | None
"""The number of the turn that an event belongs to; text or None in some versions of the service."""


class Event(Model):
    """The base class of all events."""

    event_type: ClassVar[str] = ""
    """The service's name of the event."""
    payload_key: ClassVar[str] = ""
    """The name of the field that has the event's fields."""
    can_be_flat: ClassVar[bool] = False
    """Whether the event's fields can be beside its type, or all be missing."""


class UnknownEvent(Event, UnknownVariant):
    """An event that this version does not know, or that cannot be decoded.

    Attributes:
        tag: The service's name of the event, or None if it has none.
        raw: The event as decoded JSON; its text if it is not JSON.
    """
