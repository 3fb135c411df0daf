"""Restrict the pages to programs on this machine that know a secret, and to requests from these pages."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web
from yarl import URL

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

HOST = "127.0.0.1"
STATIC = "/static/"
"""The path of the style and the script, which need no secret: the page for a refused request uses them too."""
TOKEN = "token"  # noqa: S105 - the name of the parameter

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self';"
        " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class AccessDeniedError(Exception):
    """A request is refused.

    Args:
        problem: The reason and what to do, for the page.
        status: The status of the response.
        can_continue: Whether the same request can succeed if it comes from a page of this server.
    """

    def __init__(self, problem: str, status: HTTPStatus = HTTPStatus.FORBIDDEN, *, can_continue: bool = False) -> None:
        super().__init__(problem)
        self.status = status
        self.can_continue = can_continue


class Access:
    """Checks requests: their address, where they come from, and their secret.

    Attributes:
        port: The port of the server, which is known once it listens.
    """

    def __init__(self) -> None:
        self.port = 0
        self._token = secrets.token_urlsafe(32)
        self._single_use_tokens: set[str] = set()
        self._cookie = secrets.token_urlsafe(32)

    @property
    def origin(self) -> URL:
        """The address of the server, such as ``http://127.0.0.1:8808``."""
        return URL.build(scheme="http", host=HOST, port=self.port)

    def build_url(self, *, single_use: bool = False) -> str:
        """Return a URL that gives a browser access."""
        token = self._token
        if single_use:
            token = secrets.token_urlsafe(32)
            self._single_use_tokens.add(token)
        return str(self.origin.with_path("/") % {TOKEN: token})

    def resolve(self, url: URL) -> URL:
        """Return the absolute URL for a relative one; a browser would take ``//name/`` for another server's."""
        return self.origin.with_path(url.raw_path, encoded=True).with_query(url.query)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check a request, exchange the token in its URL for a cookie, and handle it.

        Raises:
            AccessDeniedError: It is refused.
        """
        self._check_host(request)
        token = request.query.get(TOKEN)
        if token is not None:
            return self._exchange(request, token)
        self._check_source(request)
        has_cookie = _is_equal(request.cookies.get(self._cookie_name, ""), self._cookie)
        if not has_cookie and not request.path.startswith(STATIC):
            raise AccessDeniedError(
                "This page needs the URL that `convai-async browse` printed: open that one first.", can_continue=True
            )
        return await handler(request)

    @property
    def _cookie_name(self) -> str:
        # A browser sends a cookie to every port, so a fixed name would let servers replace each other's.
        return f"convai_browse_{self.port}"

    def _check_host(self, request: web.Request) -> None:
        # A web page whose name resolves to 127.0.0.1 sends its own name here (DNS rebinding).
        if request.headers.getall("Host", []) != [self.origin.host_port_subcomponent]:
            raise AccessDeniedError(f"Open {self.origin} instead.", HTTPStatus.MISDIRECTED_REQUEST)

    def _check_source(self, request: web.Request) -> None:
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if origin not in {None, str(self.origin)} or site not in {None, "same-origin", "none"}:
            raise AccessDeniedError("Another web page requested this one.", can_continue=True)

    def _exchange(self, request: web.Request, token: str) -> web.Response:
        if not self._accept(token):
            raise AccessDeniedError(
                "The secret in this URL is wrong, or was used before: open the URL that `convai-async browse` printed."
            )
        query = [(name, value) for name, value in request.query.items() if name != TOKEN]
        target = self.resolve(request.rel_url).with_query(query)
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": str(target)})
        response.set_cookie(self._cookie_name, self._cookie, httponly=True, samesite="Strict")
        return response

    def _accept(self, token: str) -> bool:
        used = next((each for each in self._single_use_tokens if _is_equal(token, each)), None)
        if used is not None:
            self._single_use_tokens.remove(used)
            return True
        return _is_equal(token, self._token)


async def add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that every response has: a signal handler."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


def _is_equal(given: str, secret: str) -> bool:
    return secrets.compare_digest(given.encode(errors="replace"), secret.encode())
