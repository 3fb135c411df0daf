"""Decides which requests a fault hits."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from convai_async.testing.faults import TRANSIENT, Fault
from convai_async.testing.routes import validate_operation

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.faults import Proceed


class FaultRule(msgspec.Struct, kw_only=True, eq=False):
    """A fault and the requests that it hits.

    Attributes:
        fault: The fault.
        operation: Only requests for this operation, such as ``"get_conversation"``; None for any.
        path: Only requests whose path contains this text; None for any.
        times: The number of requests that it still hits; None for no limit.
        rate: The fraction of the requests that it hits, 0 to 1.
        hits: The number of requests that it has hit.
    """

    fault: Fault
    operation: str | None = None
    path: str | None = None
    times: int | None = 1
    rate: float = 1.0
    hits: int = 0


class Faults:
    """The faults of a fake service. The first rule that matches a request applies.

    Args:
        seed: The seed for rates.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - not for security
        self._rules: list[FaultRule] = []

    def add(
        self,
        fault: Fault,
        *,
        operation: str | None = None,
        path: str | None = None,
        times: int | None = 1,
        rate: float = 1.0,
    ) -> FaultRule:
        """Add a fault, by default for the next request, and return its rule, which counts the hits.

        ::

            rule = fake.faults.add(faults.status(503), operation="get_conversation", path=conversation_id, times=2)
            await client.conversations.get(conversation_id)
            assert rule.hits == 2

        Args:
            fault: The fault, made by a function of `convai_async.testing.faults`.
            operation: Only hit requests for this operation; None for any.
            path: Only hit requests whose path contains this text; None for any. It can be a path that the fake service
                does not have.
            times: The number of requests to hit; None for no limit.
            rate: The fraction of the requests to hit, 0 to 1.

        Raises:
            ValueError: The operation is unknown.
        """
        if operation is not None:
            validate_operation(operation)
        rule = FaultRule(fault=fault, operation=operation, path=path, times=times, rate=rate)
        self._rules.append(rule)
        return rule

    def add_random(self, rate: float) -> FaultRule:
        """Add a random mix of transient faults, which clients can retry, for this fraction of all requests.

        ::

            rule = fake.faults.add_random(0.3)
            await client.conversations.list().collect()
        """

        async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
            return await self._rng.choice(TRANSIENT)(request, proceed)

        return self.add(answer, times=None, rate=rate)

    def clear(self) -> None:
        """Remove all faults."""
        self._rules.clear()

    def pick(self, operation: str, path: str) -> Fault | None:
        """Return the fault that hits this request, or None."""
        for rule in self._rules:
            if (
                rule.times != 0
                and rule.operation in {None, operation}
                and (rule.path is None or rule.path in path)
                and (rule.rate >= 1 or self._rng.random() < rule.rate)
            ):
                rule.hits += 1
                if rule.times is not None:
                    rule.times -= 1
                return rule.fault
        return None
