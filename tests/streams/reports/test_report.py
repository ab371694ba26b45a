"""The report of a week: its numbers are those of the tables, and the page is safe whatever stands in them."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner, Result

from sinks.clickhouse.questions import ask
from sinks.clickhouse.rows import friction_block, journey_block, touchpoint_block
from sinks.clickhouse.writer import Writer
from streams.cli.main import app
from streams.reports.printing import find_browser
from streams.reports.weekly import Cause, NothingToReport, Scope, last_full_week, week_report
from streams.reports.weeks import Week
from tests.support.facts import friction, journey
from tests.support.stored_company import StoredCompany, stored_company
from tests.support.touchpoints import DAY, HOUR, MONDAY, happened

pytestmark = pytest.mark.stack

UTC, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


class Parsed(HTMLParser):
    """Elements, attributes and texts of a page, as a browser sees them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.texts.append(data)
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(self.texts)


class Desk(NamedTuple):
    """The company, and everything that was found about it."""

    company: StoredCompany
    frictions: list[dict[str, Any]]
    folder: Path

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["report", *words, *self.company.options])

    def page(self, *words: str) -> Parsed:
        path = self.folder / "page.html"
        done = self.run("--output", str(path), "--force", "--tenant", "default", *words)
        assert done.exit_code == 0, done.output
        return Parsed(path.read_text(encoding="utf-8"))

    def of_week(self, name: str, zone: ZoneInfo = UTC) -> list[dict[str, Any]]:
        """Frictions of an ISO week, by Python's own calendar."""

        def week(moment: datetime) -> str:
            year, number, _ = moment.astimezone(zone).isocalendar()
            return f"{year}-W{number:02}"

        return [one for one in self.frictions if week(one["anchor_at"]) == name]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("reports")
    with stored_company(folder, persons=200, events=4000) as company:
        frictions = ask(company.address, "SELECT * FROM v_frictions").records()
        _add_hostile(company)
        _add_four_weeks(company)
        yield Desk(company, frictions, folder)


def _add_hostile(company: StoredCompany) -> None:
    """A tenant in whose tables every text that can be is markup."""
    who: dict[str, Any] = {"tenant": "evil", "identities": (f"customer_no:{'e' * 32}",)}
    story = [
        happened(
            HOSTILE, MONDAY, id="1", channel=HOSTILE, team=HOSTILE, redirect_to=HOSTILE, touchpoint=HOSTILE, **who
        ),
        happened("contact.ended", MONDAY + HOUR, id="2", channel="phone", touchpoint="hotline", **who),
    ]
    keys = ("evil/test/1", "evil/test/2")
    told = journey(
        tenant="evil", journey_id="evil", person_key="e" * 32, topic=HOSTILE, channels=(HOSTILE,), opened_at=MONDAY,
        touchpoint_keys=keys, outcome="open",
    )  # fmt: skip
    found = friction(
        tenant="evil", friction_id="evil", journey_id="evil", person_key="e" * 32, rule_id=HOSTILE, variant=HOSTILE,
        from_channel=HOSTILE, to_channel=HOSTILE, team=HOSTILE, topic=HOSTILE, sentence_en=HOSTILE,
        sentence_de=HOSTILE, anchor_at=MONDAY,
    )  # fmt: skip
    _write(company, story, [told], [found])


def _add_four_weeks(company: StoredCompany) -> None:
    """A tenant with one friction a week of each of these causes, and one in the last week that was never there."""
    weeks = [
        # rule, weeks before the last, minutes
        *(("repeat_contact", ago, 10.0) for ago in (1, 2, 3)),
        ("repeat_contact", 0, 4.0),
        *(("wait_sum", ago, 6.0) for ago in (1, 2)),
        *(("context_loss", ago, 8.0) for ago in (0, 1)),
        ("ping_pong", 0, 7.0),
        ("ping_pong", 5, 1.0),
    ]
    last = MONDAY + 10 * 7 * DAY
    found = [
        friction(
            tenant="weeks", friction_id=f"w{number}", journey_id=f"w{number}", person_key=f"{number:032x}",
            rule_id=rule, from_channel=None, to_channel=None, minutes=minutes, anchor_at=last - ago * 7 * DAY, team="w",
        )
        for number, (rule, ago, minutes) in enumerate(weeks)
    ]  # fmt: skip
    told = [
        journey(
            tenant="weeks", journey_id=f"w{number}", person_key=f"{number:032x}",
            touchpoint_keys=(f"weeks/test/{number}",),
        )
        for number in range(len(weeks))
    ]  # fmt: skip
    story = [
        happened("contact.started", last - ago * 7 * DAY, id=str(number), tenant="weeks", channel="phone",
                 identities=(f"customer_no:{number:032x}",))
        for number, (_, ago, _) in enumerate(weeks)
    ]  # fmt: skip
    _write(company, story, told, found)


def _write(company: StoredCompany, story: list[Any], journeys: list[Any], frictions: list[Any]) -> None:
    prefix = frictions[0].tenant
    writer = Writer(company.address)
    writer.insert(touchpoint_block(story, token_prefix=prefix))
    writer.insert(journey_block([(one, 1) for one in journeys], token_prefix=prefix))
    writer.insert(friction_block([(one, 1) for one in frictions], token_prefix=prefix))
    writer.close()


@pytest.mark.parametrize("zone", [UTC, BERLIN], ids=str)
@pytest.mark.parametrize("week", ["2024-W01", "2024-W02", "2024-W03", "2024-W04"])
def test_the_numbers_are_the_sums_of_the_frictions(desk: Desk, week: str, zone: ZoneInfo) -> None:
    found = desk.of_week(week, zone)
    report = week_report(desk.company.address, Scope(Week.named(week), zone, tenant="default"))
    totals = report.totals
    assert totals.frictions == len(found)
    assert totals.minutes == pytest.approx(sum(one["minutes"] for one in found))
    assert totals.persons == len({one["person_key"] for one in found})
    assert totals.severe == sum(one["severity"] >= 4 for one in found)
    by_cause: dict[Cause, list[dict[str, Any]]] = {}
    for one in found:
        by_cause.setdefault(Cause(one["rule_id"], one["from_channel"], one["to_channel"]), []).append(one)
    assert {one.cause: one.now.frictions for one in report.causes} == {key: len(all_) for key, all_ in by_cause.items()}
    for told in report.causes:
        of_cause = by_cause[told.cause]
        assert told.now.minutes == pytest.approx(sum(one["minutes"] for one in of_cause))
        assert told.now.persons == len({one["person_key"] for one in of_cause})
        assert told.now.severity == max(one["severity"] for one in of_cause)
    by_team = Counter[str]()
    for one in found:
        by_team[one["team"]] += one["minutes"]
    assert {team.team: team.minutes for team in report.teams} == pytest.approx(dict(by_team))
    for past, minutes in report.trend:
        assert minutes == pytest.approx(sum(one["minutes"] for one in desk.of_week(str(past), zone)))
    usual = [desk.of_week(str(Week.named(week).before(ago)), zone) for ago in range(1, report.compared + 1)]
    if usual:
        mean = sum(one["minutes"] for frictions in usual for one in frictions) / len(usual)
        assert sum(one.usual_minutes for one in (*report.causes, *report.gone)) == pytest.approx(mean)


def test_a_team_is_told_of_its_own(desk: Desk) -> None:
    found = desk.of_week("2024-W02")
    team = Counter(one["team"] for one in found if one["team"]).most_common(1)[0][0]
    scope = Scope(Week.named("2024-W02"), UTC, team, "default")
    report = week_report(desk.company.address, scope)
    own = [one for one in found if one["team"] == team]
    assert report.totals.frictions == len(own)
    assert report.totals.minutes == pytest.approx(sum(one["minutes"] for one in own))
    with pytest.raises(NothingToReport, match=r"teams are: .*billing"):
        week_report(desk.company.address, Scope(Week.named("2024-W02"), UTC, "nobody"))


def test_what_is_new_and_what_got_better_is_held_against_the_four_weeks_before(desk: Desk) -> None:
    report = week_report(desk.company.address, Scope(Week.named("2024-W11"), UTC, tenant="weeks"))
    assert report.compared == 4
    assert [(one.cause.rule_id, one.now.minutes) for one in report.causes] == [
        ("context_loss", 8.0),
        ("ping_pong", 7.0),
        ("repeat_contact", 4.0),
    ]
    # Five weeks ago is too long to be known.
    assert [one.cause.rule_id for one in report.new] == ["ping_pong"]
    assert [(one.cause.rule_id, one.usual_minutes, one.now.minutes) for one in report.better] == [
        ("repeat_contact", 7.5, 4.0),
        ("wait_sum", 3.0, 0.0),
    ]
    assert [minutes for _, minutes in report.trend] == [1.0, 0.0, 10.0, 16.0, 24.0, 19.0]
    second = week_report(desk.company.address, Scope(Week.named("2024-W07"), UTC, tenant="weeks"))
    assert (second.compared, second.new, second.causes) == (1, [], [])
    first = week_report(desk.company.address, Scope(Week.named("2024-W06"), UTC, tenant="weeks"))
    assert (first.compared, first.before, first.new) == (0, None, [])
    assert last_full_week(desk.company.address, UTC, "weeks") == Week(2024, 10)


def test_the_page_shows_the_numbers_of_the_report(desk: Desk) -> None:
    page = desk.page("--week", "2024-W02")
    found = desk.of_week("2024-W02")
    (everything,) = (row for row in page.rows if row[0] == "All causes")
    minutes = sum(one["minutes"] for one in found)
    assert everything[1] == f"{minutes:,.0f}"
    assert everything[3] == str(len(found))
    assert f"{minutes:,.0f}" in page.texts
    assert "Week 2 of 2024, 8 January to 14 January 2024 · all teams · default · times in UTC" in page.text


def test_stories_are_those_that_cost_most_and_hold_no_identifier(desk: Desk) -> None:
    for language in ("en", "de"):
        text = desk.page("--week", "2024-W02", "--language", language).text
        assert ["Person A" in text, "Person B" in text, "Person C" in text, "Person D" in text] == [True] * 3 + [False]
        of_journeys = Counter[str]()
        for one in desk.of_week("2024-W02"):
            of_journeys[one["journey_id"]] += one["minutes"]
        worst = max(of_journeys.values())
        sentences = {
            journey_id: [one[f"sentence_{language}"] for one in desk.frictions if one["journey_id"] == journey_id]
            for journey_id, minutes in of_journeys.items()
            if minutes == worst
        }
        assert any(all(sentence in text for sentence in of_journey) for of_journey in sentences.values())
        columns = "person_key, journey_id, friction_id, evidence_touchpoints"
        for keys in ask(desk.company.address, f"SELECT {columns} FROM v_frictions WHERE tenant = 'default'").rows:
            for key in (*keys[:3], *keys[3], *(key.rpartition("/")[2] for key in keys[3])):
                assert key not in text
        names = "SELECT DISTINCT arrayJoin(objects) FROM v_touchpoints WHERE tenant = 'default'"
        for (name,) in ask(desk.company.address, names).rows:
            assert name.partition(":")[2] not in text


@pytest.mark.parametrize("language", ["en", "de"])
def test_hostile_text_stays_text_and_nothing_is_loaded(desk: Desk, language: str) -> None:
    page = desk.page("--week", "2024-W01", "--tenant", "evil", "--language", language)
    assert not {"script", "img", "link", "iframe", "object", "base", "form", "a"} & set(page.tags)
    assert not {name for name in page.attributes if name.startswith("on")}
    assert not {"src", "href", "srcset", "action", "style"} & page.attributes
    # Sentence, cause, channel, team, topic and verb: all are there, as text.
    assert page.text.count(HOSTILE) >= 6
    raw = (desk.folder / "page.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in raw.replace("&#x27;", "'")
    assert not re.search(r"https?://|url\(|@import", raw)
    # Pages and queues are named only where their names cannot hold an id.
    assert "hotline" in page.text


def test_a_page_in_german(desk: Desk) -> None:
    page = desk.page("--week", "2024-W02", "--language", "de", "--time-zone", "Europe/Berlin")
    assert "Woche 2 des Jahres 2024, 8. Januar bis 14. Januar 2024" in page.text
    assert "Was am meisten weh tat" in page.texts
    assert not {"What hurt most", "Causes", "friction", "later"} & set(page.text.split())


def test_a_week_without_frictions_says_so(desk: Desk) -> None:
    page = desk.page("--week", "2023-W40")
    assert "No friction was found in this week." in page.texts
    assert "Nothing can be said: no earlier week is known." in page.texts


def test_the_last_full_week_is_the_default(desk: Desk) -> None:
    done = desk.run("--output", str(desk.folder / "last.html"), "--tenant", "default", "--json")
    week = json.loads(done.stdout)["week"]
    ((newest,),) = ask(desk.company.address, "SELECT max(event_time) FROM v_touchpoints WHERE tenant = 'default'").rows
    year, number, _ = newest.isocalendar()
    assert week == str(Week(year, number).before(1)) == "2024-W03"


def test_mistakes_are_told(desk: Desk, tmp_path: Path) -> None:
    there = tmp_path / "there.html"
    there.write_text("mine")
    for code, message, words in (
        (1, "exists; give --force", ["--output", str(there)]),
        (1, "no friction names the team 'nobody'; teams are:", ["--output", str(tmp_path / "x"), "--team", "nobody"]),
        (1, "there are no touchpoints yet", ["--output", str(tmp_path / "x"), "--tenant", "nobody"]),
        (2, "expected a week such as 2026-W10", ["--output", str(tmp_path / "x"), "--week", "last"]),
        (2, "there is no time zone", ["--output", str(tmp_path / "x"), "--time-zone", "Mars/Base"]),
        (2, "written beside it", ["--output", str(tmp_path / "x.pdf"), "--pdf"]),
    ):
        done = desk.run(*words)
        said = " ".join(done.output.replace("│", " ").split())
        assert (done.exit_code, message in said) == (code, True), done.output
    assert [path.name for path in tmp_path.iterdir()] == ["there.html"]


def test_without_a_browser_the_page_is_written_and_the_pdf_is_not(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    done = desk.run("--output", str(tmp_path / "week.html"), "--pdf")
    assert (done.exit_code, "PDF needs Chromium or Chrome" in done.output) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["week.html"]


@pytest.mark.skipif(find_browser() is None, reason="no Chromium and no Chrome on the PATH")
def test_a_page_is_printed_by_the_browser(desk: Desk, tmp_path: Path) -> None:
    done = desk.run("--output", str(tmp_path / "week.html"), "--week", "2024-W02", "--pdf")
    assert done.exit_code == 0, done.output
    pdf = (tmp_path / "week.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    # A4, in points.
    assert re.search(rb"/MediaBox\s*\[0 0 59[45](\.\d+)? 84[12](\.\d+)?\]", pdf)
    assert len(pdf) > 10_000
