"""Records the requests that a fake service receives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from convai_async.testing.routes import validate_operation


class RecordedRequest(msgspec.Struct, frozen=True):
    """A request that a fake service received.

    Attributes:
        operation: The operation, such as ``"get_conversation"``; empty if the path or method is unknown.
        method: The HTTP method.
        path: The path as sent, percent-encoded.
        query: The decoded query pairs; a name can occur several times.
        headers: The headers without the API key; lookups ignore case.
        body: The body; empty for uploads, which are in `FakeConvAI.files`.
        authorized: Whether the request had the accepted API key, exactly once.
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
        """The decoded JSON body; None if there is no body."""
        return msgspec.json.decode(self.body) if self.body else None


class RecordedRequests(list[RecordedRequest]):
    """The received requests in order. Call the list to filter it.

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
        """Return the requests that match all given arguments.

        Args:
            operation: The operation, such as ``"get_conversation"``.
            method: The HTTP method.
            path: A part of the path.
            query: Pairs that the query contains.

        Raises:
            ValueError: The operation is unknown.
        """
        if operation is not None:
            validate_operation(operation)
        return [
            each
            for each in self
            if operation in {None, each.operation}
            and method in {None, each.method}
            and (path is None or path in each.path)
            and set((query or {}).items()) <= set(each.query)
        ]
