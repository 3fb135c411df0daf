"""Validate the settings of a client."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from convai_async._support.text import Secret
from convai_async._support.validate import format_value, is_number
from convai_async.errors import ConfigurationError, InvalidArgumentError
from convai_async.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

Region = Literal["global", "us", "eu", "in", "sg"]

_API_KEY_VARIABLE = "ELEVENLABS_API_KEY"
_HOSTS: dict[str, str] = {
    "global": "https://api.elevenlabs.io",
    "us": "https://api.us.elevenlabs.io",
    "eu": "https://api.eu.residency.elevenlabs.io",
    "in": "https://api.in.residency.elevenlabs.io",
    "sg": "https://api.sg.residency.elevenlabs.io",
}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


def resolve_base_url(region: str, base_url: str | None) -> str:
    """Return the address of the service.

    Raises:
        ConfigurationError: The region is unknown, the address is invalid, or both are given.
    """
    if base_url is None:
        if region not in _HOSTS:
            raise ConfigurationError(f"region must be one of {', '.join(_HOSTS)}; got {region!r}")
        return _HOSTS[region]
    if region != "global":
        raise ConfigurationError("pass either region or base_url, not both")
    if not isinstance(base_url, str):
        raise ConfigurationError(f"base_url must be a string, not {type(base_url).__name__}")
    if any(char in base_url for char in "@?#"):  # the message leaves it out, since it may contain a password
        raise ConfigurationError("base_url must be scheme, host and path only: no user, query or fragment")
    if not _is_valid_address(base_url):
        raise ConfigurationError(f"base_url must look like 'https://api.elevenlabs.io', got {base_url!r}")
    return base_url.rstrip("/")


def _is_valid_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")
        known = parts.scheme in {"http", "https"} and bool(host) and parts.port != 0
    except ValueError:
        return False
    return known and text.isascii() and text.isprintable() and " " not in text


def validate_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers that can be sent.

    Raises:
        InvalidArgumentError: A name or a value is invalid.
    """
    for name, value in headers.items():
        if not (isinstance(name, str) and _HEADER_NAME.fullmatch(name)):
            raise InvalidArgumentError("headers", f"{name!r} is not the name of a header")
        if not (isinstance(value, str) and value.isprintable()):
            raise InvalidArgumentError("headers", f"the value of {name!r} must be text without control characters")
    return headers


def validate_share(share: float) -> float:
    """Return a share of the service's limit.

    Raises:
        InvalidArgumentError: It is not a number that is more than 0 and at most 1.
    """
    if not is_number(share) or not 0 < share <= 1:
        raise InvalidArgumentError("share", f"must be a number, more than 0 and at most 1, got {share!r}")
    return share


def validate_retry(retry: RetryPolicy | None) -> RetryPolicy | None:
    """Return a retry policy, or None for no retries.

    Raises:
        InvalidArgumentError: It is something else.
    """
    if not isinstance(retry, RetryPolicy | None):
        raise InvalidArgumentError("retry", f"must be a RetryPolicy, or None for no retries; got {retry!r}")
    return retry


def validate_api_key(api_key: object) -> Secret:
    """Return the API key; None stands for the one in the environment.

    Raises:
        ConfigurationError: There is no key, or it is not a valid one.
    """
    key = Secret(os.environ.get(_API_KEY_VARIABLE, "")) if api_key is None else api_key
    if not isinstance(key, Secret):
        raise ConfigurationError(f"the API key must be a string, not {type(key).__name__}")
    if not key:
        raise ConfigurationError(f"there is no API key: set {_API_KEY_VARIABLE}, or pass api_key=")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigurationError("the API key contains a space, a line break or another character that no key has")
    return key


def validate_timeout(timeout: float | None) -> float | None:
    """Return a timeout in seconds, or None for no timeout.

    Raises:
        InvalidArgumentError: It is not a positive finite number.
    """
    if timeout is not None and (not is_number(timeout) or not 0 < timeout <= sys.float_info.max):
        raise InvalidArgumentError(
            "timeout", f"must be more than 0 seconds, or None for no timeout; got {format_value(timeout)}"
        )
    return timeout
