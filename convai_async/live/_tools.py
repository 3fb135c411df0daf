"""Run the tools that an agent calls in the client."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

import anyio
import msgspec
from anyio.to_thread import run_sync

from convai_async._support.tasks import is_cancelling
from convai_async._support.text import to_short_line
from convai_async.errors import InvalidArgumentError
from convai_async.live.messages import ClientToolResult, encode_json, encode_message

if TYPE_CHECKING:
    from convai_async.live.events import ClientToolCall

__all__ = ["Tool", "ToolError", "ToolFunction", "encode_result"]

ToolFunction = Callable[..., Any]
"""A function, or an async function, whose parameters are the arguments of a tool."""

_logger = logging.getLogger("convai_async")
_MAX_THREADS = 16
_CANCEL_SECS = 1.0
"""A tool may take this time to end after its cancellation."""


class ToolError(Exception):
    """Raise it in a tool to tell the agent why the tool failed.

    The agent gets the text of this exception. Of any other exception it only gets to know that the tool failed, since
    its text can contain secrets.
    """


class Tools:
    """The tools of a conversation.

    Args:
        functions: The functions by the names of their tools.
        timeout: The seconds that a tool may take; None means no limit.

    Raises:
        InvalidArgumentError: A tool is not a function, or its annotations cannot be used to check arguments.
    """

    def __init__(self, functions: Mapping[str, ToolFunction], timeout: float | None) -> None:
        if not isinstance(functions, Mapping):
            raise InvalidArgumentError("tools", f"must be a dict of functions, not {type(functions).__name__}")
        self._tools = {name: Tool(name, function) for name, function in functions.items()}
        self._timeout = timeout
        # Threads of their own: tools that hang must not block the other users of threads.
        self._threads = anyio.CapacityLimiter(_MAX_THREADS)

    async def run(self, call: ClientToolCall) -> str:
        """Run the tool of a call and return the message with its result. Never fails.

        A tool that ignores its cancellation is left running.
        """
        running = asyncio.create_task(self._run_to_result(call))
        try:
            await asyncio.wait([running], timeout=self._timeout)
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait([running], timeout=_CANCEL_SECS)
        if running.done() and not running.cancelled():
            return running.result()
        return encode_result(call, f"The tool {to_short_line(call.tool_name)} did not finish in time.", is_error=True)

    async def _run_to_result(self, call: ClientToolCall) -> str:
        try:
            return encode_result(call, await self._run(call))
        except ToolError as error:
            problem = _get_text(call, error)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # also those of test runners, so that the agent gets an answer
            if is_cancelling():
                raise
            problem = _log_failure(call, error)
        return encode_result(call, problem, is_error=True)

    async def _run(self, call: ClientToolCall) -> Any:
        tool = self._tools.get(call.tool_name)
        if tool is None:
            raise ToolError(f"There is no tool {to_short_line(call.tool_name)!r}.")
        arguments = tool.read_arguments(call.parameters)
        if tool.is_async:
            return await tool.function(**arguments)
        returned = await run_sync(lambda: tool.function(**arguments), abandon_on_cancel=True, limiter=self._threads)
        return await returned if isinstance(returned, Awaitable) else returned


class Tool:
    """A function that the agent can call, and the check of its arguments.

    Args:
        name: The name of the tool.
        function: The function.

    Raises:
        InvalidArgumentError: It is not a function, or its annotations cannot be used to check arguments.
    """

    def __init__(self, name: str, function: ToolFunction) -> None:
        if not callable(function):
            raise InvalidArgumentError("tools", f"{name!r} is not a function")
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - an object with an async __call__
        )
        try:
            self._arguments, self._takes_any = _build_arguments(name, function)
        except (TypeError, ValueError, NameError) as error:
            raise InvalidArgumentError("tools", f"the parameters of {name!r} cannot be checked: {error}") from None

    def read_arguments(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments, converted to the types of the annotations.

        Raises:
            ToolError: An argument is missing, unknown, or has the wrong type.
        """
        known = {name: value for name, value in parameters.items() if name in self._arguments.__struct_fields__}
        others = {name: value for name, value in parameters.items() if name not in known}
        if others and not self._takes_any:
            raise ToolError(f"Unknown arguments: {to_short_line(', '.join(others))}.")
        try:
            arguments = msgspec.convert(known, self._arguments, strict=False)
        except msgspec.ValidationError as error:
            raise ToolError(f"Invalid arguments: {to_short_line(str(error))}.") from None
        given = {name: getattr(arguments, name) for name in known}
        return {**others, **given}


def _build_arguments(name: str, function: ToolFunction) -> tuple[type[msgspec.Struct], bool]:
    """Return a model of the arguments of a function, and whether it takes arguments of any name."""
    hints = get_type_hints(
        function if inspect.isroutine(function) else getattr(function, "func", type(function).__call__),
        include_extras=True,
    )
    fields: list[tuple[Any, ...]] = []
    takes_any = False
    for parameter in inspect.signature(function).parameters.values():
        kind = hints.get(parameter.name, Any)
        match parameter.kind:
            case parameter.VAR_KEYWORD:
                takes_any = True
            case parameter.VAR_POSITIONAL:
                pass
            case parameter.POSITIONAL_ONLY if parameter.default is not parameter.empty:
                pass
            case parameter.POSITIONAL_ONLY:
                raise TypeError(f"{parameter.name!r} is positional only, but arguments have names")
            case _ if parameter.default is parameter.empty:
                fields.append((parameter.name, kind))
            case _:
                fields.append((parameter.name, kind, msgspec.field(default=None)))
    model = msgspec.defstruct(name if name.isidentifier() else "Arguments", fields, kw_only=True, gc=False)
    msgspec.json.Decoder(model)  # fails for annotations that msgspec does not support
    return model, takes_any


def encode_result(call: ClientToolCall, result: Any, *, is_error: bool = False) -> str:
    """Return the message with the result of a call: text unchanged, anything else as JSON.

    Raises:
        InvalidArgumentError: The result cannot be encoded as JSON.
    """
    text = result if isinstance(result, str) else encode_json("result", result)
    return encode_message(ClientToolResult(tool_call_id=call.tool_call_id, result=text, is_error=is_error))


def _get_text(call: ClientToolCall, error: ToolError) -> str:
    try:
        return str(error).encode(errors="replace").decode()
    except Exception as failure:  # noqa: BLE001 - of the error's own method
        return _log_failure(call, failure)


def _log_failure(call: ClientToolCall, error: BaseException) -> str:
    _logger.error("the tool %s failed", to_short_line(call.tool_name), exc_info=error)
    return f"The tool {to_short_line(call.tool_name)} failed."
