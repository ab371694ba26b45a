"""The report of a week as one HTML page: no scripts, nothing from elsewhere, fit to be printed."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

from streams.reports.languages import Language
from streams.reports.markup import Html, element, joined, style_sheet
from streams.reports.weekly import Cause, CauseOfWeek, ToldJourney, WeekReport
from streams.reports.words import Words

_SHOWN_CAUSES: Final = 10
_SHOWN_LINES: Final = 5
_SHOWN_WAIT_MS: Final = 30 * 60_000
#: So many touchpoints in a row that prove nothing are told one by one; of more, the middle is only counted.
_SHOWN_IN_A_ROW: Final = 3
#: Names of pages and queues that may hold the id of somebody or something.
_TELLING: Final = re.compile(r"[\d@?#]")
#: Nothing may be loaded or run, whatever came into the page.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_BAR_WIDTH: Final = 100.0
_TREND = (560.0, 130.0)


def report_page(report: WeekReport, language: Language) -> str:
    """The whole page, in one language."""
    words = Words(language)
    title = f"{words.text('title')}, {report.scope.week}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="robots", content="noindex"),
        element("title", title),
        style_sheet((files("streams.reports") / "report.css").read_text(encoding="utf-8")),
    )
    body = element(
        "body",
        element(
            "main",
            _header(report, words),
            _totals(report, words),
            _hurt(report, words),
            element("div", _new(report, words), _better(report, words), class_="pair"),
            element("div", _trend(report, words), _teams(report, words), class_="pair"),
            _stories(report, words),
            element("footer", " ".join(words.text(f"foot_{part}") for part in ("minutes", "twice", "persons"))),
        ),
    )
    return "<!DOCTYPE html>\n" + element("html", head, body, lang=language.value) + "\n"


def _header(report: WeekReport, words: Words) -> Html:
    scope = report.scope
    whose = words.text("all_teams") if scope.team is None else words.text("team", name=words.team(scope.team))
    facts = [
        words.text(
            "week",
            number=str(scope.week.number),
            year=str(scope.week.year),
            first=words.day(scope.week.monday, year=scope.week.monday.year != scope.week.sunday.year),
            last=words.day(scope.week.sunday),
        ),
        whose,
        *([scope.tenant] if scope.tenant else []),
        words.text("zone", name=str(scope.zone)),
    ]
    return element("header", element("h1", words.text("title")), element("p", " · ".join(facts)))


def _totals(report: WeekReport, words: Words) -> Html:
    now, before = report.totals, report.before
    figures = [
        _figure(words, "minutes_lost", now.minutes, None if before is None else before.minutes),
        _figure(words, "frictions", now.frictions, None if before is None else before.frictions),
        _figure(words, "severe", now.severe, None if before is None else before.severe),
        _figure(words, "persons", now.persons, None if before is None else before.persons),
    ]
    return element("section", *figures, class_="figures")


def _figure(words: Words, name: str, now: float, before: float | None) -> Html:
    if before is None:
        change = words.text("first_week")
    elif round(now) == round(before):
        change = words.text("same")
    else:
        change = words.text("against", change=words.change(now, before))
    return element(
        "div",
        element("strong", words.number(round(now))),
        element("span", words.text(name)),
        element("small", change),
        class_="figure",
    )


def _hurt(report: WeekReport, words: Words) -> Html:
    heading = element("h2", words.text("hurt"))
    if not report.causes:
        return element("section", heading, element("p", words.text("nothing"), class_="none"))
    most = max(cause.now.minutes for cause in report.causes) or 1.0
    shown, rest = report.causes[:_SHOWN_CAUSES], report.causes[_SHOWN_CAUSES:]
    rows = [_cause_row(cause, most, report, words) for cause in shown]
    if rest:
        others = words.text("other_causes", count=words.number(len(rest)))
        rows.append(_sum_row(others, rest, report, words))
    everything = [*report.causes, *report.gone]
    rows.append(_sum_row(words.text("all_causes"), everything, report, words, persons=report.totals.persons))
    columns = ["cause", "minutes", *(["usual"] if report.compared else []), "number", "people", "worst"]
    head = element("tr", *(element("th", words.text(name), scope="col", class_=name) for name in columns))
    table = element("table", element("thead", head), element("tbody", *rows), class_="causes")
    return element("section", heading, element("p", _hurt_note(report, words), class_="note"), table)


def _hurt_note(report: WeekReport, words: Words) -> str:
    match report.compared:
        case 0:
            return words.text("hurt_note_alone")
        case 1:
            return words.text("hurt_note_one")
        case weeks:
            return words.text("hurt_note", weeks=words.number(weeks))


def _cause_row(cause: CauseOfWeek, most: float, report: WeekReport, words: Words) -> Html:
    now = cause.now
    share = _BAR_WIDTH * now.minutes / most
    bar = element(
        "svg",
        element("rect", x=0, y=0, width=f"{share:.2f}", height=6, rx=1),
        viewBox=f"0 0 {_BAR_WIDTH:.0f} 6",
        preserveAspectRatio="none",
        aria_hidden="true",
        class_="bar",
    )
    cells = [
        element("th", _cause(cause.cause, words), bar, scope="row"),
        element("td", words.minutes(now.minutes)),
        *([element("td", words.minutes(cause.usual_minutes), class_="usual")] if report.compared else []),
        element("td", words.number(now.frictions)),
        element("td", words.number(now.persons), class_="people"),
        element("td", element("span", str(now.severity), class_=f"severity s{now.severity}")),
    ]
    return element("tr", *cells)


def _sum_row(
    name: str, causes: Sequence[CauseOfWeek], report: WeekReport, words: Words, *, persons: int | None = None
) -> Html:
    """A row of several causes. Persons of several causes are known only where all are counted together."""
    usual = sum(cause.usual_minutes for cause in causes)
    cells = [
        element("th", name, scope="row"),
        element("td", words.minutes(sum(cause.now.minutes for cause in causes))),
        *([element("td", words.minutes(usual), class_="usual")] if report.compared else []),
        element("td", words.number(sum(cause.now.frictions for cause in causes))),
        element("td", "" if persons is None else words.number(persons), class_="people"),
        element("td", ""),
    ]
    return element("tr", *cells, class_="rest" if persons is None else "sum")


def _cause(cause: Cause, words: Words) -> Html:
    """A cause, with the channels between which it happened."""
    ends = [words.channel(name) for name in (cause.from_channel, cause.to_channel) if name]
    if len(ends) == 2 and ends[0] == ends[1]:
        ends.pop()
    where = element("span", " → ".join(ends), class_="where") if ends else Html("")
    return joined(words.cause(cause.rule_id), " " if ends else "", where)


def _new(report: WeekReport, words: Words) -> Html:
    heading = element("h2", words.text("new"))
    if not report.compared:
        return element("section", heading, element("p", words.text("new_unknown"), class_="none"))
    if not report.new:
        return element("section", heading, element("p", words.text("new_none"), class_="none"))
    note = "new_note_one" if report.compared == 1 else "new_note"
    lines = [
        element(
            "li",
            _cause(one.cause, words),
            element(
                "small",
                words.text(
                    "new_line",
                    minutes=words.minutes(one.now.minutes),
                    frictions=words.counted("frictions", one.now.frictions),
                ),
            ),
        )
        for one in report.new[:_SHOWN_LINES]
    ]
    return element(
        "section",
        heading,
        element("p", words.text(note, weeks=words.number(report.compared)), class_="note"),
        element("ul", *lines, *_more(len(report.new), words), class_="new"),
    )


def _better(report: WeekReport, words: Words) -> Html:
    heading = element("h2", words.text("better"))
    if not report.compared:
        return element("section", heading, element("p", words.text("better_unknown"), class_="none"))
    if not report.better:
        return element("section", heading, element("p", words.text("better_none"), class_="none"))
    lines = []
    for one in report.better[:_SHOWN_LINES]:
        usual = words.minutes(one.usual_minutes)
        if one.now.frictions:
            text = words.text("better_line", now=words.minutes(one.now.minutes), usual=usual)
        else:
            text = words.text("better_gone", usual=usual)
        lines.append(element("li", _cause(one.cause, words), element("small", text)))
    return element(
        "section",
        heading,
        element("p", words.text("better_note"), class_="note"),
        element("ul", *lines, *_more(len(report.better), words), class_="better"),
    )


def _more(count: int, words: Words) -> Iterator[Html]:
    if count > _SHOWN_LINES:
        yield element("li", words.text("skipped", count=words.number(count - _SHOWN_LINES)), class_="skipped")


def _teams(report: WeekReport, words: Words) -> Html:
    if report.scope.team is not None or not report.teams:
        return Html("")
    names = ("team_head", "minutes", "number", "people")
    head = element("tr", *(element("th", words.text(name), scope="col") for name in names))
    rows = [
        element(
            "tr",
            element("th", words.team(one.team), scope="row"),
            element("td", words.minutes(one.minutes)),
            element("td", words.number(one.frictions)),
            element("td", words.number(one.persons)),
        )
        for one in report.teams[:_SHOWN_CAUSES]
    ]
    table = element("table", element("thead", head), element("tbody", *rows))
    return element("section", element("h2", words.text("teams")), table)


def _trend(report: WeekReport, words: Words) -> Html:
    """Bars of the last weeks, the one told in the stronger colour."""
    width, height = _TREND
    most = max((minutes for _, minutes in report.trend), default=0.0) or 1.0
    slot = width / max(len(report.trend), 4)
    parts: list[Html] = []
    for place, (week, minutes) in enumerate(report.trend):
        tall = (height - 46) * minutes / most
        x, y = place * slot, height - 22 - tall
        told = week == report.scope.week
        parts += [
            element(
                "rect", x=f"{x + slot * 0.14:.1f}", y=f"{y:.1f}", width=f"{slot * 0.72:.1f}", height=f"{tall:.1f}",
                rx=2, class_="told" if told else "other",
            ),
            _svg_text(words.minutes(minutes), x + slot / 2, y - 6, "value"),
            _svg_text(words.text("trend_week", number=str(week.number)), x + slot / 2, height - 6, "name"),
        ]  # fmt: skip
    line = element("line", x1=0, y1=height - 22, x2=f"{slot * len(report.trend):.1f}", y2=height - 22)
    label = ", ".join(f"{week}: {words.minutes(minutes)}" for week, minutes in report.trend)
    chart = element(
        "svg", line, *parts, viewBox=f"0 0 {width:.0f} {height:.0f}", role="img", aria_label=label, class_="trend"
    )
    return element("section", element("h2", words.text("trend")), chart)


def _svg_text(text: str, x: float, y: float, kind: str) -> Html:
    return element("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor="middle", class_=kind)


def _stories(report: WeekReport, words: Words) -> Html:
    if not report.stories:
        return Html("")
    told = [_story(letter, story, report, words) for letter, story in zip("ABC", report.stories, strict=False)]
    return element(
        "section",
        element("h2", words.text(f"stories_{len(told)}")),
        element("p", words.text("stories_note"), class_="note"),
        *told,
        class_="stories",
    )


def _story(letter: str, story: ToldJourney, report: WeekReport, words: Words) -> Html:
    journey = story.journey
    about = f", {words.text('about', topic=journey['topic'])}" if journey["topic"] else ""
    facts = words.text(
        "story_facts",
        minutes=words.minutes(story.minutes),
        contacts=words.counted("contacts", journey["contacts"]),
        outcome=words.outcome(journey["outcome"]),
    )
    path = " → ".join(words.channel(name) for name in journey["channels"])
    return element(
        "article",
        element("h3", words.text("person", letter=letter), element("span", about)),
        element("p", f"{path} · {facts}", class_="facts"),
        element("ol", *_steps(story, report, words)),
    )


def _steps(story: ToldJourney, report: WeekReport, words: Words) -> Iterator[Html]:
    """Touchpoints in order, the waits between them, and frictions after what they hang on."""
    proof = {key for friction in story.frictions for key in friction["evidence_touchpoints"]}
    told_frictions: set[str] = set()
    until: int | None = None
    for run in _runs(story.touchpoints, proof):
        skipped = len(run) - _SHOWN_IN_A_ROW if run[0]["touchpoint_key"] not in proof else 0
        for place, touchpoint in enumerate(run):
            if skipped > 1 and 1 <= place <= skipped:
                if place == 1:
                    yield element("li", words.text("skipped", count=words.number(skipped)), class_="skipped")
                until = max(until or 0, touchpoint["until"])
                continue
            if until is not None and touchpoint["at"] - until >= _SHOWN_WAIT_MS:
                pause = words.text("later", duration=words.duration(touchpoint["at"] - until))
                yield element("li", pause, class_="wait")
            yield _step(touchpoint, touchpoint["touchpoint_key"] in proof, report, words)
            until = max(until or 0, touchpoint["until"])
            for friction in story.frictions:
                if friction["friction_id"] not in told_frictions and _hangs_on(friction, touchpoint):
                    told_frictions.add(friction["friction_id"])
                    yield _friction(friction, words)
    for friction in story.frictions:
        if friction["friction_id"] not in told_frictions:
            yield _friction(friction, words)


def _runs(touchpoints: Sequence[dict[str, Any]], proof: set[str]) -> Iterator[list[dict[str, Any]]]:
    """Touchpoints that prove something one by one, those in between together."""
    run: list[dict[str, Any]] = []
    for touchpoint in touchpoints:
        if touchpoint["touchpoint_key"] in proof:
            if run:
                yield run
            run = []
            yield [touchpoint]
        else:
            run.append(touchpoint)
    if run:
        yield run


def _hangs_on(friction: dict[str, Any], touchpoint: dict[str, Any]) -> bool:
    is_anchor = friction["anchor_at"] == touchpoint["at"]
    return is_anchor and touchpoint["touchpoint_key"] in friction["evidence_touchpoints"]


def _step(touchpoint: dict[str, Any], is_proof: bool, report: WeekReport, words: Words) -> Html:
    moment = datetime.fromtimestamp(touchpoint["at"] / 1000, UTC).astimezone(report.scope.zone)
    facts = []
    if touchpoint["redirect_to"]:
        facts.append(words.text("to", channel=words.channel(touchpoint["redirect_to"])))
    if touchpoint["touchpoint"] and not _TELLING.search(touchpoint["touchpoint"]):
        facts.append(touchpoint["touchpoint"])
    if touchpoint["team"]:
        facts.append(words.text("by", team=touchpoint["team"]))
    if touchpoint["wait_ms"]:
        facts.append(words.text("waited", duration=words.duration(touchpoint["wait_ms"])))
    return element(
        "li",
        element("time", words.moment(moment), datetime=moment.isoformat(timespec="minutes")),
        element("span", words.channel(touchpoint["channel"]), class_="channel"),
        element("span", joined(words.kind(touchpoint["kind"]), "".join(f", {fact}" for fact in facts)), class_="what"),
        class_="step proof" if is_proof else "step",
    )


def _friction(friction: dict[str, Any], words: Words) -> Html:
    minutes = f"{words.minutes(friction['minutes'])} min" if friction["minutes"] else ""
    severity = words.text("severity", severity=str(friction["severity"]))
    facts = " · ".join(part for part in (words.cause(friction["rule_id"]), severity, minutes) if part)
    return element(
        "li",
        element("p", words.sentence(friction)),
        element("small", facts),
        class_=f"friction s{friction['severity']}",
    )
