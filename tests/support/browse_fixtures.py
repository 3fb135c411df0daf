"""An archive with recordings, and a client of the server that shows it."""

from __future__ import annotations

import io
import shutil
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, CookieJar
from yarl import URL

from convai_async.browse import serve_archive
from convai_async.cli._app import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import ClientResponse


class Browser:
    """Requests pages as a browser would that has opened the first URL."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self.session = session
        self.url = URL(url)

    async def get(self, path: str, *, method: str = "GET", **headers: str) -> ClientResponse:
        """Request a page; an underscore in a header's name stands for a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(f"{self.url.origin()}{path}", encoded=True)
        return await self.session.request(method, url, headers=named, allow_redirects=False)

    async def read(self, path: str, status: int = 200) -> str:
        """Return the text of a page."""
        response = await self.get(path)
        text = await response.text()
        assert response.status == status, text
        return text


@asynccontextmanager
async def open_browser(archive: Path) -> AsyncIterator[Browser]:
    """Serve an archive, and open its first URL."""
    async with (
        serve_archive(archive) as pages,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as session,  # unsafe: cookies for IP addresses too
        session.get(pages.url) as response,
    ):
        assert response.status == 200
        yield Browser(session, pages.url)


@pytest.fixture(scope="session")
def harvested_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of an archive with 60 conversations and their recordings. Tests do not change it."""
    path = tmp_path_factory.mktemp("browse") / "calls.db"
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        assert run(["harvest", str(path), "--sandbox", "60", "--audio"]) == 0
    return path


@pytest.fixture
def archive_copy(harvested_once: Path, tmp_path: Path) -> Path:
    """The path of a copy of that archive, which a test can change."""
    shutil.copytree(harvested_once.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / harvested_once.name
