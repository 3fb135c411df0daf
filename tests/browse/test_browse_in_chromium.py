"""The pages in Chromium."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from archives import rows
from command_line import COMMAND, interrupt, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

pytest_plugins = ["browse_fixtures", "browser"]

HOSTILE = '"><img src=x onerror="document.title=1"><script>document.title=2</script>'
SPOKEN = "#turns > [aria-current]"


@pytest.fixture
def url(archive_copy: Path) -> Iterator[str]:
    """The first URL of an archive with hostile text in the conversation with the most turns."""
    with closing(sqlite3.connect(archive_copy)) as connection, connection:
        longest = f"conversation_id = '{find_longest(archive_copy)}'"
        connection.execute(f"UPDATE conversations SET call_summary_title = ? WHERE {longest}", (HOSTILE,))
        connection.execute(f"UPDATE turns SET message = ? WHERE {longest} AND position = 2", (f"teapot {HOSTILE}",))
        connection.execute("INSERT INTO turns_search (turns_search) VALUES ('rebuild')")
    command = [*COMMAND, "browse", str(archive_copy), "--port", "0", "--no-open"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield read_lines(process, 2)[0].removeprefix("URL: ")
    assert interrupt(process) == (0, "\nstopping\n")  # with the browser's connections open


def find_longest(archive: Path) -> str:
    """Return the id of the conversation with the most turns that has a recording and a result."""
    ((conversation_id,),) = rows(
        archive,
        "SELECT conversation_id FROM conversations JOIN audio USING (conversation_id)"
        " WHERE call_successful = 'success' ORDER BY message_count DESC, conversation_id LIMIT 1",
    )
    return str(conversation_id)


@pytest.fixture
def problems(browser_page: Page) -> list[str]:
    """What the browser complains about: errors of the script, and everything that the security policy blocks."""
    found: list[str] = []
    browser_page.on("console", lambda message: found.append(message.text))
    browser_page.on("pageerror", lambda error: found.append(str(error)))
    return found


def test_person_filters_searches_reads_and_listens(
    url: str, archive_copy: Path, browser_page: Page, problems: list[str]
) -> None:
    page, longest = browser_page, find_longest(archive_copy)
    page.goto(url)
    assert page.url == url.partition("?")[0]
    page.get_by_role("combobox", name="Result", exact=True).select_option("success")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/?result=success")
    page.keyboard.press("/")
    page.keyboard.type("teapot img onerror")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=teapot+img+onerror&result=success")
    assert HOSTILE in page.locator(".hits a").inner_text()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/conversations/{longest}")
    assert page.get_by_role("heading", level=1).inner_text() == HOSTILE
    assert page.locator("#turn-2 .said").inner_text() == f"teapot {HOSTILE}"

    page.locator("#turn-4 .said").click()
    page.wait_for_selector(f"{SPOKEN}#turn-4")
    start = float(page.locator("#turn-4").get_attribute("data-start") or "")
    assert page.evaluate("!audio.paused && audio.duration > 20")
    assert start <= page.evaluate("audio.currentTime") < start + 6
    page.keyboard.press("Space")
    assert page.evaluate("audio.paused")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("audio.currentTime") >= start + 5
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.id") == "turn-5"
    page.keyboard.press("k")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{SPOKEN}#turn-3")
    assert not page.evaluate("audio.paused")

    page.goto(page.url + "#turn-6")
    page.reload()
    assert page.evaluate("audio.currentTime") == float(page.locator("#turn-6").get_attribute("data-start") or "")
    page.locator("#timeline").click(position={"x": 1, "y": 3})
    page.wait_for_function("audio.currentTime < 5")
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keyboard shortcuts").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    page.wait_for_url("**/?q=teapot+img+onerror&result=success")
    assert problems == []


def test_page_fits_a_phone_and_the_skip_link_is_first(url: str, browser_page: Page, problems: list[str]) -> None:
    page = browser_page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(url)
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert not page.locator("[name=agent]").is_visible()
    page.get_by_role("checkbox", name="Filters").check()
    page.get_by_role("combobox", name="Agent", exact=True).select_option("agent_billing")
    page.locator("a.card").first.click()
    page.wait_for_url("**/conversations/*")
    assert page.evaluate(fits)
    assert problems == []
    # A page that found nothing in its time has this link.
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<a data-continue href=\"/?language=xx\">')")
    page.add_script_tag(url="/static/browse.js", type="module")
    page.get_by_text("No conversation matches.").wait_for()
