"""The requests that a fake service received."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from convai_async.testing.operations import check_operation


class RecordedRequest(msgspec.Struct, frozen=True):
    """A request that a fake service was sent.

    Attributes:
        operation: Which operation it asked for, such as ``"get_conversation"``; empty if it is for no known operation.
        method: The HTTP method.
        path: The path, as it was sent.
        query: The query's pairs, decoded; a name may stand several times.
        headers: The headers but for the key; names in any case.
        body: The body; empty for uploads, which `FakeConvAI.files` has.
        authorized: Whether it had the key that the service accepts, once.
    """

    operation: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    authorized: bool

    @property
    def json(self) -> Any:
        """The body, decoded from JSON; None without a body."""
        return msgspec.json.decode(self.body) if self.body else None


class RecordedRequests(list[RecordedRequest]):
    """The requests that a fake service received, in order: a list that can be filtered by calling it.

    ::

        await client.conversations.list(agent_id="agent_billing")
        await client.conversations.feedback.create(conversation_id, feedback="like")
        assert len(fake.requests) == 2
        (request,) = fake.requests("create_feedback")
        assert request.method == "POST"
        assert request.path.endswith(f"/{conversation_id}/feedback")
        assert request.json == {"feedback": "like"}
        assert fake.requests("list_conversations", query={"agent_id": "agent_billing"})
        assert not fake.requests(method="DELETE")
    """

    def __call__(
        self,
        operation: str | None = None,
        *,
        method: str | None = None,
        path: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> list[RecordedRequest]:
        """Return those that match all that is given.

        Args:
            operation: Of this operation, such as ``"get_conversation"``.
            method: With this method.
            path: Whose path holds this text.
            query: Whose query has these pairs; it may have others too.

        Raises:
            ValueError: There is no such operation.
        """
        if operation is not None:
            check_operation(operation)
        return [
            each
            for each in self
            if operation in {None, each.operation}
            and method in {None, each.method}
            and (path is None or path in each.path)
            and set((query or {}).items()) <= set(each.query)
        ]
