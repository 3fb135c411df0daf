"""A step: a function that runs on each conversation of an archive."""

from __future__ import annotations

import asyncio
import inspect
import re
import traceback
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec

from convai_async._support.forks import end_forks
from convai_async._support.tasks import run_in_daemon_thread
from convai_async._support.validate import validate_choice, validate_integer, validate_seconds
from convai_async.archive._steps._records import StepSettings
from convai_async.errors import InvalidArgumentError
from convai_async.models import Conversation

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")

Select = Literal["final", "all"]
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_LONGEST_ERROR = 1_000
_FIRST_WAIT_SECS = 10
_WAIT_FACTOR = 4
_LONGEST_WAIT_SECS = 12 * 3600
_TIMEOUT_SECS = 300.0
_CONCURRENCY = 16
_MAX_ATTEMPTS = 8


class Step(Generic[R]):
    """A function that runs on each conversation of an archive; the decorator `step` creates it.

    It can be called like the function, for example in a test.

    Attributes:
        function: The function.
        settings: Its name and version, and the other settings that its jobs depend on.
        timeout: The maximum duration of an attempt in seconds, or None.
        concurrency: How many conversations it processes at the same time.
    """

    def __init__(
        self,
        function: Callable[[Conversation], R],
        settings: StepSettings,
        *,
        timeout: float | None,
        concurrency: int,
    ) -> None:
        self.function = function
        self.settings = settings
        self.timeout = timeout
        self.concurrency = concurrency
        update_wrapper(self, function)

    def __call__(self, conversation: Conversation) -> R:
        """Call the function."""
        return self.function(conversation)

    def __repr__(self) -> str:
        return f"<Step {self.name!r} version {self.version}>"

    @property
    def name(self) -> str:
        """Its name."""
        return self.settings.name

    @property
    def version(self) -> int:
        """Its version."""
        return self.settings.version


async def run_attempt(step: Step[Any], document: bytes) -> str | None:
    """Call the function of a step with a conversation, and return its result as JSON, or None if it returns None.

    Args:
        step: The step.
        document: The conversation's JSON.
    """
    conversation = Conversation.from_json(document)
    limit = asyncio.timeout(step.timeout)
    try:
        async with limit:
            result: Any
            if inspect.iscoroutinefunction(step.function):
                with end_forks():
                    result = await step.function(conversation)
            else:
                result = await run_in_daemon_thread(end_forks()(partial(step.function, conversation)))
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TimeoutError(f"it took longer than {step.timeout:g} s") from error
    return None if result is None else msgspec.json.encode(result).decode()


def describe_error(step: Step[Any], error: BaseException) -> str:
    """Return the text of an error, with the line of the step's file that it comes from."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - the error's own code
        text = ""
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    text = text[:_LONGEST_ERROR].encode(errors="replace").decode().replace("\0", "\ufffd")
    code = getattr(step.function, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    return f"{text} (line {own[-1].lineno})" if own else text


def compute_retry_wait(attempts: int) -> int:
    """Return how many seconds to wait after a number of failed attempts: 10 s, and four times as long each time."""
    factor: int = _WAIT_FACTOR ** min(attempts - 1, _MAX_ATTEMPTS)
    return min(_FIRST_WAIT_SECS * factor, _LONGEST_WAIT_SECS)


def step(  # noqa: PLR0913 - keyword-only
    name: str,
    *,
    version: int,
    select: Select = "final",
    max_attempts: int = _MAX_ATTEMPTS,
    timeout: float | None = _TIMEOUT_SECS,
    concurrency: int = _CONCURRENCY,
) -> Callable[[Callable[[Conversation], R]], Step[R]]:
    """Make a function a step, which runs on each conversation of an archive.

    The function takes a `Conversation`, and returns a value that msgspec can encode as JSON, such as a dict, a list, a
    number or a dataclass; None if there is nothing to store. A function that is not async runs in a thread.

    ::

        @step("score", version=1)
        async def score(conversation: Conversation) -> dict[str, int]:
            return {"turns": len(conversation.transcript)}

    Args:
        name: The name of the step in the archive: up to 100 letters, digits and ``_``, ``-``, ``.``.
        version: Its version, 1 or more. A higher version runs on all conversations again.
        select: ``"final"`` (default) to run on conversations that are done or failed, with their transcript;
            ``"all"`` to run also while they are in progress.
        max_attempts: After how many failed attempts a conversation is dead, so that it is not tried again before
            `retry_steps`; 8 by default. The waits between attempts grow from 10 seconds to 11 hours.
        timeout: The maximum duration of an attempt in seconds, 300 by default; None for no limit. A function that is
            not async is not stopped: its result is ignored.
        concurrency: How many conversations to process at the same time, 16 by default.

    Raises:
        InvalidArgumentError: A value is not valid.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidArgumentError("name", f"must be up to 100 letters, digits, '_', '-' and '.', got {name!r}")
    validate_integer("version", version, 1)
    validate_choice("select", select, ("final", "all"))
    validate_integer("max_attempts", max_attempts, 1)
    if timeout is not None:
        validate_seconds("timeout", timeout, positive=True)
    validate_integer("concurrency", concurrency, 1)
    settings = StepSettings(name, version, select, max_attempts)

    def decorate(function: Callable[[Conversation], R]) -> Step[R]:
        return Step(function, settings, timeout=timeout, concurrency=concurrency)

    return decorate
