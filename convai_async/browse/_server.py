"""Serve the pages of an archive on this machine."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from convai_async.browse._app import build_app
from convai_async.browse._database import ArchiveConnection
from convai_async.browse._security import HOST, Access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async.archive import ArchivePath, PostgresUrl


_logger = logging.getLogger("convai_async.browse")

_SHUTDOWN_SECS = 0.1
"""How long to wait for open responses at the end; for 0, aiohttp would wait forever."""


class ServedPages:
    """The addresses of the pages of an archive.

    Args:
        access: Decides who can read the pages.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    @property
    def url(self) -> str:
        """The first URL to open in a browser. It contains a secret, which gives access to the archive."""
        return self._access.build_url()

    def build_single_use_url(self) -> str:
        """Return a URL like `url` that works once.

        Other users of the machine can see the arguments of a command, so use this one to start a browser.
        """
        return self._access.build_url(single_use=True)


@asynccontextmanager
async def serve_archive(path: ArchivePath | PostgresUrl, *, port: int = 0) -> AsyncIterator[ServedPages]:
    """Serve web pages that list, search, show and play the conversations of an archive.

    Only programs on this machine can connect, and only those that know the secret in the URL get an answer. The pages
    cannot change the archive. When the block ends, open connections are closed.

    Args:
        path: The archive's file, or the URL of its database.
        port: The port of 127.0.0.1 to listen on; 0 (default) selects a free one.

    Raises:
        ArchiveError: The archive does not exist, is not one, has another version, or cannot be reached.
        OSError: The server cannot listen on the port, for example because it is in use.
    """
    async with ArchiveConnection.open(path) as archive:
        access = Access()
        _logger.addFilter(_is_about_server)
        runner = web.AppRunner(
            build_app(archive, access), logger=_logger, access_log=None, shutdown_timeout=_SHUTDOWN_SECS
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port, reuse_address=True).start()
            access.port = runner.addresses[0][1]
            yield ServedPages(access)
        finally:
            await runner.cleanup()


def _is_about_server(record: logging.LogRecord) -> bool:
    """Return False for a request that is not HTTP: aiohttp quotes it, with its token or cookie."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)
