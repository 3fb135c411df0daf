"""The page of a report, also in Chromium."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from report_archives import DAY, HOSTILE, START, build_document, write_archive

from convai_async.errors import InvalidArgumentError
from convai_async.report import Report, build_report
from convai_async.report._definitions import TABLES
from convai_async.report._html import build_link

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytest_plugins = ["browser"]

POLICY = re.compile(
    r"default-src 'none'; script-src 'sha256-[\w+/]{43}=' 'sha256-[\w+/]{43}=';"
    r" style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'"
)

INJECT = """new Promise((done) => {
    document.addEventListener("securitypolicyviolation", (violation) => done(violation.effectiveDirective));
    const script = document.createElement("script");
    script.textContent = "window.pwned = 2";
    document.body.append(script);
})"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with two agents and six days, whose texts are hostile."""
    calls = [
        build_document(
            f"conv_{number}",
            agent=HOSTILE if number % 3 else "Billing",
            start=START + number % 6 * DAY,
            seconds=20 + 37 * number,
            outcome=["success", "failure", "unknown"][number % 3 - 1],
            rating=1 + number % 5,
            likes=number % 2,
            comment=HOSTILE if number == 7 else None,
            title=HOSTILE,
            ending=HOSTILE if number % 2 else "Silence timeout",
            error=HOSTILE if number == 5 else None,
            language="de" if number % 4 else HOSTILE,
            latency=0.2 + number / 9,
            tool=HOSTILE if number % 2 else "find_order",
            tool_fails=number % 5 == 0,
            criteria={"polite": "success", HOSTILE: "failure" if number % 4 else "unknown"},
            collected={HOSTILE: HOSTILE, "reason": "refund"},
            model=HOSTILE if number % 2 else "gpt-4o-mini",
            dollars=number / 7,
        )
        for number in range(24)
    ]
    return write_archive(tmp_path_factory.mktemp("report") / "calls.db", *calls)


@pytest.fixture(scope="module")
def html(archive: Path) -> str:
    return build_report(archive).to_html()


class OpenedPage:
    """A page of a report that is open in a browser.

    Attributes:
        page: The page in the browser.
        problems: Errors, refused requests and violations of the policy.
        requests: The addresses that it requested.
    """

    def __init__(self, page: Page, path: Path, html: str) -> None:
        self.page = page
        self.problems: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        path.write_text(html)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-rendered]")

    def read_tables(self) -> dict[str, list[list[str]]]:
        """Return the text of all tables with numbers, in any order of the rows."""
        script = """() => Object.fromEntries([...document.querySelectorAll("[data-table]")].map((table) => [
            table.dataset.table,
            [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent)),
        ]))"""
        tables: dict[str, list[list[str]]] = self.page.evaluate(script)
        return {name: sorted(rows) for name, rows in tables.items()}

    def read_figures(self) -> dict[str, str]:
        script = """() => Object.fromEntries([...document.querySelectorAll("[data-figure]")].map((figure) =>
            [figure.dataset.figure, figure.textContent]))"""
        figures: dict[str, str] = self.page.evaluate(script)
        return figures

    def select(self, **values: str) -> None:
        """Select days or an agent, and wait until the page shows them."""
        for control, label in values.items():
            before = int(self.page.locator("html").get_attribute("data-rendered") or 0)
            self.page.locator(f"#{control}").select_option(label=label)
            self.page.wait_for_selector(f"html[data-rendered='{before + 1}']")


@pytest.fixture
def opened(browser_page: Page, tmp_path: Path, html: str) -> OpenedPage:
    return OpenedPage(browser_page, tmp_path / "report.html", html)


def read_data(html: str) -> str:
    """Return the JSON in a page."""
    return html.partition('<script type="application/json" id="report">')[2].partition("</script>")[0]


def assert_shows(opened: OpenedPage, report: Report, *, without: str) -> None:
    """Check that the page shows the numbers of a report; the table where the selection is made keeps its own."""
    tables = {name: sorted(table.texts) for name, table in report.tables.items() if name != without}
    shown = {name: rows for name, rows in opened.read_tables().items() if name != without}
    assert shown == tables
    assert opened.read_figures() == {name: each.text for name, each in report.figures.items()}


def test_page_shows_the_report_without_requests_and_injected_scripts(opened: OpenedPage, archive: Path) -> None:
    report = build_report(archive)
    assert opened.requests == [opened.page.url]
    assert opened.problems == []
    assert opened.page.evaluate("window.pwned") is None
    assert opened.page.locator("img").count() == 0
    assert opened.page.locator(".chart svg").count() == 15
    charts = "[role=graphics-document][aria-label$='The table below has the numbers.']"
    assert opened.page.locator(charts).count() == 15
    assert_shows(opened, report, without="")
    opened.page.locator("[data-chart=endings] .mark-rect.role-mark path").first.hover()
    assert HOSTILE[:79] in opened.page.locator("#tooltip").inner_text()
    assert opened.page.evaluate(INJECT) == "script-src-elem"
    assert opened.page.evaluate("window.pwned") is None


def test_selection_shows_the_numbers_of_the_agent_or_the_days(opened: OpenedPage, archive: Path) -> None:
    everything = opened.read_tables()
    opened.select(agent="Billing")
    assert_shows(opened, build_report(archive, agent_id="agent_Billing"), without="agents")
    assert opened.page.locator("#worst-list tr:visible").count() == 1 + len(
        [each for each in build_report(archive).calls.worst if each.cell % 2 == 1]
    )
    opened.select(agent="all")
    assert opened.read_tables() == everything
    opened.select(**{"from": "2026-09-23", "to": "2026-09-24"})
    days = START // DAY * DAY
    some = build_report(archive, since=days + 2 * DAY, until=days + 4 * DAY)
    assert_shows(opened, some, without="volume")
    assert opened.page.locator("#shown").inner_text() == "Showing 2026-09-23 to 2026-09-24, all agents."
    opened.page.locator("#reset").click()
    opened.page.wait_for_selector("#reset:disabled")
    assert opened.read_tables() == everything


def test_brush_and_click_select_days_and_an_agent(opened: OpenedPage) -> None:
    page = opened.page
    box = page.locator("[data-chart=volume] .mark-group.role-frame .background").first.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.49, middle, steps=3)
    page.mouse.up()
    page.locator("#shown", has_text="2026-09-21 to 2026-09-23, all agents").wait_for()
    page.locator("[data-chart=agents] path[aria-label*=Billing]").click()
    page.locator("#shown", has_text="2026-09-21 to 2026-09-23, Billing").wait_for()
    assert opened.read_figures()["calls"] == "4"
    assert opened.problems == []


def test_page_is_readable_without_scripts_and_by_screen_readers(html: str, archive: Path) -> None:
    assert POLICY.search(html)
    assert html.count("<script") == 3
    assert HOSTILE not in html
    assert html.split("<script", maxsplit=1)[0].count("<table") == len(TABLES) + 4
    for name, definition in TABLES.items():
        assert f'<h2 id="{name}-title">{definition.title}</h2>' in html
    data = json.loads(html.split('<script type="application/json" id="report">')[1].split("</script>", maxsplit=1)[0])
    assert f"{HOSTILE[:79]}…" in data["agents"]
    assert all("description" in each["spec"] for each in data["charts"].values())


def test_sections_without_data_say_so(browser_page: Page, tmp_path: Path) -> None:
    document = build_document("conv_1", outcome=None, seconds=None, title=None, credits_=None, dollars=None)
    document["transcript"] = document["transcript"][:1]
    report = build_report(write_archive(tmp_path / "calls.db", document), days=1, compare="previous")
    opened = OpenedPage(browser_page, tmp_path / "report.html", report.to_html())
    assert opened.page.locator("section", has_text="Latency by stage").locator(".none").inner_text() == ("No data.")
    assert opened.page.locator("section", has_text="Worst calls").get_by_text("No calls.").is_visible()
    assert opened.problems == []


def test_page_of_a_comparison_shows_the_changes(tmp_path: Path) -> None:
    calls = [build_document("b", start=START - DAY, rating=4), build_document("n", rating=5)]
    page = build_report(write_archive(tmp_path / "calls.db", *calls), days=1, compare="previous").to_html()
    assert '<dd data-change class="better">+1.00</dd>' in page
    assert "Changes are from the previous period of the same length." in page


@pytest.mark.parametrize(
    ("source", "conversation_id", "link"),
    [
        ("https://api.elevenlabs.io", "conv_1", "https://elevenlabs.io/app/agents/history/conv_1"),
        ("https://api.us.elevenlabs.io", "conv_1", "https://elevenlabs.io/app/agents/history/conv_1"),
        ("https://api.eu.residency.elevenlabs.io", "a/../b?", "https://eu.residency.elevenlabs.io/app/agents/history/a%2F..%2Fb%3F"),
        ("sandbox:200", "conv_1", None),
        ("http://127.0.0.1:8080", "conv_1", None),
    ],
)  # fmt: skip
def test_calls_link_to_the_dashboard_of_their_region(source: str, conversation_id: str, link: str | None) -> None:
    assert build_link(source, conversation_id) == link


def test_page_of_another_service_has_no_links(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "calls.db", build_document("conv_1"), source="sandbox:1")
    assert "<a " not in build_report(path).to_html()


def test_file_is_never_overwritten_unless_requested(tmp_path: Path) -> None:
    report = build_report(write_archive(tmp_path / "calls.db", build_document("conv_1")))
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(InvalidArgumentError, match="exists already"):
        report.write_html(path)
    with pytest.raises(InvalidArgumentError, match="exists already"):
        report.write_html(tmp_path, overwrite=True)
    with pytest.raises(InvalidArgumentError, match="does not exist"):
        report.write_html(tmp_path / "none" / "report.html")
    (tmp_path / "link.db").symlink_to("calls.db")
    for name in ("calls.db", "link.db"):
        with pytest.raises(InvalidArgumentError, match="is the archive itself"):
            report.write_html(tmp_path / name, overwrite=True)
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "conv_1.mp3").touch()
    for name in ("calls.db-wal", "calls.db-shm", "calls.db-journal", "calls.db.lock", "audio/conv_1.mp3"):
        with pytest.raises(InvalidArgumentError, match="belongs to the archive"):
            report.write_html(tmp_path / name, overwrite=True)
    assert path.read_text() == "mine"
    report.write_html(path, overwrite=True)
    assert path.read_text().startswith("<!doctype html>")
    assert path.stat().st_mode & 0o077 == 0


def test_data_of_a_large_report_is_small(tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = [build_document(f"conv_{number}", start=START + number * DAY) for number in range(70)]
    page = build_report(write_archive(tmp_path / "calls.db", *calls)).to_html()
    data = read_data(page)
    assert len(data) < 40_000
    assert json.loads(data)["starts"] == [1_789_948_800 + 7 * DAY * week for week in range(10)]
