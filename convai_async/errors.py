"""Every exception that convai_async raises.

::

    ConvAIError
    ├── ConfigurationError         the client cannot work as it was set up
    ├── InvalidArgumentError       an argument was refused before anything was sent
    ├── ClientClosedError          the client was closed
    ├── APIStatusError             the service answered with an error status
    │   ├── BadRequestError        400
    │   ├── AuthenticationError    401
    │   ├── PermissionDeniedError  403
    │   ├── NotFoundError          404
    │   ├── ConflictError          409
    │   ├── ValidationError        422: the service refused a parameter
    │   ├── RateLimitError         429: too many requests, or a busy system
    │   │   └── ConcurrencyLimitError   too many requests at the same time
    │   └── ServerError            5xx
    ├── TransportError             no whole reply arrived
    │   ├── ConnectionFailedError  refused, reset, unresolvable, bad certificate
    │   ├── RequestTimeoutError    took longer than the timeout
    │   └── IncompleteBodyError    the body ended early
    ├── ResponseTooLargeError      the reply's body is larger than it may be
    ├── DecodeError                the reply is not the document it should be
    ├── PaginationError            the service's cursors contradict each other
    ├── ConversationNotReadyError  it did not get the status that was waited for
    └── WebhookSignatureError      a webhook that is not the service's, or too old

Each carries ``retryable`` (would the same request be worth another try later?) and ``attempts`` (how often
it was sent), survives pickling, and holds no API key, signed URL or token in its text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ConvAIError(Exception):
    """The root of every exception that this package raises.

    Attributes:
        retryable: Whether the same request may well succeed later.
        attempts: How many requests were sent before giving up; 0 when none was.
        retry_stop_reason: Why no further attempt was made, in words; empty when retrying was not at issue.
    """

    retryable: bool = False
    attempts: int = 0
    retry_stop_reason: str = ""

    def __str__(self) -> str:
        """Say what happened, what to do, and how far retrying got."""
        text = super().__str__()
        return f"{text} [{self.retry_stop_reason}]" if self.retry_stop_reason else text

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (type(self), self.args, self.__dict__)


def _unpickle(cls: type[ConvAIError], args: tuple[Any, ...], state: dict[str, Any]) -> ConvAIError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(ConvAIError, ValueError):
    """The client cannot work as it was set up: no key, an odd base URL, the wrong event loop."""


class InvalidArgumentError(ConvAIError, ValueError):
    """An argument was refused before anything was sent.

    Attributes:
        parameter: The name of the argument.
    """

    parameter: str

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(f"{parameter}: {problem}")
        self.parameter = parameter


class ClientClosedError(ConvAIError, RuntimeError):
    """The client was closed: make a new one, or keep the old one open for longer."""


class FieldProblem(NamedTuple):
    """One parameter that the service refused, from the body of a 422.

    Attributes:
        location: Where it is, such as ``("query", "page_size")``.
        message: What is wrong with it, in the service's words.
        type: The service's name for the kind of problem.
    """

    location: tuple[str | int, ...]
    message: str
    type: str


class APIStatusError(ConvAIError):
    """The service answered with an error status.

    Attributes:
        status: The HTTP status.
        code: The service's code for the error, such as ``"rate_limit_exceeded"``, or None.
        message: The service's own message; empty when it sent none.
        request_id: The service's id of the request, to quote to its support, or None.
        retry_after: Seconds that the service asked to wait, or None.
        headers: The reply's headers; names in any case.
        body: The reply's body, as it came.
    """

    status: int
    code: str | None
    message: str
    request_id: str | None
    retry_after: float | None
    headers: Mapping[str, str]
    body: bytes

    def __init__(  # noqa: PLR0913 - an error reply has this many parts
        self,
        text: str,
        *,
        status: int,
        code: str | None = None,
        message: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id
        self.retry_after = retry_after
        self.headers = {} if headers is None else headers
        self.body = body
        self.attempts = 1


class BadRequestError(APIStatusError):
    """400: the service did not understand the request."""


class AuthenticationError(APIStatusError):
    """401: the key is missing, unknown, of another region, lacks a permission, or is out of quota."""


class PermissionDeniedError(APIStatusError):
    """403: the key may not do this."""


class NotFoundError(APIStatusError):
    """404: gone, never there, or, right after a call ends, not there yet."""


class ConflictError(APIStatusError):
    """409: another change is under way; passing."""

    retryable = True


class ValidationError(APIStatusError):
    """422: the service refused one or more parameters.

    Attributes:
        errors: What was refused; empty when the service did not say.
    """

    errors: Sequence[FieldProblem] = ()


class RateLimitError(APIStatusError):
    """429: too many requests, or the service is busy; passing."""

    retryable = True


class ConcurrencyLimitError(RateLimitError):
    """429: more requests in flight than the workspace may have; passing, and a reason to have fewer."""


class ServerError(APIStatusError):
    """5xx: the service, or what stands before it, failed; passing."""

    retryable = True


class TransportError(ConvAIError):
    """No whole reply arrived.

    Attributes:
        ambiguous: Whether the service may have received, and acted on, the request all the same.
    """

    retryable = True
    ambiguous: bool

    def __init__(self, text: str, *, ambiguous: bool = True, retryable: bool = True) -> None:
        super().__init__(text)
        self.ambiguous = ambiguous
        self.retryable = retryable
        self.attempts = 1


class ConnectionFailedError(TransportError):
    """The connection could not be made, or was lost before the reply began."""


class RequestTimeoutError(TransportError):
    """The reply, or the next part of it, took longer than the timeout."""


class IncompleteBodyError(TransportError):
    """The reply's body ended before its end, or could not be decompressed."""


class DecodeError(ConvAIError):
    """The reply is not the document that it should be.

    It is ``retryable`` when the whole reply is something else: not JSON (a proxy's page), not an object, or without a
    field that every such document has (an error with status 200). A single value that does not fit is not retryable:
    the next reply would have it too.

    Attributes:
        request: The request's method and path, where they are known.
        problem: What does not fit.
        path: Where the misfit is, such as ``"$.transcript[3].tool_calls"``; ``"$"`` when the whole is not JSON.
        body: The document, as it came; empty where it would be a secret.
    """

    request: str = ""
    problem: str
    path: str
    body: bytes

    def __init__(
        self, problem: str, *, path: str = "$", body: bytes = b"", source: str = "the service's reply"
    ) -> None:
        where = "; its bytes are in .body" if body else ""
        super().__init__(f"{source} does not decode: {problem} - at `{path}`{where}")
        self.problem = problem
        self.path = path
        self.body = body

    def __str__(self) -> str:
        return f"{self.request}: {super().__str__()}" if self.request else super().__str__()

    @classmethod
    def from_message(cls, message: str, body: bytes) -> Self:
        """Make the error from a decoder's message.

        Messages of nested decoders end in several paths, the innermost first:
        ``Expected `int`, got `str` - at `$.x` - at `$.results[1]```. Without a path, it is about the whole document,
        and retryable.
        """
        problem, *paths = message.split(" - at ")
        steps = [path.strip("`").removeprefix("$") for path in reversed(paths)]
        made = cls(problem, path="$" + "".join(steps), body=body)
        made.retryable = made.path == "$"
        return made


class PaginationError(ConvAIError):
    """The service's cursors contradict each other, so that the rest of a list cannot be read.

    Stopping quietly would pass a short list off as a whole one.
    """


class ResponseTooLargeError(ConvAIError):
    """The reply's body is larger than the client's ``max_response_bytes`` (decompressed) or ``max_stream_bytes``.

    It is also raised for a decompression bomb: more than 16 MiB, and more than 100 times the compressed size.
    """

    attempts = 1


class ConversationNotReadyError(ConvAIError):
    """A conversation did not get the status that was waited for.

    Attributes:
        conversation_id: Which one.
        status: Its last status, or None when it was not there at all.
    """

    conversation_id: str
    status: str | None

    def __init__(self, text: str, *, conversation_id: str, status: str | None, retryable: bool = False) -> None:
        super().__init__(text)
        self.conversation_id = conversation_id
        self.status = status
        self.retryable = retryable


class WebhookSignatureError(ConvAIError):
    """A webhook is forged, too old or from the future, or has no signature: do nothing that it says."""
