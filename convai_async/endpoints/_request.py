"""A request as a value: what to send, how to read the reply, and whether sending it twice is safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from convai_async._support.text import one_line
from convai_async._support.validate import validate_id
from convai_async.endpoints._query import Query, encode_query
from convai_async.errors import DecodeError, InvalidArgumentError

__all__ = ["FileBody", "JSONBody", "Request", "Response", "get_request_id"]

T = TypeVar("T")

CONVERSATIONS = "/v1/convai/conversations"

# https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data names the quote and the
# line breaks; httpx escapes the other control characters too, which no header may hold.
_FILENAME_ESCAPES = {code: f"%{code:02X}" for code in (*range(0x20), ord('"'), 0x7F)}


class JSONBody(msgspec.Struct, frozen=True):
    """A request body of JSON."""

    content: bytes


class FileBody(msgspec.Struct, frozen=True):
    """A multipart request body of one file.

    Attributes:
        field: The form field's name.
        content: The file's bytes.
        filename: The file's name.
        content_type: Its media type.
    """

    field: str
    content: bytes
    filename: str
    content_type: str

    @property
    def escaped_filename(self) -> str:
        """The file's name as it stands in quotes in a part's header, escaped as browsers do."""
        return self.filename.translate(_FILENAME_ESCAPES)


class Request(msgspec.Struct, Generic[T], frozen=True):
    """One request to the service, not yet sent.

    Attributes:
        method: The HTTP method.
        path: The path from the root, percent-encoded, such as ``"/v1/convai/conversations"``.
        decode: Makes the result of the reply's body; raises `DecodeError` if it can't.
        query: The query's pairs, not encoded; a name may stand several times.
        body: What to send, or None.
        idempotent: Whether sending it twice has the effect of sending it once.
        headers: Headers beside those that every request has.
    """

    method: str
    path: str
    decode: Callable[[bytes], T]
    query: Query = ()
    body: JSONBody | FileBody | None = None
    idempotent: bool = True
    headers: tuple[tuple[str, str], ...] = ()

    def with_query(self, **values: str) -> Request[T]:
        """Return the same request with these query parameters set anew.

        Raises:
            InvalidArgumentError: A value has no form on the wire.
        """
        kept = tuple(pair for pair in self.query if pair[0] not in values)
        return msgspec.structs.replace(self, query=kept + encode_query(values))


class Response(msgspec.Struct, Generic[T], frozen=True):
    """A whole reply.

    Attributes:
        status: The HTTP status.
        headers: The headers; names in any case.
        body: The body's bytes, decompressed but otherwise as the service sent them.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    _decode: Callable[[bytes], T]

    @property
    def request_id(self) -> str | None:
        """The service's id of the request, to quote to its support."""
        return get_request_id(self.headers)

    def decode(self) -> T:
        """Return the typed result.

        Raises:
            DecodeError: The body is not the document that it should be.
        """
        return self._decode(self.body)

    def __repr__(self) -> str:
        # A body can be a signed URL or a transcript: neither belongs into logs.
        return f"Response(status={self.status}, request_id={self.request_id!r}, body=<{len(self.body)} bytes>)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what rich prints: no more than the repr."""
        return [("status", self.status), ("request_id", self.request_id), ("body_bytes", len(self.body))]


def get_request_id(headers: Mapping[str, str]) -> str | None:
    """Return the service's id of a request from the reply's headers, or None."""
    return one_line(headers.get("request-id") or headers.get("x-trace-id") or "") or None


def quote_id(parameter: str, value: str) -> str:
    """Return an id as one percent-encoded path segment.

    Raises:
        InvalidArgumentError: As `validate_id`.
    """
    return quote(validate_id(parameter, value), safe="")


def build_conversation_path(conversation_id: str) -> str:
    """Return the path of a conversation.

    Raises:
        InvalidArgumentError: As `validate_id`.
    """
    return f"{CONVERSATIONS}/{quote_id('conversation_id', conversation_id)}"


def encode_json_body(parameter: str, value: Any) -> JSONBody:
    """Return a value as a request body.

    Raises:
        InvalidArgumentError: JSON has no form for it; the error names the parameter.
    """
    try:
        return JSONBody(msgspec.json.encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidArgumentError(parameter, f"cannot be encoded as JSON: {error}") from None


def no_content(_body: bytes) -> None:
    """Decode a reply whose body says nothing."""


def redact_body_on_error(decode: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """Return a decoder of what is a secret: an error of it does not keep the reply's bytes."""

    def decode_secret(body: bytes) -> T:
        try:
            return decode(body)
        except DecodeError as error:
            hidden = DecodeError(error.problem, path=error.path)
            hidden.retryable = error.retryable
        # Outside the except block: the error that holds the body must not be its context.
        del body
        raise hidden

    return decode_secret


def decode_json_body(body: bytes) -> Any:
    """Decode a reply of any JSON; an empty body is None.

    Raises:
        DecodeError: It is not JSON.
    """
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise DecodeError.from_message(str(error), body) from None
