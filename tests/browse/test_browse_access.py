"""Who gets an answer."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, CookieJar
from browse_client import open_browser
from yarl import URL

from convai_async.browse import serve_archive

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["browse_fixtures"]


async def test_first_url_sets_a_strict_cookie_and_redirects_to_the_clean_url(harvested_once: Path) -> None:
    async with serve_archive(harvested_once) as pages, ClientSession() as session:
        url = URL(pages.url)
        response = await session.get(url.update_query(result="failure"), allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (303, f"{url.origin()}/?result=failure")
        cookie = response.headers["Set-Cookie"]
        assert cookie.startswith(f"convai_browse_{url.port}=")
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert url.query["token"] not in cookie


@pytest.mark.parametrize("path", ["//evil.example/", "////evil.example/a%2Fb", "/%5C/evil.example", "/\\evil.example"])
async def test_redirect_stays_on_this_server(harvested_once: Path, path: str) -> None:
    async with serve_archive(harvested_once) as pages:
        url = URL(pages.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        request = (
            f"GET {path}?{url.raw_query_string} HTTP/1.1\r\nHost: 127.0.0.1:{url.port}\r\nConnection: close\r\n\r\n"
        )
        writer.write(request.encode())
        response = (await reader.read()).decode()
        writer.close()
    assert " 303 " in response
    assert f"\nLocation: {url.origin()}/" in response


async def test_single_use_url_works_once_and_the_other_one_again(harvested_once: Path) -> None:
    async with serve_archive(harvested_once) as pages, ClientSession() as session:
        once = pages.build_single_use_url()
        statuses = [
            (await session.get(url, allow_redirects=False)).status for url in (once, once, pages.url, pages.url)
        ]
        assert statuses == [303, 403, 303, 303]


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=%E2%82%AC", "?token=%ED%A0%80"])
async def test_request_without_the_secret_is_refused_without_naming_the_archive(
    harvested_once: Path, query: str
) -> None:
    async with serve_archive(harvested_once) as pages, ClientSession() as session:
        for path in ("/", "/conversations/x", "/conversations/x/recording", "/nothing"):
            response = await session.get(URL(f"{URL(pages.url).origin()}{path}{query}", encoded=True))
            assert response.status == 403
            assert "calls.db" not in await response.text()


async def test_cookie_of_another_server_is_refused(harvested_once: Path) -> None:
    async with (
        serve_archive(harvested_once) as first,
        serve_archive(harvested_once) as second,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as session,
    ):
        await session.get(first.url)
        assert (await session.get(URL(second.url).origin())).status == 403
        await session.get(second.url)
        assert (await session.get(URL(first.url).origin())).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Origin": "https://example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "example.com"}, 421),
        ({"Host": "localhost"}, 421),
        ({"Host": "127.0.0.1"}, 421),
    ],
    ids=str,
)
async def test_request_from_elsewhere_is_refused(harvested_once: Path, headers: dict[str, str], status: int) -> None:
    async with open_browser(harvested_once) as browser:
        assert (await browser.get("/", **headers)).status == status
        own = {"Origin": str(browser.url.origin())}
        assert (await browser.get("/", **own)).status == 200


async def test_refused_link_from_another_page_can_be_followed_from_here(harvested_once: Path) -> None:
    async with open_browser(harvested_once) as browser:
        response = await browser.get("//evil.example/%22%3E?q=a", Sec_Fetch_Site="cross-site")
        link = re.search(r'<a href="([^"]+)">Try again', await response.text())
        assert response.status == 403
        assert link is not None
        assert link[1].startswith(f"{browser.url.origin()}/")


@pytest.mark.parametrize("path", ["/", "/static/browse.js", "/conversations/none", "/conversations/none/recording"])
async def test_every_response_has_the_security_headers(harvested_once: Path, path: str) -> None:
    async with open_browser(harvested_once) as browser:
        for response in (await browser.get(path), await browser.get(path, Host="example.com")):
            assert response.headers["Content-Security-Policy"].split("; ") == [
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self'",
                "media-src 'self'",
                "form-action 'self'",
                "frame-ancestors 'none'",
                "base-uri 'none'",
            ]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            is_static = response.status == 200 and "static" in path
            assert response.headers["Cache-Control"] == ("no-cache" if is_static else "no-store")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_only_get_and_head_are_allowed(harvested_once: Path, method: str) -> None:
    async with open_browser(harvested_once) as browser:
        response = await browser.get("/", method=method)
        assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")
        head = await browser.get("/", method="HEAD")
        assert (head.status, await head.read()) == (200, b"")


async def test_server_listens_on_the_loopback_address_only(harvested_once: Path) -> None:
    async with open_browser(harvested_once) as browser:
        for address in ("127.0.0.2", "::1"):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, browser.url.port or 0)).close()


@pytest.mark.parametrize("path", ["/static/../_app.py", "/static/%2e%2e/_app.py", "/static/..%2f_app.py", "/nothing"])
async def test_path_without_a_page_is_not_found(harvested_once: Path, path: str) -> None:
    async with open_browser(harvested_once) as browser:
        assert "There is no such page." in await browser.read(path, 404)


async def test_request_that_is_not_http_is_not_logged_with_its_cookie(
    harvested_once: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve_archive(harvested_once) as pages:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(pages.url).port)
        writer.write(b"GET / HTTP/1.1\nCookie: secret\n\n")
        assert b"400 Bad Request" in await reader.read()
        writer.close()
    assert "secret" not in caplog.text
