"""Every exception that convai_async raises.

::

    ConvAIError
    ├── ConfigurationError         the client's configuration does not work
    ├── InvalidArgumentError       an argument is invalid; nothing was sent
    ├── ClientClosedError          the client is closed
    ├── APIStatusError             the service responded with an error status
    │   ├── BadRequestError        400
    │   ├── AuthenticationError    401
    │   ├── PermissionDeniedError  403
    │   ├── NotFoundError          404
    │   ├── ConflictError          409
    │   ├── ValidationError        422: the service rejected a parameter
    │   ├── RateLimitError         429: too many requests, or the service is busy
    │   │   └── ConcurrencyLimitError   429: too many requests at the same time
    │   └── ServerError            5xx
    ├── TransportError             no complete response arrived
    │   ├── ConnectionFailedError  refused, reset, unknown host, invalid certificate
    │   ├── RequestTimeoutError    the response took longer than the timeout
    │   └── IncompleteBodyError    the body ended early
    ├── ResponseTooLargeError      the body is larger than the client's limit
    ├── StorageError               an object store cannot store, return or delete a recording
    ├── DecodeError                the response is not the expected document
    ├── PaginationError            the cursors of a list contradict each other
    ├── ConversationNotReadyError  the conversation did not reach the awaited status
    ├── ConversationClosedError    a live conversation has ended
    │   └── ConversationRefusedError    the service ended it before it began
    ├── ReplyTimeoutError          the agent did not reply in time
    └── WebhookSignatureError      the webhook's signature is wrong, missing or too old

Every method that sends a request can raise `InvalidArgumentError` (an id is empty or invalid, or another argument is),
`ClientClosedError`, `ConfigurationError` (the client belongs to another event loop), `APIStatusError`,
`TransportError`, `ResponseTooLargeError` and `DecodeError`. Its own docstring names only the errors that have a
particular meaning there.

Each error has ``retryable`` (whether the same request may succeed later) and ``attempts`` (the number of requests
that were sent), can be pickled, and contains no API key, signed URL or token in its text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "APIStatusError",
    "AuthenticationError",
    "BadRequestError",
    "ClientClosedError",
    "ConcurrencyLimitError",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "ConvAIError",
    "ConversationClosedError",
    "ConversationNotReadyError",
    "ConversationRefusedError",
    "DecodeError",
    "FieldProblem",
    "IncompleteBodyError",
    "InvalidArgumentError",
    "NotFoundError",
    "PaginationError",
    "PermissionDeniedError",
    "RateLimitError",
    "ReplyTimeoutError",
    "RequestTimeoutError",
    "ResponseTooLargeError",
    "ServerError",
    "StorageError",
    "TransportError",
    "ValidationError",
    "WebhookSignatureError",
]


class ConvAIError(Exception):
    """The root of every exception that this package raises.

    Attributes:
        retryable: Whether the same request may succeed later.
        attempts: The number of requests that were sent; 0 if none was.
        retry_stop_reason: Why the request was not retried again, as text; empty for an error that is not retried.
    """

    retryable: bool = False
    attempts: int = 0
    retry_stop_reason: str = ""

    def __str__(self) -> str:
        """Return the message, and why the request was not retried again."""
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
    """The client's configuration does not work: no API key, an invalid base URL, or another event loop."""


class InvalidArgumentError(ConvAIError, ValueError):
    """An argument is invalid; nothing was sent.

    Attributes:
        parameter: The name of the argument.
    """

    parameter: str

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(f"{parameter}: {problem}")
        self.parameter = parameter


class ClientClosedError(ConvAIError, RuntimeError):
    """The client is closed: create a new one, or keep it open for longer."""


class FieldProblem(NamedTuple):
    """A parameter that the service rejected, from the body of a 422 response.

    Attributes:
        location: The path to the parameter, such as ``("query", "page_size")``.
        message: The service's description of the problem.
        type: The service's code for the kind of problem.
    """

    location: tuple[str | int, ...]
    message: str
    type: str


class APIStatusError(ConvAIError):
    """The service responded with an error status.

    Attributes:
        status: The HTTP status code.
        code: The service's code for the error, such as ``"rate_limit_exceeded"``, or None.
        message: The service's error message; empty if it sent none.
        request_id: The service's id of the request, for its support team, or None.
        retry_after: The seconds to wait before another request, as requested by the service, or None.
        headers: The response's headers; names are case-insensitive.
        body: The response's body.
    """

    status: int
    code: str | None
    message: str
    request_id: str | None
    retry_after: float | None
    headers: Mapping[str, str]
    body: bytes

    def __init__(  # noqa: PLR0913 - keyword-only
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
    """401: the API key is missing, unknown, lacks a permission, has no quota left, or belongs to another region."""


class PermissionDeniedError(APIStatusError):
    """403: the API key does not have permission for this."""


class NotFoundError(APIStatusError):
    """404: deleted, never existed, or does not exist yet, as a conversation right after its call ends."""

    @property
    def is_from_service(self) -> bool:
        """Whether the service sent the error; False for the page of a proxy that does not know the path."""
        try:
            document = msgspec.json.decode(self.body)
        except (ValueError, RecursionError):
            return False
        return isinstance(document, dict) and "detail" in document


class ConflictError(APIStatusError):
    """409: another change is in progress. Retryable."""

    retryable = True


class ValidationError(APIStatusError):
    """422: the service rejected one or more parameters.

    Attributes:
        errors: The rejected parameters; empty if the service did not name them.
    """

    errors: Sequence[FieldProblem] = ()


class RateLimitError(APIStatusError):
    """429: too many requests, or the service is busy. Retryable."""

    retryable = True


class ConcurrencyLimitError(RateLimitError):
    """429: more requests at the same time than the workspace is allowed. Retryable; the client then sends fewer."""


class ServerError(APIStatusError):
    """5xx: the service, or a proxy in front of it, failed. Retryable."""

    retryable = True


class TransportError(ConvAIError):
    """No complete response arrived.

    Attributes:
        ambiguous: Whether the service may have received and processed the request nevertheless.
    """

    retryable = True
    ambiguous: bool

    def __init__(self, text: str, *, ambiguous: bool = True, retryable: bool = True) -> None:
        super().__init__(text)
        self.ambiguous = ambiguous
        self.retryable = retryable
        self.attempts = 1


class ConnectionFailedError(TransportError):
    """The connection could not be established, or was lost before the response began."""


class RequestTimeoutError(TransportError):
    """The response, or its next bytes, took longer than the timeout."""


class IncompleteBodyError(TransportError):
    """The response's body ended early, or could not be decompressed."""


class DecodeError(ConvAIError):
    """The response is not the expected document.

    The error is ``retryable`` if the whole response is something else: not JSON (such as a proxy's error page), not an
    object, or without a required field (such as an error with status 200). It is not retryable if a single value is
    invalid, since the next response would contain the same value.

    Attributes:
        request: The method and path of the request; empty if unknown.
        problem: The reason why the document is invalid.
        path: The JSON path of the invalid value, such as ``"$.transcript[3].tool_calls"``; ``"$"`` for the whole
            document.
        body: The document's bytes; empty if it contains a secret.
    """

    request: str = ""
    problem: str
    path: str
    body: bytes

    def __init__(
        self, problem: str, *, path: str = "$", body: bytes = b"", source: str = "the service's response"
    ) -> None:
        where = "; its bytes are in .body" if body else ""
        super().__init__(f"{source} cannot be decoded: {problem} - at `{path}`{where}")
        self.problem = problem
        self.path = path
        self.body = body

    def __str__(self) -> str:
        return f"{self.request}: {super().__str__()}" if self.request else super().__str__()

    @classmethod
    def from_message(cls, message: str, body: bytes) -> Self:
        """Create the error from the message of a msgspec decoder.

        The message of nested decoders ends in several paths, the innermost first:
        ``Expected `int`, got `str` - at `$.x` - at `$.results[1]```. A message without a path is about the whole
        document, and the error is retryable.
        """
        problem, *paths = message.split(" - at ")
        steps = [path.strip("`").removeprefix("$") for path in reversed(paths)]
        made = cls(problem, path="$" + "".join(steps), body=body)
        made.retryable = made.path == "$"
        return made


class PaginationError(ConvAIError):
    """The cursors of a list contradict each other, so the rest of the list cannot be read.

    Iteration raises this error instead of stopping, since an incomplete list would look complete.
    """


class ResponseTooLargeError(ConvAIError):
    """The response's body is larger than the client's ``max_response_bytes`` (decompressed) or ``max_stream_bytes``.

    Also raised for a decompression bomb: a body of more than 16 MiB that is more than 100 times its compressed size.
    And for a reply in a live conversation that is larger than its ``max_buffered_bytes``.
    """

    attempts = 1


class StorageError(ConvAIError):
    """An object store cannot store, return or delete a recording.

    The message names the bucket and contains no credentials.
    """


class ConversationNotReadyError(ConvAIError):
    """The conversation did not reach the awaited status.

    Attributes:
        conversation_id: The id of the conversation.
        status: Its last status, or None if it does not exist.
    """

    conversation_id: str
    status: str | None

    def __init__(self, text: str, *, conversation_id: str, status: str | None, retryable: bool = False) -> None:
        super().__init__(text)
        self.conversation_id = conversation_id
        self.status = status
        self.retryable = retryable


class ConversationClosedError(ConvAIError):
    """A live conversation has ended, so that nothing can be sent or awaited any more.

    ``retryable`` says whether a new conversation may succeed. A conversation cannot be resumed.

    Attributes:
        conversation_id: The id of the conversation, or None if it had none yet.
        code: The code with which the WebSocket was closed; 1006 if the connection was lost.
        reason: The service's reason, or why the connection was lost; can be empty.
        error_type: The service's code for the error, such as ``"override_error"``, or None.
    """

    conversation_id: str | None
    code: int
    reason: str
    error_type: str | None

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        text: str,
        *,
        conversation_id: str | None,
        code: int,
        reason: str = "",
        error_type: str | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(text)
        self.conversation_id = conversation_id
        self.code = code
        self.reason = reason
        self.error_type = error_type
        self.retryable = retryable
        self.attempts = 1


class ConversationRefusedError(ConversationClosedError):
    """The service ended a live conversation before it began.

    Reasons are an override that the agent does not allow, a dynamic variable that is missing, or a queue that was too
    long.
    """


class ReplyTimeoutError(ConvAIError, TimeoutError):
    """The agent's reply was not complete in time. The conversation continues."""

    attempts = 1


class WebhookSignatureError(ConvAIError):
    """The webhook's signature is wrong, missing, too old or in the future: ignore it and respond with 401."""
