"""What aiohttp raises, said by an exception of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http_exceptions import (
    ContentEncodingError,
    ContentLengthError,
    DecompressSizeError,
    TransferEncodingError,
)

from convai_async._support.text import one_line
from convai_async.errors import (
    ConfigurationError,
    ConnectionFailedError,
    ConvAIError,
    IncompleteBodyError,
    RequestTimeoutError,
    ResponseTooLargeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class _DroppedError(Exception):
    """Hides a dropped connection from aiohttp, which would repeat the request unseen."""


async def disable_transparent_retry(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request (a middleware of aiohttp's), and let aiohttp not repeat it by itself when its connection drops."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _DroppedError from error


def unwrap(error: BaseException) -> BaseException:
    """Return what `disable_transparent_retry` hid from aiohttp, or the error itself."""
    return error.__cause__ if isinstance(error, _DroppedError) and error.__cause__ is not None else error


def transport_error(  # noqa: C901 - a list
    error: BaseException, request: str, *, reading: bool, clean: Callable[[str], str]
) -> ConvAIError | None:
    """Return the exception of ours that says what one of aiohttp's says, or None when it is no failure of a request.

    Args:
        error: What aiohttp raised.
        request: The request's method and path, for the text.
        reading: Whether the reply had begun.
        clean: Takes out of the text what must not stand in it.
    """
    reason = one_line(clean(_words(error)))
    translated: ConvAIError | None = None
    match error:
        case aiohttp.ConnectionTimeoutError():
            translated = RequestTimeoutError(f"{request}: no connection within the timeout", ambiguous=False)
        case TimeoutError():
            translated = RequestTimeoutError(f"{request}: no whole reply within the timeout")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ServerFingerprintMismatch():
            translated = ConnectionFailedError(
                f"{request}: no trusted connection: {reason} (pass ssl=<an ssl.SSLContext> to trust a private CA)",
                ambiguous=False,
                retryable=False,
            )
        case aiohttp.ClientSSLError():
            translated = ConnectionFailedError(
                f"{request}: no TLS connection: {reason} (does base_url's server speak https?)",
                ambiguous=False,
                retryable=False,
            )
        case aiohttp.ClientConnectorError():
            translated = ConnectionFailedError(f"{request}: no connection: {reason}", ambiguous=False)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            translated = ConfigurationError(f"{request}: base_url makes no address: {reason}")
        case aiohttp.ClientHttpProxyError():
            translated = ConnectionFailedError(
                f"{request}: the proxy refuses: {error.status} {reason}", ambiguous=False, retryable=False
            )
        case aiohttp.ClientResponseError():
            translated = ConnectionFailedError(f"{request}: the reply is not HTTP: {reason}")
        case aiohttp.ClientPayloadError(__cause__=DecompressSizeError()):  # aiohttp 3.13; 3.14 unpacks in pieces
            translated = ResponseTooLargeError(f"{request}: the reply is a decompression bomb: {reason}")
        case aiohttp.ClientError() | ConnectionError() if reading:
            translated = IncompleteBodyError(f"{request}: the reply's body ended early: {reason}")
        case aiohttp.ClientError() | ConnectionError():
            translated = ConnectionFailedError(f"{request}: the connection was lost: {reason}")
    return translated


def _words(error: BaseException) -> str:
    """Return what happened, in words that make sense without knowing aiohttp."""
    match error:
        case aiohttp.ClientPayloadError():
            return _why_incomplete(error)
        case aiohttp.ClientConnectorError():
            return f"{error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
        case aiohttp.ClientResponseError():
            return error.message
        case _:
            return str(error) or type(error).__name__


def _why_incomplete(error: aiohttp.ClientPayloadError) -> str:
    match error.__cause__:
        case ContentLengthError():
            return "fewer bytes than its Content-Length says"
        case TransferEncodingError():
            return "its chunks break off or are malformed"
        case ContentEncodingError():
            return "it cannot be decompressed"
        case DecompressSizeError():
            return "a small part of it unpacks to more than 32 MiB"
        case _:
            return "the connection was lost"
