"""A made-up week of frictions, and the messages that one team gets of it: the table in docs/alerts.md.

Ten causes stand for the whole week, each with customers by the hour of the day; on Wednesday the login fails for two
hours. Four in a hundred frictions are withdrawn some minutes later, because something arrived late. The same seed makes
the same week.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final, NamedTuple

from schemas.alerts import AlertIntent
from sinks.alerts.notice import NoticeKind
from sinks.alerts.policy import Policy
from sinks.alerts.rehearsal import Rehearsal
from sinks.alerts.routing import Routing, default_routing, policy_of

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
#: Monday, 2026-01-05, 00:00 UTC.
MONDAY: Final = 1_767_571_200_000
#: Rule, from and to which channel, severity, customers a day.
STANDING: Final = (
    ("channel_redirect", "social", "web", 4, 14),
    ("channel_redirect", "chat", "phone", 3, 40),
    ("repeat_contact", "phone", "", 3, 60),
    ("unanswered_contact", "email", "", 4, 9),
    ("wait_sum", "phone", "", 2, 120),
    ("form_burden", "web", "", 2, 70),
    ("unprompted_switch", "web", "phone", 1, 90),
    ("context_loss", "chat", "email", 4, 5),
    ("promise_broken", "phone", "", 5, 2),
    ("search_loop", "web", "", 1, 30),
)
#: The login fails: from Wednesday, 10:00, for two hours, for three customers a minute.
OUTAGE: Final = ("login_loop", "app", "phone", 4, 360)
_WITHDRAWN: Final = 0.04


class Moment(NamedTuple):
    """Something that the alerts agent reads, and when."""

    at: int
    intent: AlertIntent


class Week(NamedTuple):
    """What one policy made of the week: frictions read, messages sent by kind, and messages by cause and day."""

    frictions: int
    messages: Counter[NoticeKind]
    rehearsal: Rehearsal


def moments(seed: int = 7) -> Sequence[Moment]:
    """All of the week, in order."""
    chances = Random(seed)  # noqa: S311 - a made-up week
    return sorted(_moments(chances), key=lambda moment: (moment.at, moment.intent.friction_id))


def _moments(chances: Random) -> Iterator[Moment]:
    for number, (rule, came_from, went_to, severity, customers) in enumerate(STANDING):
        for day in range(7):
            for turn in range(round(customers * chances.uniform(0.8, 1.2))):
                at = MONDAY + day * DAY + int(chances.triangular(7 * HOUR, 22 * HOUR, 11 * HOUR))
                yield from _friction(chances, f"{number}-{day}-{turn}", at, (rule, came_from, went_to, severity))
    rule, came_from, went_to, severity, customers = OUTAGE
    for turn in range(customers):
        at = MONDAY + 2 * DAY + 10 * HOUR + chances.randrange(2 * HOUR)
        yield from _friction(chances, f"outage-{turn}", at, (rule, came_from, went_to, severity))


def _friction(chances: Random, name: str, at: int, cause: tuple[str, str, str, int]) -> Iterator[Moment]:
    rule, came_from, went_to, severity = cause
    fields: dict[str, Any] = {
        "friction_id": name, "tenant": "default", "rule_id": rule, "variant": "", "severity": severity,
        "team": "service", "topic": None, "from_channel": came_from or None, "to_channel": went_to or None,
        "anchor_at": at, "minutes": 6.0, "person_key": f"person-{chances.randrange(40_000)}", "journey_id": name,
        "sentence_en": "", "sentence_de": "", "evidence": (), "nearest_miss": "",
    }  # fmt: skip
    yield Moment(at, AlertIntent(action="open", version=1, **fields))
    if chances.random() < _WITHDRAWN:
        yield Moment(at + chances.randrange(30 * MINUTE), AlertIntent(action="retract", version=2, **fields))


def a_team(**changes: object) -> Routing:
    """A file with one channel and one route, and what it says besides."""
    fields = {"channels": {"desk": {"type": "console"}}, "routes": [{"channels": ["desk"]}]}
    return Routing.model_validate({**fields, **changes})


def lived(policy: Policy, week: Sequence[Moment]) -> Week:
    """Let a week happen under a policy, and the day after it, so that nothing is left to be said."""
    rehearsal = Rehearsal(policy, MONDAY)
    for moment in week:
        if moment.at > rehearsal.now:
            rehearsal.pass_time(moment.at - rehearsal.now)
        rehearsal.take(moment.intent)
    rehearsal.pass_time(MONDAY + 8 * DAY - rehearsal.now)
    messages = Counter(notice.kind for _, notice in rehearsal.sent)
    return Week(sum(moment.intent.action == "open" for moment in week), messages, rehearsal)


def policies() -> dict[str, Policy]:
    """The policies that the page compares, by what it calls them."""
    return {
        "no file: the console": policy_of(default_routing()),
        "a file with one channel and one route": policy_of(a_team()),
        "the same, office hours (Mon-Fri 8-18)": policy_of(
            a_team(
                calendars={"office": {"hours": {"mon-fri": "08:00-18:00"}, "timezone": "Europe/Berlin"}},
                hours={"calendar": "office"},
            )
        ),
    }


def rows() -> list[tuple[str, ...]]:
    """The table: what a channel gets in the week, by policy and kind of message."""
    week = moments()
    opened = sum(moment.intent.action == "open" for moment in week)
    withdrawn = len(week) - opened
    found: list[tuple[str, ...]] = [
        ("one message for each friction", f"{len(week):,}", f"{opened:,}", "0", "0", "0", f"{withdrawn:,}")
    ]
    for name, policy in policies().items():
        lived_week = lived(policy, week)
        kinds = ("opened", "updated", "digest", "closed", "withdrawn")
        counts = [lived_week.messages[NoticeKind(kind)] for kind in kinds]
        found.append((name, f"{lived_week.messages.total():,}", *(f"{count:,}" for count in counts)))
    return found
