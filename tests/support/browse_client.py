"""A client of the server that shows an archive."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

from aiohttp import ClientSession, CookieJar
from yarl import URL

from convai_async.browse import _queries, serve_archive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientResponse

    from convai_async.archive import ArchivePath


class Browser:
    """Requests pages as a browser would that has opened the first URL."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self.session = session
        self.url = URL(url)

    async def get(self, path: str, *, method: str = "GET", **headers: str) -> ClientResponse:
        """Request a page and read it; an underscore in a header's name stands for a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(f"{self.url.origin()}{path}", encoded=True)
        response = await self.session.request(method, url, headers=named, allow_redirects=False)
        await response.read()
        return response

    async def read(self, path: str, status: int = 200) -> str:
        """Return the text of a page."""
        response = await self.get(path)
        text = await response.text()
        assert response.status == status, text
        return text


@asynccontextmanager
async def open_browser(archive: ArchivePath, *, search_secs: float = 3600) -> AsyncIterator[Browser]:
    """Serve an archive, and open its first URL. A page searches as long as it needs, unless `search_secs` limits it."""
    with patch.object(_queries, "BUDGET_SECS", search_secs):
        async with _open(archive) as browser:
            yield browser


@asynccontextmanager
async def _open(archive: ArchivePath) -> AsyncIterator[Browser]:
    async with (
        serve_archive(archive) as pages,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as session,  # unsafe: cookies for IP addresses too
        session.get(pages.url) as response,
    ):
        assert response.status == 200
        yield Browser(session, pages.url)
