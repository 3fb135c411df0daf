"""Remove the API key from texts that are shown, logged or pickled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from convai_async.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async._support.text import Secret

T = TypeVar("T")

_MIN_KEY_CHARS = 8
"""A shorter key is that of a test, and can be a word such as "key", which is in many sentences."""
_MASK = "***"


class Redactor:
    """Replaces an API key in texts of the service, of proxies and of aiohttp.

    Args:
        api_key: The key; one with fewer than 8 characters is not replaced.
    """

    def __init__(self, api_key: Secret) -> None:
        self._api_key = api_key if len(api_key) >= _MIN_KEY_CHARS else None

    def redact_text(self, text: str) -> str:
        """Return the text without the key."""
        return text if self._api_key is None else text.replace(self._api_key, _MASK)

    def redact_body(self, body: bytes) -> bytes:
        """Return the body of a response without the key; JSON stays valid JSON."""
        if self._api_key is None:
            return body
        key = self._api_key.encode()
        try:
            # JSON has several spellings of a text, so the decoded document is searched.
            document = msgspec.json.decode(body)
            redacted = self._redact_value(document)
        except (ValueError, RecursionError):  # not JSON
            return body.replace(key, _MASK.encode())
        return msgspec.json.encode(redacted) if redacted != document or key in body else body

    def wrap_decoder(self, decode: Callable[[bytes], T]) -> Callable[[bytes], T]:
        """Return a decoder whose errors do not contain the key."""

        def decode_redacted(body: bytes) -> T:
            try:
                return decode(body)
            except DecodeError as error:
                redacted = self.redact_error(error)
            del body  # error reports print local variables
            raise redacted

        return decode_redacted

    def redact_error(self, error: DecodeError) -> DecodeError:
        """Return the error without the key."""
        redacted = DecodeError(
            self.redact_text(error.problem), path=self.redact_text(error.path), body=self.redact_body(error.body)
        )
        redacted.retryable = error.retryable
        return redacted

    def _redact_value(self, value: Any) -> Any:
        match value:
            case str():
                return self.redact_text(value)
            case int() if str(value) == self._api_key:
                return _MASK
            case list():
                return [self._redact_value(item) for item in value]
            case dict():
                return {self.redact_text(name): self._redact_value(item) for name, item in value.items()}
            case _:
                return value


def drop_frames(error: BaseException) -> None:
    """Remove the tracebacks of an exception, of its causes and of its contexts.

    Some error reports print the local variables of every frame. Those of aiohttp contain the request's headers.
    """
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        link = chain.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        link.__traceback__ = None
        chain += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            chain += link.exceptions
