"""The page in a browser: each view, both languages and themes, by keyboard, and without a request to anybody else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Request, expect
from playwright.sync_api import Page as Tab

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from tests.support.browser import running_browser
from tests.support.page_data import MANY, MARKUP
from tests.support.running_page import NO_CLICKHOUSE, Page, running_page
from tests.support.touchpoints import MONDAY

pytestmark = [pytest.mark.stack, pytest.mark.browser]

VIEWS = ("overview", "frictions", "timeline", "pipeline")
BASICS = (Path(__file__).parent / "basics.js").read_text(encoding="utf-8")
#: A machine that is busy with other tests may take so long to draw a view.
SOON_MS = 30_000
expect.set_options(timeout=SOON_MS)


class Watched:
    """A tab, what it asked for, and what it complained of."""

    def __init__(self, tab: Tab, page: Page) -> None:
        self.tab = tab
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        tab.set_default_timeout(SOON_MS)
        tab.on("request", self._asked)
        tab.on("console", self._said)
        tab.on("pageerror", self._failed)

    def open(self, hash_: str) -> None:
        self.tab.goto(f"{self.page.url}/{hash_}")
        self.settle()

    def settle(self) -> None:
        """Wait until everything that is to be seen is there."""
        expect(self.tab.locator("main h1")).to_be_visible()
        expect(self.tab.locator("[aria-busy=true]")).to_have_count(0)

    def titles(self) -> list[str]:
        return self.tab.locator("main h2").all_inner_texts()

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _failed(self, error: Error) -> None:
        self.complaints.append(str(error))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-GB", color_scheme="light", viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def watched(context: BrowserContext, page: Page) -> Iterator[Watched]:
    """A tab over the company. It complains of nothing, and asks nobody but the page."""
    watched = Watched(context.new_page(), page)
    yield watched
    assert watched.complaints == []
    assert watched.requests
    assert [url for url in watched.requests if not url.startswith(f"{page.url}/")] == []


@pytest.fixture(scope="module")
def person(page: Page) -> str:
    """Somebody who was sent to another channel."""
    return str(page.ask("frictions", rule="channel_redirect", order="severity", limit=1).records[0]["person_key"])


def basics(tab: Tab) -> list[str]:
    """What a reader with a keyboard, a screen reader or tired eyes would stumble over."""
    found: list[str] = tab.evaluate(BASICS)
    return found


def test_the_overview_shows_causes_days_redirects_and_paths(watched: Watched, page: Page) -> None:
    watched.open("#/overview?days=0")
    tab = watched.tab
    causes = page.ask("causes").records
    bars = tab.locator("table.bars tbody tr")
    expect(bars).to_have_count(len(causes))
    minutes = [float(text.replace(",", "")) for text in bars.locator("td.strong").all_text_contents()]
    assert minutes == sorted(minutes, reverse=True)
    assert minutes[0] == round(causes[0]["minutes"])
    redirects = page.ask("redirects").records
    expect(tab.locator("table.matrix td a")).to_have_count(len(redirects))
    paths = page.ask("paths").records
    expect(tab.locator("svg.sankey path.ribbon")).to_have_count(len(paths))
    names = set(tab.locator("svg.sankey .node-name").all_text_contents())
    assert any(re.match(r"\D+ 1\s?\d", name) for name in names)
    assert any(re.match(r"\D+ 2\s?\d", name) for name in names)
    drawn = tab.locator("svg.trend rect.column")
    expect(drawn).to_have_count(len([day for day in page.ask("trend").records if day["minutes"] > 0]))


def test_a_cause_leads_to_its_frictions(watched: Watched, page: Page) -> None:
    watched.open("#/overview?days=0")
    watched.tab.get_by_role("link", name="Sent to another channel").click()
    watched.settle()
    assert watched.tab.evaluate("location.hash") == "#/frictions?rule=channel_redirect&days=0"
    found = page.ask("friction_sums", rule="channel_redirect").records[0]["frictions"]
    expect(watched.tab.locator("section .note")).to_contain_text(f"{found} frictions of ")
    expect(watched.tab.locator("select[name=rule]")).to_have_value("channel_redirect")


def test_frictions_are_filtered_in_the_url_and_the_history_goes_back(watched: Watched, page: Page) -> None:
    watched.open("#/frictions?days=0")
    tab = watched.tab
    tab.select_option("select[name=severity]", "5")
    watched.settle()
    severe = page.ask("friction_sums", severity=5).records[0]["frictions"]
    expect(tab.locator("section .note")).to_contain_text(f"{severe} friction")
    word = page.ask("frictions", severity=5, limit=1).records[0]["sentence_en"].split()[-1].strip(".")
    tab.locator("input[name=text]").fill(word)
    expect(tab).to_have_url(re.compile(rf"#/frictions\?severity=5&text={word}&days=0$"))
    watched.settle()
    expect(tab.locator("input[name=text]")).to_be_focused()
    left = page.ask("friction_sums", severity=5, text=word).records[0]["frictions"]
    expect(tab.locator("table.frictions tbody tr:not(.why-row)")).to_have_count(min(left, 50))
    tab.go_back()
    watched.settle()
    expect(tab.locator("section .note")).to_contain_text(f"{severe} friction")
    tab.get_by_role("link", name="Clear").click()
    watched.settle()
    expect(tab.locator("select[name=severity]")).to_have_value("")


def test_evidence_has_the_nearest_miss_tests_and_touchpoints(watched: Watched, page: Page) -> None:
    watched.open("#/frictions?rule=channel_redirect&days=0")
    tab = watched.tab
    friction = page.ask("frictions", rule="channel_redirect", limit=1).records[0]
    found = page.ask("friction", friction=friction["friction_id"]).records[0]
    why = tab.get_by_role("button", name="Why: ").first
    why.click()
    watched.settle()
    assert why.get_attribute("aria-expanded") == "true"
    evidence = tab.locator(".evidence")
    expect(evidence).to_contain_text(found["nearest_miss"])
    expect(evidence.get_by_role("heading")).to_have_text(
        ["What was tested", "What would have excused it", "How severe, and why", "Touchpoints that prove it"]
    )
    expect(evidence.locator("code").first).to_contain_text("default/")
    why.click()
    expect(evidence).to_be_hidden()


def test_the_query_behind_a_view_is_shown_with_its_parameters(watched: Watched) -> None:
    watched.open("#/overview?days=7")
    tab = watched.tab
    tab.get_by_role("button", name="SQL: Minutes lost, by cause").click()
    dialog = tab.get_by_role("dialog", name="The query behind it")
    text = dialog.locator("pre").inner_text()
    assert text.startswith("-- Customer minutes lost by cause")
    assert "SET param_days = 7;" in text
    assert "FROM v_effort_postings" in text
    assert "param_days=7" in (dialog.get_by_role("link", name="Open in ClickHouse").get_attribute("href") or "")
    assert dialog.get_by_role("link", name="CSV, all rows").get_attribute("href") == "csv/causes?days=7"
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog.get_by_role("button", name="Copy").click()
    expect(dialog.get_by_role("status")).to_have_text("copied")
    assert tab.evaluate("navigator.clipboard.readText()") == text


def test_the_link_to_clickhouse_asks_the_same_question_whatever_was_typed(
    watched: Watched, company: ClickHouseAddress
) -> None:
    typed = r"O'Neil\n 5 % of {it}"
    client = connect(company)
    client.execute(_HOSTILE, [("default", "f" * 32, "loop", "f" * 32, 3, MONDAY, typed, typed, 1)])
    client.disconnect()
    watched.open(f"#/frictions?{urlencode({'days': 0, 'text': typed})}")
    tab = watched.tab
    expect(tab.locator("table.frictions .what p").first).to_have_text(typed)
    tab.get_by_role("button", name="SQL: What happened").click()
    dialog = tab.get_by_role("dialog")
    assert r"SET param_text = 'O\'Neil\\\\n 5 % of {it}';" in dialog.locator("pre").inner_text()
    link = dialog.get_by_role("link", name="Open in ClickHouse").get_attribute("href") or ""
    with urlopen(link.replace("PrettyCompactMonoBlock", "JSONEachRow")) as answer:  # noqa: S310 - ours, on loopback
        (row,) = answer.read().splitlines()
    assert json.loads(row)["sentence_en"] == typed


_HOSTILE = """
INSERT INTO frictions (tenant, friction_id, rule_id, person_key, severity, anchor_at, sentence_en, sentence_de, version)
VALUES
"""


def test_a_timeline_opens_from_a_friction_and_marks_it_with_why(watched: Watched, page: Page) -> None:
    watched.open("#/frictions?rule=channel_redirect&days=0")
    tab = watched.tab
    tab.get_by_role("link", name="Timeline of person").first.click()
    watched.settle()
    person = page.ask("frictions", rule="channel_redirect", limit=1).records[0]["person_key"]
    expect(tab.locator("h2 code")).to_have_text(person)
    expect(tab.locator(".found details[open] .evidence")).to_contain_text("Nearest miss")
    frictions = page.ask("person_frictions", person=person).records
    flags = " ".join(tab.locator("svg .friction-flag text").all_text_contents()).split()
    assert sorted(map(int, flags)) == list(range(1, len(frictions) + 1))


def test_lanes_are_channels_and_waits_are_to_scale(watched: Watched, page: Page) -> None:
    journey = page.ask("frictions", rule="repeat_contact", order="minutes", limit=1).records[0]
    watched.open(f"#/timeline/{journey['person_key']}?days=0")
    tab = watched.tab
    journeys = page.ask("person_journeys", person=journey["person_key"]).records
    number = next(i for i, each in enumerate(journeys, 1) if each["journey_id"] == journey["journey_id"])
    box = tab.locator(f"section[aria-labelledby=journey-{number}]")
    touchpoints = {
        row["touchpoint_key"]: row for row in page.ask("person_touchpoints", person=journey["person_key"]).records
    }
    channels = {touchpoints[key]["channel"] for key in journeys[number - 1]["touchpoint_keys"]}
    expect(box.locator("svg.lanes rect.lane")).to_have_count(len(channels))
    gaps = box.locator("svg.lanes .gap")
    shown = [
        (_minutes(gap.locator("title").text_content() or ""), float(gap.locator("rect").get_attribute("width") or 0))
        for gap in gaps.all()
    ]
    assert shown, "somebody who has to ask again has waited"
    longest = max(shown)
    for minutes, width in shown:
        assert width == pytest.approx(longest[1] * minutes / longest[0], rel=0.05, abs=2)
    tab.get_by_role("link", name="even steps").click()
    watched.settle()
    expect(tab).to_have_url(re.compile("scale=even"))
    widths = {round(float(gap.locator("rect").get_attribute("width") or 0)) for gap in gaps.all()}
    assert max(widths) - min(widths) <= 1


def _minutes(text: str) -> int:
    sizes = {"d": 1440, "h": 60, "min": 1}
    return sum(int(number) * sizes[unit] for number, unit in re.findall(r"(\d+) (d|h|min)\b", text))


def test_a_timeline_opens_by_key_and_a_wrong_key_is_told(watched: Watched, person: str) -> None:
    watched.open("#/timeline")
    tab = watched.tab
    key = tab.get_by_role("searchbox", name="Person key")
    key.fill("4711")
    key.press("Enter")
    expect(tab.locator("#person-hint")).to_contain_text("this has 4 characters")
    key.fill(f" {person.upper()} ")
    key.press("Enter")
    watched.settle()
    expect(tab.locator("h2 code")).to_have_text(person)
    watched.open("#/timeline/" + "f" * 32)
    expect(tab.locator("main")).to_contain_text("journeys wait tells when everything can be queried")


def test_the_pipeline_shows_partitions_sources_and_dead_letters(watched: Watched, page: Page) -> None:
    watched.open("#/pipeline?days=0")
    assert watched.titles() == [
        "What there is",
        "How far each partition is",
        "Sources, and how late they are",
        "Dead letters, by reason",
    ]
    for question in ("checkpoints", "producers", "dead_letters"):
        rows = watched.tab.locator(f"section[data-question={question}] tbody tr")
        expect(rows).to_have_count(len(page.ask(question).records))


def test_the_period_holds_on_every_view_and_in_shared_links(watched: Watched) -> None:
    watched.open("#/overview")
    tab = watched.tab
    tab.get_by_role("link", name="7 days").click()
    watched.settle()
    expect(tab.locator(".period")).to_contain_text("7 days up to ")
    for view in VIEWS:
        tab.locator(f"nav a[href*='{view}']").first.click()
        watched.settle()
        expect(tab).to_have_url(re.compile(rf"#/{view}\?days=7$"))
        expect(tab.locator(".periods [aria-current]").first).to_have_text("7 days")
        assert any(re.search(r"/api/\w+\?.*days=7", url) for url in watched.requests) or view == "pipeline"


def test_the_whole_page_speaks_german_and_remembers_it(watched: Watched, page: Page) -> None:
    watched.open("#/frictions?days=0")
    tab = watched.tab
    tab.locator("select[name=language]").focus()
    tab.select_option("select[name=language]", "de")
    watched.settle()
    assert tab.locator("html").get_attribute("lang") == "de"
    expect(tab.locator("h1")).to_have_text("Reibungen mit Belegen")
    expect(tab.locator("select[name=language]")).to_be_focused()
    friction = page.ask("frictions", limit=1).records[0]
    expect(tab.locator("table.frictions .what p").first).to_have_text(friction["sentence_de"])
    for view in VIEWS:
        watched.open(f"#/{view}?days=0")
        text = tab.locator("body").inner_text()
        assert re.search(r"\b(Überblick|Zeitraum|Wo Kunden|Verlauf)\b", text)
        assert not re.search(r"\b(the|and|touchpoints of|Show as table|minutes lost)\b", _without_code(tab, text)), view


def _without_code(tab: Tab, text: str) -> str:
    """The text without what the data says in English: reasons and examples of dead letters."""
    for part in tab.locator("code, td").all_inner_texts():
        text = text.replace(part, "")
    return text


def test_a_theme_is_chosen_and_remembered(watched: Watched) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    watched.open("#/overview")
    tab = watched.tab
    light = tab.evaluate(ground)
    tab.emulate_media(color_scheme="dark")
    dark = tab.evaluate(ground)
    assert dark != light
    tab.select_option("select[name=theme]", "light")
    assert tab.evaluate(ground) == light
    tab.reload()
    watched.settle()
    assert tab.evaluate(ground) == light
    tab.select_option("select[name=theme]", "system")
    assert tab.evaluate(ground) == dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_names_landmarks_headers_and_contrast_hold_on_every_view(watched: Watched, person: str, scheme: Any) -> None:
    watched.tab.emulate_media(color_scheme=scheme)
    for view in (*VIEWS, f"timeline/{person}"):
        watched.open(f"#/{view}?days=0")
        if view == "frictions":
            watched.tab.get_by_role("button", name="Why: ").first.click()
            watched.settle()
        assert basics(watched.tab) == [], view
    watched.tab.get_by_role("button", name=re.compile("^SQL")).first.click()
    assert basics(watched.tab) == []


def test_a_phone_has_everything_without_scrolling_sideways(watched: Watched, person: str) -> None:
    watched.tab.set_viewport_size({"width": 360, "height": 740})
    for view in (*VIEWS, f"timeline/{person}"):
        watched.open(f"#/{view}?days=0")
        assert watched.tab.evaluate("document.documentElement.scrollWidth") <= 360, view
        assert basics(watched.tab) == [], view
    watched.open("#/frictions?days=0")
    expect(watched.tab.get_by_role("cell").first).to_be_visible()


def test_views_ask_without_waiting_for_how_far_the_data_reaches(watched: Watched) -> None:
    tab = watched.tab
    tab.add_init_script(_HOLD_SPAN)
    tab.goto(f"{watched.page.url}/#/overview?days=0")
    expect(tab.locator("[data-question=causes] table.bars")).to_be_visible()
    expect(tab.locator("[data-question=trend]")).to_have_attribute("aria-busy", "true")
    tab.evaluate("held.splice(0).forEach((go) => go())")
    watched.settle()
    expect(tab.locator("svg.trend")).to_be_visible()
    expect(tab.locator(".period")).to_contain_text(" to ")


#: Held in the page itself: a request that is caught on its way switches the cache off, of which Chromium complains.
_HOLD_SPAN = """
window.held = [];
window.fetch = ((ask) => (path, ...rest) =>
    path === "api/span" ? new Promise((go) => held.push(() => go(ask(path, ...rest)))) : ask(path, ...rest)
)(window.fetch);
"""


def test_a_notebook_has_the_header_in_one_line_and_the_days_as_tall_as_the_causes(watched: Watched) -> None:
    tab = watched.tab
    tab.set_viewport_size({"width": 1180, "height": 800})
    watched.open("#/overview?days=0")
    tab.select_option("select[name=language]", "de")
    watched.settle()
    tops = tab.evaluate("['#views', '#tools'].map((id) => { const box = document.querySelector(id)"
                        ".getBoundingClientRect(); return box.top + box.height / 2; })")  # fmt: skip
    assert tops[0] == pytest.approx(tops[1], abs=2)
    causes, days = (tab.locator(f"[data-question={name}]").bounding_box() for name in ("causes", "trend"))
    drawn = tab.locator("svg.trend").bounding_box()
    assert causes is not None
    assert days is not None
    assert drawn is not None
    assert causes["height"] == days["height"]
    assert drawn["height"] >= min(days["height"] - 200, 470)
    facts = {fact["y"] for each in tab.locator(".fact dd").all() if (fact := each.bounding_box())}
    assert len(facts) == 1
    tab.locator(".source button").first.click()
    query = tab.locator("dialog pre")
    assert query.evaluate("pre => pre.scrollWidth <= pre.clientWidth")


def test_everything_can_be_done_from_the_keyboard(watched: Watched) -> None:
    watched.open("#/overview?days=0")
    tab = watched.tab
    _press(tab, "Tab")
    expect(tab.get_by_role("link", name="Skip to content")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.locator("main")).to_be_focused()
    assert tab.evaluate("location.hash") == "#/overview?days=0"

    trend = tab.locator("svg.trend")
    trend.focus()
    before = tab.locator(".readout").inner_text()
    tab.keyboard.press("End")
    last = tab.locator(".readout").inner_text()
    tab.keyboard.press("ArrowLeft")
    assert len({before, last, tab.locator(".readout").inner_text()}) >= 2

    _walk_to(tab, tab.get_by_role("button", name="SQL: Who is sent where"))
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("dialog")).to_be_visible()
    _press(tab, "Tab")
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("dialog")).to_be_hidden()
    expect(tab.get_by_role("button", name="SQL: Who is sent where")).to_be_focused()

    tab.locator("#skip").focus()
    _walk_to(tab, tab.get_by_role("link", name="Frictions", exact=True))
    tab.keyboard.press("Enter")
    watched.settle()
    expect(tab.locator("main")).to_be_focused()
    _walk_to(tab, tab.get_by_role("button", name="Why: ").first)
    tab.keyboard.press("Enter")
    watched.settle()
    expect(tab.locator(".evidence")).to_be_visible()
    tab.locator("#skip").focus()
    _walk_to(tab, tab.get_by_role("link", name="Timeline of person").first)
    tab.keyboard.press("Enter")
    watched.settle()
    expect(tab.locator("svg.lanes").first).to_be_visible()


def _press(tab: Tab, key: str) -> None:
    """Press a key, and check that what has the focus then shows it."""
    tab.keyboard.press(key)
    ring = tab.evaluate(
        "(() => { const style = getComputedStyle(document.activeElement);"
        " return [document.activeElement.tagName, style.outlineStyle, parseFloat(style.outlineWidth)]; })()"
    )
    assert ring[0] == "BODY" or (ring[1] != "none" and ring[2] >= 2), ring


def _walk_to(tab: Tab, wanted: Locator) -> None:
    """Press Tab until something has the focus."""
    for _ in range(150):
        _press(tab, "Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not get to {wanted}")


def test_empty_tables_say_what_to_do(context: BrowserContext, empty_page: Page) -> None:
    watched = Watched(context.new_page(), empty_page)
    for view in ("overview", "frictions", "timeline"):
        watched.open(f"#/{view}")
        main = watched.tab.locator("main")
        expect(main).to_contain_text("Nothing has arrived yet")
        for command in ("journeys generate", "journeys produce", "journeys demo"):
            expect(main).to_contain_text(command)
        assert basics(watched.tab) == []
    watched.open("#/pipeline")
    expect(watched.tab.locator("main")).to_contain_text("None: everything that was sent could be read.")
    assert watched.complaints == []


def test_50000_frictions_come_fifty_at_a_time_and_markup_stays_text(context: BrowserContext, full_page: Page) -> None:
    watched = Watched(context.new_page(), full_page)
    watched.open("#/frictions?days=0")
    tab = watched.tab
    rows = tab.locator("table.frictions tbody tr:not(.why-row)")
    expect(rows).to_have_count(50)
    expect(tab.locator("section .note")).to_contain_text(f"{MANY:,} frictions of 1 person")
    expect(tab.locator("table.frictions .what p").first).to_have_text(MARKUP)
    expect(tab.locator("main img")).to_have_count(0)
    tab.get_by_role("link", name="Next").click()
    watched.settle()
    expect(tab.get_by_role("navigation", name="Pages")).to_contain_text("51 to 100 of 50,000")
    watched.open("#/frictions?days=0&page=1000")
    expect(tab.get_by_role("navigation", name="Pages")).to_contain_text("49,951 to 50,000 of 50,000")
    expect(rows).to_have_count(50)
    expect(tab.get_by_role("link", name="Next")).to_have_count(0)
    watched.open("#/overview?days=0")
    assert watched.complaints == []


def test_a_clickhouse_that_is_away_is_told_and_asked_again_on_request(context: BrowserContext) -> None:
    with running_page(NO_CLICKHOUSE) as lost:
        watched = Watched(context.new_page(), lost)
        watched.open("#/overview")
        alert = watched.tab.get_by_role("alert")
        expect(alert).to_contain_text("ClickHouse does not answer")
        expect(alert).to_contain_text("journeys status")
        asked = len(watched.requests)
        alert.get_by_role("button", name="Try again").click()
        expect(watched.tab.get_by_role("alert")).to_contain_text("ClickHouse does not answer")
        assert len(watched.requests) > asked
    watched.tab.get_by_role("link", name="Frictions").click()
    expect(watched.tab.get_by_role("alert")).to_contain_text("The page's own server does not answer any more.")
