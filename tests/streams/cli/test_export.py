"""What `journeys export` writes, opened by those it is for: process mining, data frames, spreadsheets.

pm4py takes seconds to import, so whatever needs it is here.
"""

import csv
import gzip
import io
import itertools
import json
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from sinks.clickhouse.connection import connect
from sinks.clickhouse.rows import journey_block, touchpoint_block
from sinks.clickhouse.writer import Writer
from sinks.exports import extract
from sinks.exports.extract import Selection
from sinks.exports.files import FileRefused, written_whole
from streams.cli.main import app
from tests.support.facts import journey
from tests.support.stored_company import StoredCompany, stored_company
from tests.support.touchpoints import DAY, MINUTE, MONDAY, happened

pytestmark = pytest.mark.stack

Pairs = Counter[tuple[str, str]]
#: A formula, a quote, line ends, markup, and what XML 1.0 forbids.
HOSTILE = '=cmd|"/C calc"!A0,\r\n<&>\x00\x0b\ud7ff\ufffe'
HOSTILE_IN_XML = '=cmd|"/C calc"!A0,\r\n<&>\ufffd\ufffd\ud7ff\ufffd'
EVIL = "e" * 32


class Told(NamedTuple):
    """The company, and its journeys as the views tell them: the kinds of the touchpoints of each, in order."""

    company: StoredCompany
    journeys: dict[str, list[str]]
    folder: Path

    def export(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["export", *words, *self.company.options])

    def file(self, name: str, *words: str) -> Path:
        path = self.folder / name
        done = self.export("--output", str(path), "--force", *words)
        assert done.exit_code == 0, done.output
        return path

    @property
    def pairs(self) -> Pairs:
        """How often one kind directly followed another in a journey."""
        return Counter(pair for kinds in self.journeys.values() for pair in itertools.pairwise(kinds))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("exports")
    with stored_company(folder, persons=60, events=1500, identities=True) as company:
        _add_hostile(company)
        client = connect(company.address)
        kinds = dict(client.execute("SELECT touchpoint_key, kind FROM v_touchpoints"))
        rows = client.execute("SELECT journey_id, touchpoint_keys FROM v_journeys")
        client.disconnect()
        yield Told(company, {id_: [kinds[key] for key in keys] for id_, keys in rows}, folder)


def _add_hostile(company: StoredCompany) -> None:
    who = {"identities": (f"customer_no:{EVIL}",), "tenant": "evil"}
    story = [
        happened(
            HOSTILE, MONDAY, id="1", channel="@web", team="+1", objects=(f"order:{HOSTILE}", "person:x:of"), **who
        ),
        happened("contact.ended", MONDAY + MINUTE, id="2", channel="phone", wait_ms=90_000, **who),
    ]
    keys = tuple(f"evil/test/{place}" for place in (1, 2))
    told = journey(
        tenant="evil", journey_id="=evil", person_key=EVIL, topic="-evil", touches=2, touchpoint_keys=keys,
        opened_at=MONDAY,
    )  # fmt: skip
    writer = Writer(company.address)
    writer.insert(touchpoint_block(story, token_prefix="evil"))
    writer.insert(journey_block([(told, 1)], token_prefix="evil"))
    writer.close()


@pytest.fixture(scope="module")
def pm4py() -> Any:
    return pytest.importorskip("pm4py")


def test_xes_shows_the_same_paths_to_process_mining(told: Told, pm4py: Any) -> None:
    for name in ("log.xes", "log.xes.gz"):
        log = pm4py.read_xes(str(told.file(name)))
        follows, _, _ = pm4py.discover_dfg(log)
        as_xml = {HOSTILE: HOSTILE_IN_XML}
        assert follows == {(as_xml.get(a, a), as_xml.get(b, b)): n for (a, b), n in told.pairs.items()}
        assert log["case:concept:name"].nunique() == len(told.journeys)
        assert set(log["lifecycle:transition"]) == {"complete"}
        assert str(log["time:timestamp"].dt.tz) == "UTC"


def test_tables_show_the_same_paths_to_process_mining(told: Told, pm4py: Any) -> None:
    frames = (
        pl.read_csv(told.file("log.csv"), try_parse_dates=True).with_columns(
            # What defuses a cell is part of the text to everybody but a spreadsheet.
            pl.col("activity", "case_id").str.strip_prefix("'")
        ),
        pl.read_parquet(told.file("log.parquet")),
    )
    for frame in frames:
        log = pm4py.format_dataframe(
            frame.to_pandas(), case_id="case_id", activity_key="activity", timestamp_key="timestamp"
        )
        follows, _, _ = pm4py.discover_dfg(log)
        assert follows == told.pairs


def test_ocel_shows_the_same_paths_for_each_journey_to_process_mining(told: Told, pm4py: Any) -> None:
    log = pm4py.read_ocel2_json(str(told.file("log.jsonocel")))
    flat = pm4py.ocel_flattening(log, "journey")
    follows, _, _ = pm4py.discover_dfg(flat)
    assert follows == told.pairs
    assert len(log.events) == sum(map(len, told.journeys.values()))
    of_type = Counter(log.objects["ocel:type"])
    assert of_type["journey"] == len(told.journeys)
    assert {"journey", "person", "channel", "case", "order", "named person"} <= set(of_type)
    assert log.objects["ocel:oid"].is_unique
    assert set(log.relations["ocel:oid"]) == set(log.objects["ocel:oid"])


def test_ocel_has_the_form_of_the_standard(told: Told) -> None:
    log = json.loads(gzip.decompress(told.file("log.json.gz").read_bytes()))
    assert set(log) == {"objectTypes", "eventTypes", "objects", "events"}
    declared = {one["name"]: {a["name"]: a["type"] for a in one["attributes"]} for one in log["objectTypes"]}
    kinds = {one["name"]: {a["name"]: a["type"] for a in one["attributes"]} for one in log["eventTypes"]}
    known = {one["id"] for one in log["objects"]}
    python = {"string": str, "float": float}
    for one in log["objects"]:
        assert set(one) == {"id", "type", "attributes", "relationships"}
        assert all(type(a["value"]) is python[declared[one["type"]][a["name"]]] for a in one["attributes"])
        assert {related["objectId"] for related in one["relationships"]} <= known
    for one in log["events"]:
        assert set(one) == {"id", "type", "time", "attributes", "relationships"}
        assert all(type(a["value"]) is python[kinds[one["type"]][a["name"]]] for a in one["attributes"])
        assert {related["objectId"] for related in one["relationships"]} <= known
    (evil,) = (one for one in log["events"] if one["type"] == HOSTILE)
    assert [(one["objectId"], one["qualifier"]) for one in evil["relationships"]] == [
        ("journey:=evil", "part of"),
        (f"person:{EVIL}", "concerns"),
        ("channel:@web", "through"),
        (f"order:{HOSTILE}", "about"),
        ("named person:x", "of"),
    ]


def test_xml_says_what_it_is_and_holds_hostile_text(told: Told) -> None:
    root = ET.parse(told.file("log.xes")).getroot()  # noqa: S314 - our own file
    space = "{http://www.xes-standard.org/}"
    assert root.tag == f"{space}log"
    assert [one.get("prefix") for one in root.iter(f"{space}extension")] == ["concept", "time", "lifecycle", "org"]
    order = [child.tag.removeprefix(space) for child in root]
    assert order[:9] == ["extension"] * 4 + ["global"] * 2 + ["classifier"] * 3
    traces = {one[0].get("value"): one for one in root.iter(f"{space}trace")}
    first = traces["=evil"].find(f"{space}event")
    assert first is not None
    told_of = {one.get("key"): one.get("value") for one in first}
    assert told_of["concept:name"] == HOSTILE_IN_XML
    assert (told_of["org:group"], told_of["org:resource"], told_of["channel"]) == ("+1", "+1", "@web")
    assert told_of["time:timestamp"] == "2024-01-01T00:00:00.000Z"


def test_no_cell_of_csv_is_a_formula_and_no_text_begins_a_row(told: Told) -> None:
    events = told.file("log.csv", "--tenant", "evil").read_bytes().decode()
    header, *rows = csv.reader(io.StringIO(events, newline=""))
    assert [len(row) for row in rows] == [len(header)] * 2
    first, second = (dict(zip(header, row, strict=True)) for row in rows)
    assert (first["case_id"], first["activity"], first["channel"]) == ("'=evil", f"'{HOSTILE}", "'@web")
    assert first["objects"] == f"order:{HOSTILE} | person:x:of"
    assert (second["timestamp"], second["wait_minutes"]) == ("2024-01-01T00:01:00.000Z", "1.5")
    for name in ("journeys", "frictions", "touchpoints"):
        text = told.file(f"{name}.csv", "--what", name).read_bytes().decode()
        cells = [cell for row in csv.DictReader(io.StringIO(text, newline="")) for cell in row.values()]
        assert not [cell for cell in cells if cell[:1] in {"=", "+", "@", "\t", "\r", "\n"}]


def test_journeys_and_frictions_are_those_of_the_views(told: Told) -> None:
    client = connect(told.company.address)
    for what, view, id_, sums in (
        ("journeys", "v_journeys", "journey_id", ("effort_minutes", "wait_minutes", "touches", "contacts")),
        ("frictions", "v_frictions", "friction_id", ("minutes", "severity")),
    ):
        frame = pl.read_parquet(told.file(f"{what}.parquet", "--what", what))
        ids = [row[0] for row in client.execute(f"SELECT {id_} FROM {view} ORDER BY {id_}")]
        assert sorted(frame[id_]) == ids
        ((*expected,),) = client.execute(f"SELECT {', '.join(f'sum({name})' for name in sums)} FROM {view}")
        assert [frame[name].sum() for name in sums] == pytest.approx(expected)
        time = "opened_at" if what == "journeys" else "anchor_at"
        assert frame[time].is_sorted()
    assert frame.schema["anchor_at"] == pl.Datetime("ms", "UTC")
    assert frame.schema["evidence_touchpoints"] == pl.List(pl.String)


def test_small_parts_hold_the_same_as_one_large(told: Told) -> None:
    address, everything = told.company.address, Selection()
    for read in (extract.events, extract.journeys, extract.frictions):
        parts: list[int] = []
        whole = [row for block in read(address, everything).blocks for row in block]
        cut = [row for block in read(address, everything, progress=parts.append, part_rows=40).blocks for row in block]
        assert cut == whole
        assert len(parts) == parts[0] > 3


def test_a_selection_takes_journeys_whole_by_when_they_began(told: Told) -> None:
    since, until = MONDAY + 2 * DAY, MONDAY + 5 * DAY
    client = connect(told.company.address)
    began = "opened_at >= fromUnixTimestamp64Milli(%(since)s) AND opened_at < fromUnixTimestamp64Milli(%(until)s)"
    sql = f"SELECT journey_id FROM v_journeys WHERE {began}"
    ids = {row[0] for row in client.execute(sql, {"since": since, "until": until})}
    period = ("--since", "2024-01-03T00:00:00Z", "--until", "2024-01-06T00:00:00Z")
    frame = pl.read_parquet(told.file("some.parquet", *period))
    assert set(frame["case_id"]) == ids
    assert len(frame) == sum(len(told.journeys[id_]) for id_ in ids)
    topics = pl.read_parquet(told.file("topics.parquet", "--topic", "refund", "--topic", "invoice"))
    assert set(topics["journey_topic"]) == {"refund", "invoice"}
    nothing = told.export("--output", str(told.folder / "none.xes"), "--topic", "nobody's", "--json")
    assert json.loads(nothing.stdout)["rows"] == 0
    assert ET.parse(told.folder / "none.xes").getroot() is not None  # noqa: S314 - our own file


def test_journeys_are_selected_by_how_they_ended_and_what_they_met(told: Told) -> None:
    client = connect(told.company.address)

    def ids(condition: str) -> set[str]:
        return {row[0] for row in client.execute(f"SELECT journey_id FROM v_journeys WHERE {condition}")}

    met = "journey_id IN (SELECT journey_id FROM v_frictions WHERE rule_id = 'channel_redirect')"
    for words, condition in (
        (("--outcome", "unsolved"), "outcome = 'unsolved'"),
        (("--outcome", "unsolved", "--outcome", "open"), "outcome IN ('unsolved', 'open')"),
        (("--status", "closed"), "status = 'closed'"),
        (("--channel", "chat"), "has(channels, 'chat')"),
        (("--channel", "chat", "--channel", "email"), "hasAny(channels, ['chat', 'email'])"),
        (("--rule", "channel_redirect"), met),
        (("--rule", "channel_redirect", "--status", "closed", "--channel", "phone"),
         f"{met} AND status = 'closed' AND has(channels, 'phone')"),
    ):  # fmt: skip
        expected = ids(condition)
        assert 0 < len(expected) < len(told.journeys), words
        events = pl.read_parquet(told.file("selected.parquet", *words))
        assert set(events["case_id"]) == expected, words
        assert len(events) == sum(len(told.journeys[id_]) for id_ in expected), words
        assert set(pl.read_parquet(told.file("j.parquet", "--what", "journeys", *words))["journey_id"]) == expected
    statuses = dict(events.select("case_id", "journey_status").rows())
    assert set(statuses.values()) == {"closed"}
    client.disconnect()


def test_frictions_are_selected_by_rule_status_and_channel(told: Told) -> None:
    client = connect(told.company.address)
    for words, condition in (
        (("--rule", "loop", "--rule", "repeat_contact"), "rule_id IN ('loop', 'repeat_contact')"),
        (("--status", "cleared"), "status = 'cleared'"),
        (("--channel", "chat"), "from_channel = 'chat' OR to_channel = 'chat'"),
    ):  # fmt: skip
        expected = {row[0] for row in client.execute(f"SELECT friction_id FROM v_frictions WHERE {condition}")}
        assert expected, words
        frame = pl.read_parquet(told.file("f.parquet", "--what", "frictions", *words))
        assert set(frame["friction_id"]) == expected, words
    client.disconnect()


def test_events_can_be_named_by_their_channel(told: Told) -> None:
    by_channel = pl.read_parquet(told.file("channels.parquet", "--activity", "channel"))
    assert by_channel["activity"].to_list() == by_channel["channel"].to_list()
    both = pl.read_parquet(told.file("both.parquet", "--activity", "kind-channel", "--tenant", "evil"))
    assert both["activity"].to_list() == [f"{HOSTILE} (@web)", "contact.ended (phone)"]


def test_the_summary_counts(told: Told) -> None:
    path = told.folder / "counted.xes.gz"
    summary = json.loads(told.export("--output", str(path), "--json").stdout)
    assert summary == {
        "file": str(path),
        "format": "xes",
        "what": "touchpoints",
        "rows": sum(map(len, told.journeys.values())),
        "journeys": len(told.journeys),
        "bytes": path.stat().st_size,
    }
    assert path.stat().st_mode & 0o777 == 0o600
    # No time of writing in it: equal content makes equal files.
    assert told.file("again.xes.gz").read_bytes() == path.read_bytes()


def test_mistakes_are_told_and_nothing_is_left_behind(told: Told, tmp_path: Path) -> None:
    there = tmp_path / "there.csv"
    there.write_text("mine")
    for code, message, words in (
        (1, "exists; give --force", ["--output", str(there)]),
        (1, "there is no folder", ["--output", str(tmp_path / "nowhere" / "log.csv")]),
        (1, "is a folder", ["--output", str(tmp_path), "--format", "csv"]),
        (2, "give --format", ["--output", str(tmp_path / "log.txt")]),
        (2, "leave .gz away", ["--output", str(tmp_path / "log.parquet.gz")]),
        (2, "use csv or parquet", ["--output", str(tmp_path / "log.xes"), "--what", "frictions"]),
        (2, "only touchpoints", ["--output", str(tmp_path / "j.csv"), "--what", "journeys", "--activity", "channel"]),
        (2, "frictions have none", ["-o", str(tmp_path / "f.csv"), "--what", "frictions", "--outcome", "open"]),
        (2, "open or cleared", ["-o", str(tmp_path / "f.csv"), "--what", "frictions", "--status", "closed"]),
        (2, "open or closed", ["-o", str(tmp_path / "f.csv"), "--status", "cleared"]),
        (2, "2026-03-02T09:20:00Z", ["--output", str(tmp_path / "log.csv"), "--since", "yesterday"]),
    ):
        done = told.export(*words)
        assert (done.exit_code, message in " ".join(done.output.replace("│", " ").split())) == (code, True), done.output
    away = CliRunner().invoke(app, ["export", "-o", str(tmp_path / "log.parquet"), "--clickhouse", "127.0.0.1:1"])
    assert (away.exit_code, "is the stack up" in away.output) == (1, True), away.output
    assert list(tmp_path.iterdir()) == [there]
    assert there.read_text() == "mine"


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"

    def interrupted() -> None:
        with written_whole(path) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with written_whole(path) as part:
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    with pytest.raises(FileRefused), written_whole(path) as part:
        part.write_text("other")
    assert path.read_text() == "whole"
