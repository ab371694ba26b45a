"""The alerts worker under ten thousand frictions a minute, and the journeys worker beside an endpoint that is away.

Run with `make bench-alerts`. Brings up a broker and a ClickHouse of its own, and endpoints on loopback in place of
teams. `flood` sends frictions to the alerts worker evenly over a minute and looks at what every channel was told.
`beside` sends frictions and touchpoints at once, in turn while the endpoint answers, hangs and refuses connections, and
compares what the intake and journeys worker takes for the touchpoints: the ratio to the run before it in which the
endpoint answered.

Exit code 0: measured; 1: something was wrong or broke; 2: a wrong option.
"""

import argparse
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
import psutil

from bench.load import Load, fill, make_load
from bench.pipeline import end_when_told
from bench.site import BenchError, Site, require_alive, running, running_site
from bench.workers import Cost, Kind, running_workers
from schemas.alerts import AlertIntent, encode_intent
from streams.broker import Outgoing
from streams.lag import committed_offsets
from streams.topics import OUTBOX
from tests.support.alert_intents import an_intent
from tests.support.chat_endpoint import Answer, ChatEndpoint, chat_endpoint_in_thread
from tests.support.deadline import wait_until
from tests.support.local_broker import free_port

#: Channels, and how many messages each may get within how many seconds.
LIMITS: Final = {"desk": (5, 20), "floor": (2, 20)}
_RULES: Final = (
    "channel_redirect", "unanswered_contact", "wait_sum", "repeat_contact", "ping_pong", "handoff_chain",
    "promise_broken", "form_abandoned",
)  # fmt: skip
#: What the endpoint does while the other worker is measured; the first is what the others are compared with.
_STATES: Final = ("answers", "hangs", "refuses connections")
#: 2026-01-05, a Monday, UTC: before today, so that nothing lies in the future.
_START: Final = 1_767_571_200_000
#: Up to so many causes everybody is told within minutes under the limits above.
_CAUSES_TOLD: Final = 50
_CHUNKS_A_SECOND: Final = 10
_STARTS_WITHIN_S: Final = 180.0


class Flood(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a flood of frictions.

    `behind_s` is how long after the last friction was sent all were written down. `resident_bytes` is the memory of the
    alerts worker, ten values evenly spread over the flood. `told` counts messages by channel and kind. `problems` is
    empty when all was right.
    """

    frictions: int
    causes: int
    seconds: float
    behind_s: float
    cpu_s: float
    resident_bytes: tuple[int, ...]
    told: dict[str, dict[str, int]]
    problems: tuple[str, ...] = ()


def routing(digest_in_s: float, group_by: str, *, is_limited: bool = True) -> str:
    """A file with two channels under limits of seconds instead of hours."""
    # A digest is for a minute of the day.
    at = datetime.fromtimestamp(time.time() + digest_in_s, UTC).strftime("%H:%M")
    limits = "\n".join(f"  {name}: {{messages: {most}, within: {s}s}}" for name, (most, s) in LIMITS.items())
    return f"""
channels:
  desk: {{type: webhook, url_env: DESK_URL, secret_env: DESK_SECRET}}
  floor: {{type: webhook, url_env: FLOOR_URL, secret_env: DESK_SECRET}}
routes:
  - channels: [desk]
  - channels: [floor]
    min_severity: 4
group_by: {group_by}
group_wait: 3s
group_interval: 20s
minimum: false
swarm: false
digest: {{below_severity: 3, at: '{at}'}}
{f"limits:{chr(10)}{limits}" if is_limited else "limit: false"}
"""


def intents(frictions: int, causes: int) -> list[AlertIntent]:
    """Frictions of so many causes in turn, each of another customer; of every five causes one of each severity."""
    now = time.time_ns() // 1_000_000
    found = []
    for number in range(frictions):
        cause = number % causes
        channels = {"from_channel": f"from-{cause // len(_RULES) % 97}", "to_channel": f"to-{cause // 776}"}
        name = f"{number:032x}"
        found.append(
            an_intent(
                friction_id=name, person_key=name, journey_id=name, rule_id=_RULES[cause % len(_RULES)],
                severity=1 + cause % 5, anchor_at=now, **channels,
            )
        )  # fmt: skip
    return found


def flood(site: Site, frictions: int, causes: int, seconds: float, patience_s: float) -> Flood:
    """Send frictions evenly over `seconds` to a worker of its own, and wait until everybody was told.

    Raises:
        BenchError: it takes longer than `patience_s`, or the worker ended.

    """
    # The digest is after the flood, and after what the limits let go first.
    file = site.folder / "alerts.yaml"
    file.write_text(routing(seconds + 120, "[rule, from_channel, to_channel, team]"))
    with ExitStack() as ending:
        desk, floor = (ending.enter_context(chat_endpoint_in_thread()) for _ in LIMITS)
        process, log = ending.enter_context(alerts_worker(site, file, desk.url(), floor.url("/floor")))
        handle = psutil.Process(process.pid)
        before_s = sum(handle.cpu_times()[:2])
        values = [encode_intent(one) for one in intents(frictions, causes)]
        parts = round(seconds * _CHUNKS_A_SECOND)
        # One of each cause comes at once, so that all are due at one moment and their severity alone decides.
        first = causes if causes <= _CAUSES_TOLD else 0
        resident: list[int] = []
        began = time.monotonic()
        for part in range(parts):
            start, end = (first + number * (frictions - first) // parts for number in (part, part + 1))
            some = values[start if part else 0 : end]
            fill(site.settings.kafka, [Outgoing(OUTBOX, 0, b"", value, None, []) for value in some])
            if (part + 1) % (parts // 10) == 0:
                resident.append(handle.memory_info().rss)
            time.sleep(max(began + (part + 1) / _CHUNKS_A_SECOND - time.monotonic(), 0.0))
        sent_at = time.monotonic()
        group = f"{site.settings.group_prefix}-alerts"

        def written() -> bool:
            require_alive(process, log)
            return committed_offsets(site.settings.kafka, group, OUTBOX).get(0, 0) >= frictions

        _wait(written, patience_s, "not all frictions were written")
        behind_s = time.monotonic() - sent_at
        cpu_s = sum(handle.cpu_times()[:2]) - before_s

        def everybody_told() -> bool:
            require_alive(process, log)
            untold = "SELECT count() FROM v_alerts WHERE state NOT IN ('delivered', 'digested')"
            return site.ask(untold) == [(0,)]

        if causes <= _CAUSES_TOLD:
            _wait(everybody_told, patience_s, "somebody was not told")
        resident.append(handle.memory_info().rss)
        process.send_signal(signal.SIGTERM)
        if process.wait(60) != 0:
            raise BenchError(f"the alerts worker ended with {process.returncode}; see {log}")
        told = {name: _kinds(endpoint) for name, endpoint in (("desk", desk), ("floor", floor))}
        found = [*_problems("desk", desk), *_problems("floor", floor), *_written_problems(site, frictions)]
        if causes <= _CAUSES_TOLD:
            found += [*_order_problems("desk", desk), *_order_problems("floor", floor)]
    return Flood(
        frictions=frictions, causes=causes, seconds=round(sent_at - began, 1), behind_s=round(behind_s, 2),
        cpu_s=round(cpu_s, 2), resident_bytes=tuple(resident), told=told, problems=tuple(found),
    )  # fmt: skip


@contextmanager
def alerts_worker(site: Site, file: Path, desk: str, floor: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """An alerts worker that was given its partition, and its log."""
    where = ["--data-dir", str(site.folder), "--kafka", site.settings.kafka.bootstrap]
    where += ["--clickhouse", f"127.0.0.1:{site.settings.clickhouse.port}"]
    environment = {
        "JOURNEYS_ALERT_ROUTING": str(file), "DESK_URL": desk, "FLOOR_URL": floor,
        "DESK_SECRET": "whsec_" + "A" * 32, **site.environment,
    }  # fmt: skip
    log = site.folder / "alerts.log"
    command = [sys.executable, "-m", "streams.cli.main", "worker", "--agents", "alerts", *where]
    with running(command, log, environment) as process:

        def is_assigned() -> bool:
            require_alive(process, log)
            return b"alerts_taken_up" in log.read_bytes()

        _wait(is_assigned, _STARTS_WITHIN_S, "the alerts worker does not start")
        yield process, log


def _wait(holds: Callable[[], bool], seconds: float, otherwise: str) -> None:
    try:
        wait_until(holds, seconds=seconds)
    except AssertionError as error:
        raise BenchError(f"{otherwise} within {seconds:g} s") from error


def _kinds(endpoint: ChatEndpoint) -> dict[str, int]:
    return dict(Counter(request.json["data"]["kind"] for request in endpoint.received))


def _decided(endpoint: ChatEndpoint) -> list[tuple[float, dict[str, Any]]]:
    """When each message was decided, UTC seconds, and what it says; in the order in which they came."""
    messages = [request.json for request in endpoint.received]
    return [(datetime.fromisoformat(one["timestamp"]).timestamp(), one["data"]) for one in messages]


def _problems(name: str, endpoint: ChatEndpoint) -> Iterator[str]:
    """What is wrong with what a channel was told, however many causes there are."""
    most, within_s = LIMITS[name]
    decided = sorted(at for at, _ in _decided(endpoint))
    for first, after in zip(decided, decided[most:], strict=False):
        if after - first <= within_s:
            yield f"{name} got {most + 1} messages within {after - first:.1f} s"
    ids = Counter(request.headers["webhook-id"] for request in endpoint.received)
    yield from (f"{name} got {id_} {count} times" for id_, count in ids.items() if count > 1)


def _order_problems(name: str, endpoint: ChatEndpoint) -> Iterator[str]:
    """Openings that came before more severe ones, and whether there was a digest."""
    data = [data for _, data in _decided(endpoint)]
    opened = [one["subjects"][0]["severity"] for one in data if one["kind"] == "opened"]
    if any(before < after for before, after in pairwise(opened)):
        yield f"{name} was not told of the most severe first: {opened}"
    if not any(one["kind"] == "digest" for one in data):
        yield f"{name} got no digest"


def _written_problems(site: Site, frictions: int) -> Iterator[str]:
    for what, sql in (
        ("frictions in the ledger", "SELECT uniqExact(friction_id) FROM v_alerts"),
        ("frictions of incidents", "SELECT toUInt64(sum(frictions)) FROM v_alert_incidents"),
        ("customers of incidents", "SELECT toUInt64(sum(customers)) FROM v_alert_incidents"),
    ):
        ((found,),) = site.ask(sql)
        if found != frictions:
            yield f"{found} {what} instead of {frictions}"


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What the intake and journeys worker took for the same touchpoints, by what the endpoint did, run by run.

    `ratios` compare the CPU seconds of the worker, and its seconds, with those of the run of the same round in which
    the endpoint answered: median, lowest and highest.
    """

    events: int
    frictions: int
    cpu_s: dict[str, list[float]]
    wall_s: dict[str, list[float]]
    attempts: dict[str, list[int]]
    ratios: dict[str, dict[str, tuple[float, float, float]]]


def beside(events: int, frictions: int, rounds: int, patience_s: float) -> Beside:
    """Run the worker beside an endpoint that answers, hangs and refuses connections, in turn.

    Raises:
        BenchError: a run takes longer than `patience_s`, or a worker ended.

    """
    load = make_load(events, max(events // 25, 1), seed=7, start=_START, partitions=4)
    cpu_s: dict[str, list[float]] = {state: [] for state in _STATES}
    wall_s: dict[str, list[float]] = {state: [] for state in _STATES}
    attempts: dict[str, list[int]] = {state: [] for state in _STATES}
    for number in range(rounds):
        # Whoever goes first may have a warmer machine.
        for state in _STATES[number % len(_STATES) :] + _STATES[: number % len(_STATES)]:
            sys.stderr.write(f"round {number + 1} of {rounds}: the endpoint {state}\n")
            cost, tried = _run_beside(state, load, frictions, patience_s)
            cpu_s[state].append(cost.cpu_s)
            wall_s[state].append(cost.wall_s)
            attempts[state].append(tried)
    ratios = {
        what: {state: _ratios(values[state], values[_STATES[0]]) for state in _STATES[1:]}
        for what, values in (("cpu", cpu_s), ("wall", wall_s))
    }
    return Beside(
        events=len(load.records), frictions=frictions, cpu_s=cpu_s, wall_s=wall_s, attempts=attempts, ratios=ratios
    )


def _run_beside(state: str, load: Load, frictions: int, patience_s: float) -> tuple[Cost, int]:
    with running_site("embedded", 4) as site, ExitStack() as ending:
        endpoint = ending.enter_context(chat_endpoint_in_thread(usual=Answer(hangs=state == "hangs")))
        url = f"http://127.0.0.1:{free_port()}/" if state == "refuses connections" else endpoint.url()
        file = site.folder / "alerts.yaml"
        file.write_text(routing(7_200, "[rule, from_channel, to_channel, team]", is_limited=False))
        records = [Outgoing(OUTBOX, 0, b"", encode_intent(one), None, []) for one in intents(frictions, 40)]
        fill(site.settings.kafka, records)
        fill(site.settings.kafka, load.records)
        ending.enter_context(alerts_worker(site, file, url, url))
        workers = ending.enter_context(running_workers(Kind.WHOLE, site))
        cost = workers.drain(patience_s, lambda _: None)
        workers.end()
        ((tried,),) = site.ask("SELECT toUInt64(sum(attempts)) FROM v_alert_notices")
        return cost, tried


def _ratios(values: Sequence[float], to: Sequence[float]) -> tuple[float, float, float]:
    found = [round(value / other, 3) for value, other in zip(values, to, strict=True)]
    return median(found), min(found), max(found)


def main() -> int:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(
        prog="make bench-alerts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("what", choices=("flood", "beside"))
    add("--frictions", type=int, default=10_000, help="in all (default: %(default)s)")
    add("--causes", type=int, default=40, help="flood: of so many causes (default: %(default)s)")
    add("--seconds", type=float, default=60.0, help="flood: evenly over so long (default: %(default)s)")
    add("--events", type=int, default=100_000, help="beside: touchpoints of a run (default: %(default)s)")
    add("--rounds", type=int, default=3, help="beside: how often (default: %(default)s)")
    add("--patience", type=float, default=600.0, help="seconds until it is taken to be stuck (default: %(default)s)")
    options = parser.parse_args()
    end_when_told()
    found: Flood | Beside
    try:
        if options.what == "beside":
            found = beside(options.events, options.frictions, options.rounds, options.patience)
        else:
            with running_site("embedded", 4) as site:
                found = flood(site, options.frictions, options.causes, options.seconds, options.patience)
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    print(msgspec.json.format(msgspec.json.encode(found)).decode())
    return 1 if isinstance(found, Flood) and found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
