"""The routes of the fake service: one for each operation, named after its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.testing.parameters import Parameter

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.state import State

Handler = Callable[["State", "web.Request", dict[str, Any]], Awaitable["web.StreamResponse"]]
"""Answers a request, given the service's state and the values of the query parameters."""


class Route(msgspec.Struct, frozen=True, eq=False):
    """A route of the service.

    Attributes:
        operation: The name of its operation, which is the handler's name.
        methods: The HTTP methods.
        path: The path, with ``{placeholders}``.
        parameters: The query parameters by name.
        handler: The function that answers.
    """

    operation: str
    methods: tuple[str, ...]
    path: str
    parameters: Mapping[str, Parameter]
    handler: Handler


ROUTES: dict[str, Route] = {}
"""The routes by operation. Importing `convai_async.testing.handlers` fills it."""

SOCKETS: dict[str, Route] = {}
"""The routes of WebSockets by operation. Importing `convai_async.testing.handlers` fills it."""


def route(methods: str, path: str, **parameters: Parameter) -> Callable[[Handler], Handler]:
    """Register a handler; its name becomes the name of the operation.

    Args:
        methods: The HTTP method, or several separated by spaces.
        path: The path after ``/v1/convai``, with ``{placeholders}``.
        **parameters: The query parameters.
    """
    return _register(ROUTES, tuple(methods.split()), path, parameters)


def socket(path: str, **parameters: Parameter) -> Callable[[Handler], Handler]:
    """Register the handler of a WebSocket; its name becomes the name of the operation.

    Args:
        path: The path after ``/v1/convai``, with ``{placeholders}``.
        **parameters: The query parameters.
    """
    return _register(SOCKETS, ("GET",), path, parameters)


def _register(
    routes: dict[str, Route], methods: tuple[str, ...], path: str, parameters: Mapping[str, Parameter]
) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        operation = handler.__name__
        routes[operation] = Route(operation, methods, f"/v1/convai{path}", parameters, handler)
        return handler

    return register


def validate_operation(operation: str) -> None:
    """Raise if the service has no such operation, so that a misspelled name fails the test.

    Raises:
        ValueError: The name is unknown.
    """
    known = ROUTES.keys() | SOCKETS.keys()
    if operation not in known:
        raise ValueError(f"unknown operation {operation!r}; known operations: {', '.join(sorted(known))}")
