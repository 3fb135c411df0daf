"""Chromium, for tests of pages. It is a package of the system: ``apt-get install chromium``."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page


@pytest.fixture
def browser_page() -> Iterator[Page]:
    """A page in headless Chromium; without Chromium, the test fails in CI and is skipped elsewhere."""
    with open_browser_page() as page:
        yield page


@contextmanager
def open_browser_page(*arguments: str) -> Iterator[Page]:
    """Open a page in headless Chromium, which is started with these arguments."""
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "chromium is not installed: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - slow to import

    with sync_playwright() as playwright:
        # Chromium does not start its sandbox as root, as in a container.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", *arguments])
        yield browser.new_page()
        browser.close()
