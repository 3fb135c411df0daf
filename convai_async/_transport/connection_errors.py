"""Translate the exceptions of aiohttp."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

import aiohttp
from aiohttp.http_exceptions import (
    ContentEncodingError,
    ContentLengthError,
    DecompressSizeError,
    TransferEncodingError,
)

from convai_async._support.redaction import drop_frames
from convai_async._support.tasks import is_cancelling
from convai_async._support.text import to_short_line
from convai_async.errors import (
    ClientClosedError,
    ConfigurationError,
    ConnectionFailedError,
    ConvAIError,
    IncompleteBodyError,
    RequestTimeoutError,
    ResponseTooLargeError,
)

if TYPE_CHECKING:
    from convai_async._support.redaction import Redactor

_CERTIFICATE_ADVICE = {
    10: "renew the server's certificate, or set the clock of this machine",
    62: "check the host of base_url",  # the name of the host is another one
    64: "check the host of base_url",  # the IP address is another one
}
"""By the codes of OpenSSL."""
_PROXY_ADVICE = {
    403: " (ask who runs the proxy to allow the host, or add it to NO_PROXY)",
    407: " (put the user and password into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT)",
}
_FIRST_SERVER_ERROR = 500


class _DroppedError(Exception):
    """Hides a dropped connection from aiohttp, which would send the request again."""


async def disable_transparent_retry(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request (this is an aiohttp middleware) that aiohttp does not send again when its connection drops."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _DroppedError from error


class ErrorTranslator:
    """Raises an exception of `convai_async.errors` in place of one of aiohttp.

    Args:
        redactor: Removes the API key from texts.

    Attributes:
        client_closed: Whether the client has closed its connections, which is then the cause of all errors.
    """

    def __init__(self, redactor: Redactor) -> None:
        self.client_closed = False
        self._redactor = redactor

    def raise_translated(self, error: BaseException, request: str, *, reading: bool) -> NoReturn:
        """Raise the exception that stands for an aiohttp exception, or the same one if there is none.

        Args:
            error: The exception that aiohttp raised.
            request: The request's method and path, for the text.
            reading: Whether the response had started.
        """
        if isinstance(error, asyncio.CancelledError) and is_cancelling():
            raise error
        error = error.__cause__ if isinstance(error, _DroppedError) and error.__cause__ is not None else error
        translated: ConvAIError | None
        if isinstance(error, asyncio.CancelledError):
            # Not this task is cancelled, but something that aiohttp waited for, as when its session is closed.
            translated = ConnectionFailedError(f"{request}: aiohttp cancelled the request")
        else:
            translated = _translate(error, request, reading=reading, redactor=self._redactor)
        if translated is None:
            raise error
        if self.client_closed:
            translated = build_closed_error()
        # Not chained: aiohttp's ClientResponseError holds the headers of the request, and so the key; InvalidURL the
        # password of a proxy.
        cause = None if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL) else error
        drop_frames(error)
        try:
            raise translated from cause
        finally:
            translated.__context__ = cause


def build_closed_error() -> ClientClosedError:
    """Return the error for a client that was closed."""
    return ClientClosedError("the client is closed: create a new one, or use it inside its `async with` block")


def _translate(  # noqa: C901 - a list
    error: BaseException, request: str, *, reading: bool, redactor: Redactor
) -> ConvAIError | None:
    """Return the exception that stands for an aiohttp exception, or None if that is not the failure of a request."""
    reason = to_short_line(redactor.redact_text(_describe(error)))
    translated: ConvAIError | None = None
    match error:
        case aiohttp.ConnectionTimeoutError():
            translated = RequestTimeoutError(f"{request}: no connection within the timeout", ambiguous=False)
        case TimeoutError():
            translated = RequestTimeoutError(f"{request}: no complete response within the timeout")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ServerFingerprintMismatch():
            translated = ConnectionFailedError(
                f"{request}: no trusted connection: {reason} ({_choose_certificate_advice(error)})",
                ambiguous=False,
                retryable=False,
            )
        case aiohttp.ClientSSLError():
            translated = ConnectionFailedError(
                f"{request}: no TLS connection: {reason} (does the server at base_url support https?)",
                ambiguous=False,
                retryable=False,
            )
        case aiohttp.ClientConnectorError():
            target = " to the proxy" if isinstance(error, aiohttp.ClientProxyConnectionError) else ""
            translated = ConnectionFailedError(f"{request}: no connection{target}: {reason}", ambiguous=False)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            translated = ConfigurationError(
                f"{request}: base_url, or the address of the proxy, is not valid: both begin with a scheme such as http://"
            )
        case aiohttp.ClientHttpProxyError():
            translated = ConnectionFailedError(
                f"{request}: the proxy refused the connection: {error.status} {reason}"
                + _PROXY_ADVICE.get(error.status, ""),
                ambiguous=False,
                retryable=error.status >= _FIRST_SERVER_ERROR,
            )
        case aiohttp.WSServerHandshakeError():
            translated = ConnectionFailedError(
                f"{request}: the server did not open a WebSocket: {reason} (does a proxy block it?)", retryable=False
            )
        case aiohttp.ClientResponseError():
            translated = ConnectionFailedError(f"{request}: the response is not HTTP: {reason}")
        case aiohttp.ClientPayloadError(__cause__=DecompressSizeError()):  # aiohttp 3.13; 3.14 decompresses in parts
            translated = ResponseTooLargeError(f"{request}: the response is a decompression bomb: {reason}")
        case aiohttp.ClientError() | ConnectionError() if reading:
            translated = IncompleteBodyError(f"{request}: the response's body ended early: {reason}")
        case aiohttp.ClientError() | ConnectionError():
            translated = ConnectionFailedError(f"{request}: the connection was lost: {reason}")
    return translated


def _choose_certificate_advice(
    error: aiohttp.ClientConnectorCertificateError | aiohttp.ServerFingerprintMismatch,
) -> str:
    cause = getattr(error, "certificate_error", None)
    return _CERTIFICATE_ADVICE.get(
        getattr(cause, "verify_code", 0),
        "pass ssl=<an ssl.SSLContext>, or set the environment variable SSL_CERT_FILE, to trust a private CA",
    )


def _describe(error: BaseException) -> str:
    """Return the reason of an error without terms of aiohttp."""
    match error:
        case aiohttp.ClientPayloadError():
            return _explain_incomplete_body(error)
        case aiohttp.ClientConnectorError():
            reason = (
                error.os_error.strerror or str(error.os_error) or "the connection was closed during the TLS handshake"
            )
            return f"{error.host}:{error.port}: {reason}"
        case aiohttp.ClientResponseError():
            return error.message
        case _:
            return str(error) or type(error).__name__


def _explain_incomplete_body(error: aiohttp.ClientPayloadError) -> str:
    match error.__cause__:
        case ContentLengthError():
            return "fewer bytes than its Content-Length says"
        case TransferEncodingError():
            return "its chunks end early or are malformed"
        case ContentEncodingError():
            return "it cannot be decompressed"
        case DecompressSizeError():
            return "a small part of it decompresses to more than 32 MiB"
        case _:
            return "the connection was lost"
