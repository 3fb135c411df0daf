"""Proxies of the environment, which aiohttp reads with ``trust_env``."""

from __future__ import annotations

from urllib.request import getproxies, proxy_bypass

from yarl import URL

from convai_async.errors import ConfigurationError

_SCHEMES = ("http", "https")


def has_proxy() -> bool:
    """Return whether the environment names a proxy. If not, ``trust_env`` only costs time."""
    return any(getproxies().get(scheme) for scheme in _SCHEMES)


def check_proxies(base_url: str) -> None:
    """Check the proxies of the environment. No error shows an address, which can contain a password.

    Args:
        base_url: The service's address.

    Raises:
        ConfigurationError: One that aiohttp would use for the address, or would fail to read, is not valid.
    """
    service = URL(base_url)
    if proxy_bypass(service.host or ""):
        return
    proxies = getproxies()
    for scheme in _SCHEMES:
        if scheme in proxies and not _is_address(proxies[scheme], needs_host=scheme == service.scheme):
            raise ConfigurationError(
                f"{scheme.upper()}_PROXY is not the address of a proxy: write it as http://HOST:PORT, or as"
                " http://USER:PASSWORD@HOST:PORT"
            )


def _is_address(text: str, *, needs_host: bool) -> bool:
    try:
        return URL(text).host is not None or not needs_host
    except ValueError:
        return False
