"""The operations of the service: each is a handler with its method, path and parameters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.testing.parameters import Parameter

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.state import State

Handler = Callable[["State", "web.Request", dict[str, Any]], Awaitable["web.StreamResponse"]]
"""Answers a request from the service's state and the request's parameters."""


class Operation(msgspec.Struct, frozen=True, eq=False):
    """An operation of the service.

    Attributes:
        name: Its name, which is its handler's.
        methods: The HTTP methods.
        path: The path, with ``{names}``.
        parameters: The query's parameters, by name.
        handler: What answers.
    """

    name: str
    methods: tuple[str, ...]
    path: str
    parameters: Mapping[str, Parameter]
    handler: Handler


OPERATIONS: dict[str, Operation] = {}
"""The operations by name; the modules of handlers fill it."""


def operation(methods: str, path: str, **parameters: Parameter) -> Callable[[Handler], Handler]:
    """Register a handler as an operation.

    Args:
        methods: The HTTP method, or several separated by spaces.
        path: The path after ``/v1/convai``, with ``{names}``.
        **parameters: The query's parameters.
    """

    def register(handler: Handler) -> Handler:
        name = handler.__name__
        OPERATIONS[name] = Operation(name, tuple(methods.split()), f"/v1/convai{path}", parameters, handler)
        return handler

    return register


def check_operation(name: str) -> None:
    """Refuse a misspelt operation: a test of it would test nothing.

    Raises:
        ValueError: There is no such operation.
    """
    if name not in OPERATIONS:
        raise ValueError(f"there is no operation {name!r}: there are {', '.join(sorted(OPERATIONS))}")
