"""Records the messages that clients send in live conversations."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]


class ReceivedMessages(list[JSON]):
    """The received messages in order, as dicts. Call the list to filter it.

    ::

        [feedback] = conversation.received("feedback")
        assert feedback["score"] == "like"
    """

    def __call__(self, message_type: str) -> list[JSON]:
        """Return the messages of a type, such as ``"user_message"``."""
        return [each for each in self if each["type"] == message_type]
