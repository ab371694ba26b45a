"""How long people wait for the page: in a browser, and question by question.

Some weeks of a generated company are judged by the core, and SQL copies what came out until there are
`--touchpoints`, over `--months` times four weeks. Then `journeys serve` shows it to a Chromium:

load       the overview from an empty browser cache until the last number stands there, for 28 days and for all
timeline   a person's timeline, opened on a page that is there, for persons spread over all
question   each question of the page over HTTP: the first answer, and the median of five more

Told beside the wishes: a page in a second, a timeline in 200 ms. Exit code 0: measured; 1: no browser; 2: a wrong
option.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec
from playwright.sync_api import Page, sync_playwright

from bench.filling import Filler, read_month
from bench.pipeline import Progress, at_least
from bench.report import machine
from docs.sample import START, store_company
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.page_questions import QUESTIONS
from streams.producing.generator import GeneratedCompany
from tests.support.browser import FLAGS, found_chromium
from tests.support.local_clickhouse import start_clickhouse
from tests.support.processes import REPOSITORY, first_line, stopped

_RESULTS: Final = Path(__file__).parent / "results"
_MADE: Final = "made"
_RUNS: Final = 5
_PERSONS: Final = 20
_PATIENCE_MS: Final = 120_000
LOAD_WITHIN_MS: Final = 1_000
TIMELINE_WITHIN_MS: Final = 200
_SETTLED_WITHIN_S: Final = 600.0


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of something that was done several times."""

    what: str
    first_ms: float
    median_ms: float
    most_ms: float
    times: int


class PageResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured. `busy` is how many processors were busy with other things before it began."""

    date: str
    touchpoints: int
    frictions: int
    journeys: int
    busy: float
    machine: dict[str, Any]
    load: list[Timed]
    timeline: list[Timed]
    questions: list[Timed]


def measure(folder: Path, options: argparse.Namespace, progress: Progress, browser: str) -> PageResult:
    """Fill, serve, and measure."""
    busy = os.getloadavg()[0]
    process, ports = start_clickhouse(folder / "clickhouse")
    with ExitStack() as stack:
        stack.enter_context(stopped(process))
        address = ClickHouseAddress(port=ports.native, answer_timeout_s=3_600.0)
        progress.step(f"filling: {options.touchpoints:,} touchpoints")
        _fill(address, options, progress)
        _settle(address, progress)
        url = stack.enter_context(_served(folder, ports.native))
        client = connect(address)
        ((touchpoints,),) = client.execute("SELECT count() FROM touchpoints")
        ((frictions,),) = client.execute("SELECT count() FROM frictions")
        ((journeys,),) = client.execute("SELECT count() FROM journeys")
        persons = [
            key
            for (key,) in client.execute(
                "SELECT person_key FROM v_persons WHERE journeys > 0 ORDER BY cityHash64(person_key) LIMIT %(n)s",
                {"n": _PERSONS + 1},
            )
        ]
        ((friction,),) = client.execute("SELECT friction_id FROM frictions ORDER BY cityHash64(friction_id) LIMIT 1")
        client.disconnect()
        progress.step("the browser")
        load, timeline = _in_browser(browser, url, persons)
        progress.step("question by question")
        questions = list(_questions(url, persons[0], friction))
    return PageResult(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        touchpoints=touchpoints,
        frictions=frictions,
        journeys=journeys,
        busy=round(busy, 2),
        machine=machine(),
        load=load,
        timeline=timeline,
        questions=questions,
    )


def _fill(address: ClickHouseAddress, options: argparse.Namespace, progress: Progress) -> None:
    made = ClickHouseAddress(port=address.port, database=_MADE, answer_timeout_s=address.answer_timeout_s)
    migrate(made)
    migrate(address)
    company = GeneratedCompany(persons=options.persons, events=options.events, seed=options.seed, start=START)
    store_company(made, company)
    client = connect(made)
    month = read_month(client)
    client.disconnect()
    Filler(address, month, options.months).fill(options.touchpoints, progress.detail)


def _settle(address: ClickHouseAddress, progress: Progress) -> None:
    """Wait until nothing is merged any more."""
    progress.step("waiting for merges")
    client = connect(address)
    deadline, quiet = time.monotonic() + _SETTLED_WITHIN_S, 0
    while quiet < 3 and time.monotonic() < deadline:
        ((merges,),) = client.execute("SELECT count() FROM system.merges")
        quiet = 0 if merges else quiet + 1
        time.sleep(1)
    client.disconnect()


@contextmanager
def _served(folder: Path, port: int) -> Iterator[str]:
    command = [sys.executable, "-m", "streams.cli.main", "serve", "--port", "0", "--data-dir", str(folder)]
    process = subprocess.Popen(
        [*command, "--clickhouse", f"127.0.0.1:{port}"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    with stopped(process):
        yield first_line(process).removeprefix("page ready ").strip()


def _in_browser(path: str, url: str, persons: list[str]) -> tuple[list[Timed], list[Timed]]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        load = []
        for days in (28, 0):
            spent = []
            for _ in range(_RUNS + 1):
                context = browser.new_context(viewport={"width": 1280, "height": 900})
                tab = context.new_page()
                spent.append(_until_settled(tab, lambda tab=tab, days=days: tab.goto(f"{url}/#/overview?days={days}")))
                context.close()
            load.append(_timed(f"overview, {f'{days} days' if days else 'all'}", spent))
        tab = browser.new_page()
        _until_settled(tab, lambda: tab.goto(f"{url}/#/timeline"))
        spent = [_opened(tab, person) for person in persons]
        browser.close()
    return load, [_timed("timeline of a person", spent)]


def _until_settled(tab: Page, go: Any) -> float:
    began = time.monotonic()
    go()
    tab.wait_for_selector("main h1", timeout=_PATIENCE_MS)
    tab.wait_for_selector("[aria-busy=true]", state="detached", timeout=_PATIENCE_MS)
    return (time.monotonic() - began) * 1_000


def _opened(tab: Page, person: str) -> float:
    """Open a timeline on the page that is there: what a click on a person does."""

    def go() -> None:
        tab.evaluate("hash => { location.hash = hash; }", f"#/timeline/{person}?days=0")
        tab.wait_for_selector(f"h2 code:text-is('{person}')", timeout=_PATIENCE_MS)

    return _until_settled(tab, go)


def _questions(url: str, person: str, friction: str) -> Iterator[Timed]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=120)
    for question in QUESTIONS.values():
        known = {"person": person, "friction": friction, "days": "28"}
        given = {name: value for name, value in known.items() if name in question.parameters}
        spent = []
        for _ in range(_RUNS + 1):
            began = time.monotonic()
            connection.request("GET", f"/api/{question.name}?{urlencode(given)}")
            response = connection.getresponse()
            response.read()
            assert response.status == 200, question.name
            spent.append((time.monotonic() - began) * 1_000)
        yield _timed(question.name, spent)
    connection.close()


def _timed(what: str, spent: list[float]) -> Timed:
    first, *more = spent
    return Timed(
        what=what,
        first_ms=round(first),
        median_ms=round(statistics.median(more)),
        most_ms=round(max(more)),
        times=len(more),
    )


def as_text(result: PageResult) -> str:
    """The result for people."""
    lines = [
        (
            f"{result.touchpoints:,} touchpoints, {result.journeys:,} journeys, {result.frictions:,} frictions;"
            f" load of the machine before it: {result.busy}"
        ),
        "",
        f"{'':<24} {'first':>8} {'median':>8} {'most':>8}",
    ]
    for wish, rows in ((LOAD_WITHIN_MS, result.load), (TIMELINE_WITHIN_MS, result.timeline), (None, result.questions)):
        for row in rows:
            verdict = "" if wish is None else f"  {'within' if row.median_ms <= wish else 'NOT within'} {wish:,} ms"
            lines.append(
                f"{row.what:<24} {row.first_ms:>6,.0f}ms {row.median_ms:>6,.0f}ms {row.most_ms:>6,.0f}ms{verdict}"
            )
    return "\n".join(lines)


def main() -> int:
    """Measure as the command line says."""
    options = _parser().parse_args()
    browser = found_chromium()
    if browser is None:
        sys.stderr.write("error: no Chromium or Chrome is on the PATH\n")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="journeys-bench-"))
    try:
        result = measure(folder, options, Progress(), browser)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    out = options.out or _RESULTS / f"{result.date}-page-{options.touchpoints}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    sys.stderr.write(f"written to {out}\n")
    print(out.read_text(encoding="utf-8") if options.json else as_text(result))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.page", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--touchpoints", type=at_least(int, 1_000), default=50_000, help="how many to fill in")
    parser.add_argument("--months", type=at_least(int, 1), default=6, help="four weeks each, over which they spread")
    parser.add_argument("--events", type=at_least(int, 1_500), default=5_000, help="touchpoints that are copied")
    parser.add_argument("--persons", type=at_least(int, 60), default=300, help="customers who are copied")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, help="file for the result as JSON")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
