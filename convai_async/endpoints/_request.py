"""Requests and responses as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from convai_async._support.text import to_short_line
from convai_async._support.validate import validate_id
from convai_async.endpoints._query import Query, encode_query
from convai_async.errors import DecodeError, InvalidArgumentError

__all__ = ["FileBody", "JSONBody", "Request", "Response", "get_request_id"]

T = TypeVar("T")

CONVERSATIONS = "/v1/convai/conversations"

# The HTML standard escapes the quote and the line breaks; httpx also escapes the other control characters, which are
# invalid in headers. https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
_FILENAME_ESCAPES = {code: f"%{code:02X}" for code in (*range(0x20), ord('"'), 0x7F)}


class JSONBody(msgspec.Struct, frozen=True):
    """A JSON request body.

    Attributes:
        content: The encoded JSON.
    """

    content: bytes


class FileBody(msgspec.Struct, frozen=True):
    """A multipart request body with one file.

    Attributes:
        field: The name of the form field.
        content: The file's bytes.
        filename: The file's name.
        content_type: The file's media type.
    """

    field: str
    content: bytes
    filename: str
    content_type: str

    @property
    def escaped_filename(self) -> str:
        """The file's name, escaped for the quoted value in the part's header as browsers do."""
        return self.filename.translate(_FILENAME_ESCAPES)


class Request(msgspec.Struct, Generic[T], frozen=True):
    """A request that has not been sent. Send it with `ConvAIClient.send_raw`.

    Attributes:
        method: The HTTP method.
        path: The absolute path, percent-encoded, such as ``"/v1/convai/conversations"``.
        decode: Converts the response's body to the result. Raises `DecodeError`.
        query: The names and values of the query, not encoded. A name can occur several times.
        body: The request body, or None.
        idempotent: Whether sending the request twice has the same effect as sending it once, so that it is safe to
            retry.
        headers: Additional headers.
    """

    method: str
    path: str
    decode: Callable[[bytes], T]
    query: Query = ()
    body: JSONBody | FileBody | None = None
    idempotent: bool = True
    headers: tuple[tuple[str, str], ...] = ()

    def with_query(self, **values: str) -> Request[T]:
        """Return a copy of the request with these query parameters replaced.

        Raises:
            InvalidArgumentError: A value cannot be sent in a query.
        """
        kept = tuple(pair for pair in self.query if pair[0] not in values)
        return msgspec.structs.replace(self, query=kept + encode_query(values))


class Response(msgspec.Struct, Generic[T], frozen=True):
    """A complete response.

    Attributes:
        status: The HTTP status code.
        headers: The headers; names are case-insensitive.
        body: The body, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    _decode: Callable[[bytes], T]

    @property
    def request_id(self) -> str | None:
        """The service's id of the request, for its support team; None if it sent none."""
        return get_request_id(self.headers)

    def decode(self) -> T:
        """Return the result of the request, such as a `Conversation`.

        Raises:
            DecodeError: The body is not the expected document.
        """
        return self._decode(self.body)

    def __repr__(self) -> str:
        # Keep signed URLs and transcripts out of logs.
        return f"Response(status={self.status}, request_id={self.request_id!r}, body=<{len(self.body)} bytes>)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return the attributes for rich, without the body."""
        return [("status", self.status), ("request_id", self.request_id), ("body_bytes", len(self.body))]


def get_request_id(headers: Mapping[str, str]) -> str | None:
    """Return the service's request id from the headers of a response, or None."""
    return to_short_line(headers.get("request-id") or headers.get("x-trace-id") or "") or None


def quote_id(parameter: str, value: str) -> str:
    """Return an id as a percent-encoded path segment.

    Raises:
        InvalidArgumentError: The id is empty or invalid.
    """
    return quote(validate_id(parameter, value), safe="")


def build_conversation_path(conversation_id: str) -> str:
    """Return the path of a conversation.

    Raises:
        InvalidArgumentError: The id is empty or invalid.
    """
    return f"{CONVERSATIONS}/{quote_id('conversation_id', conversation_id)}"


def encode_json_body(parameter: str, value: Any) -> JSONBody:
    """Return a value as a request body.

    Raises:
        InvalidArgumentError: The value cannot be encoded as JSON. The error names the parameter.
    """
    try:
        return JSONBody(msgspec.json.encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidArgumentError(parameter, f"cannot be encoded as JSON: {error}") from None


def no_content(_body: bytes) -> None:
    """Return None for any body."""


def redact_body_on_error(decode: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """Return a decoder whose `DecodeError` has no body, for responses that contain a secret."""
    return partial(_decode_secret, decode)


def _decode_secret(decode: Callable[[bytes], T], body: bytes) -> T:
    try:
        return decode(body)
    except DecodeError as error:
        redacted = DecodeError(error.problem, path=error.path)
        redacted.retryable = error.retryable
    # Outside the except block, so that the error with the body is not the context of this one.
    del body
    raise redacted


def decode_json_body(body: bytes) -> Any:
    """Return the JSON value of any response; None for an empty body.

    Raises:
        DecodeError: The body is not JSON.
    """
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise DecodeError.from_message(str(error), body) from None
