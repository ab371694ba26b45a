"""A believable company: everyday life of many persons, with stories planted in it of which the truth is known.

A pure function of its numbers and the seed: no clock, no global randomness. Touchpoints stream in the order in which
systems would send them, which is not quite the order in which they happened.
"""

import hashlib
from collections.abc import Iterator
from heapq import heappop, heappush, merge
from itertools import count
from operator import attrgetter
from random import Random
from typing import Final

import msgspec

from schemas.json_form import iso_time
from schemas.touchpoint import Touchpoint
from streams.producing.company import HOUR_WEIGHTS
from streams.producing.everyday import GLANCE, EpisodeKind, EverydayLife, episode_sizes
from streams.producing.identity_scenarios import (
    IDENTITY_SCENARIOS,
    LONGEST_IDENTITY_STORY,
    PLACEHOLDER,
    Arrival,
    Cast,
    IdentityScenario,
    PlantedPerson,
    Sending,
    placeholder_customer,
    sendings,
)
from streams.producing.planted import DAY, HOUR, MINUTE, PlantedExample, PlantedFriction, Script, SilentCase
from streams.producing.rule_examples import Places, RuleExample, most_telling_first, rule_examples, tell
from streams.producing.scenarios import HOUSEHOLDS, LONGEST_STORY, SCENARIOS, Scenario

#: Room for the longest story, for what its person does before, and for the deadlines that its frictions wait for.
SHORTEST_SPAN_DAYS: Final = 24
DEFAULT_SPAN_DAYS: Final = 28
_BEFORE_STORIES: Final = DAY
#: Frictions wait 72 hours to be lost or to age; the watermark stays behind by the allowed lateness.
_AFTER_STORIES: Final = 5 * DAY
#: How long an example takes until all is decided is known; the watermark stays behind all the same.
_AFTER_EXAMPLES: Final = DAY

_PERSONS_PER_STORY: Final = 10
_ANONYMOUS_SHARE: Final = 0.2
_LATE_SHARE: Final = 0.01
_LATEST: Final = 6 * HOUR
#: Stories arrive in order: what the rules say in between depends on what they have seen so far.
_USUAL_DELAY: Final = 2_000
_TOUCHPOINTS_PER_DUPLICATE: Final = 200
#: Persons who look in at the very end, so that time passes the last deadline in every partition.
_CLOSING_PERSONS: Final = 64


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of what is generated. `lines` counts exact duplicates too, `touchpoints` does not."""

    touchpoints: int
    duplicates: int
    lines: int
    persons: int
    frictions: int
    silent: int


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What must be found in generated data, and where nothing must be found.

    About the rules that the written scenarios are of (`streams.producing.scenarios`) it is complete: nothing else may
    be found of them, but with the people of `examples`. About each of these it is complete for one rule, the one that
    the example is of: what other rules make of an example is not said.

    `start` and `end` are ISO 8601, the span in which everything happens. `people` are those with planted identities;
    everybody else has one identity. `placeholders` are identities of nobody: where one of them comes first, the next
    identity says who it was.
    """

    persons: int
    events: int
    seed: int
    start: str
    end: str
    totals: Totals
    frictions: tuple[PlantedFriction, ...]
    silent: tuple[SilentCase, ...]
    people: tuple[PlantedPerson, ...]
    placeholders: tuple[str, ...]
    examples: tuple[PlantedExample, ...]


class GeneratedCompany:
    """Data of a company with `persons` persons and `events` distinct touchpoints from `start` (UTC milliseconds) on.

    With `identities` there are, beyond these, people who are known by several identities. With `catalogue`, after the
    written scenarios, some of these persons live through the examples of the rule files, as many as there is room for:
    first those that show a variant or a guard that none before shows. Ids and persons carry a hash of all numbers, so
    data sets made from different ones never mix.

    Raises:
        ValueError: the numbers are too small for each other; the message says what is needed.

    """

    def __init__(
        self,
        *,
        persons: int,
        events: int,
        seed: int,
        start: int,
        span_days: int = DEFAULT_SPAN_DAYS,
        identities: bool = False,
        catalogue: bool = False,
    ) -> None:
        if persons < 1:
            raise ValueError(f"at least one person is needed, got {persons}")
        if events < persons:
            raise ValueError(f"every person needs a touchpoint: {persons} persons, but only {events} events")
        if span_days < SHORTEST_SPAN_DAYS:
            raise ValueError(f"stories need a span of at least {SHORTEST_SPAN_DAYS} days, got {span_days}")
        #: Decides all chances; the start does not, so that the same story can be told of any time.
        self._chances = f"{persons}/{events}/{seed}/{span_days}"
        distinction = f"{self._chances}/{start}" + "/identities" * identities + "/catalogue" * catalogue
        self._tag = hashlib.blake2b(distinction.encode(), digest_size=4).hexdigest()
        self._seed = seed
        self._start = start
        self._end = start + span_days * DAY
        self._events = events
        self._persons = persons
        self._duplicates = events // _TOUCHPOINTS_PER_DUPLICATE
        self._examples: list[PlantedExample] = []
        self._scripts = self._plant(catalogue=catalogue)
        self._casts = self._plant_identities() if identities else {}
        self._sendings = sorted(
            (sending for cast, arrival in self._casts.items() for sending in sendings(cast, arrival)),
            key=lambda sending: (sending.at, sending.touchpoint.id),
        )

    @property
    def truth(self) -> Truth:
        """What is in the data."""
        known_by_several = [script for cast in self._casts for script in cast.scripts]
        scripts = [*self._scripts, *known_by_several]
        frictions = tuple(friction for script in scripts for friction in script.frictions)
        silent = tuple(case for script in scripts for case in script.silent)
        people = tuple(person for cast in self._casts for person in cast.people)
        touchpoints = self._events + sum(len(script.touchpoints) for script in known_by_several)
        lines = self._events + self._duplicates + len(self._sendings)
        return Truth(
            persons=self._persons,
            events=self._events,
            seed=self._seed,
            start=iso_time(self._start),
            end=iso_time(self._end),
            totals=Totals(
                touchpoints=touchpoints,
                duplicates=lines - touchpoints,
                lines=lines,
                persons=self._persons + len(people),
                frictions=len(frictions),
                silent=len(silent),
            ),
            frictions=frictions,
            silent=silent,
            people=people,
            placeholders=(PLACEHOLDER,) if self._casts else (),
            examples=tuple(self._examples),
        )

    def touchpoints(self) -> Iterator[Touchpoint]:
        """All touchpoints, exact duplicates among them, in the order of sending; the same at every call."""
        for sending in merge(self._company_sendings(), self._sendings, key=attrgetter("at")):
            yield sending.touchpoint

    def _company_sendings(self) -> Iterator[Sending]:
        rng = self._random("sending")
        twice = set(rng.sample(range(self._events), self._duplicates))
        queue: list[tuple[int, int, Touchpoint]] = []
        order = count()
        sent = 0
        for start, episode in self._episodes():
            while queue and queue[0][0] <= start:
                at, _, touchpoint = heappop(queue)
                yield Sending(at, touchpoint)
            for touchpoint, is_story in episode:
                delay = rng.randint(0, _USUAL_DELAY)
                is_late = rng.random() < _LATE_SHARE and touchpoint.occurred_at < self._end - DAY
                if is_late and not is_story:
                    delay = rng.randint(_USUAL_DELAY, _LATEST)
                heappush(queue, (touchpoint.occurred_at + delay, next(order), touchpoint))
                if sent in twice:
                    heappush(queue, (touchpoint.occurred_at + delay + rng.randint(1, HOUR), next(order), touchpoint))
                sent += 1
        while queue:
            at, _, touchpoint = heappop(queue)
            yield Sending(at, touchpoint)

    def _random(self, purpose: str) -> Random:
        return Random(f"{self._chances}/{purpose}")  # noqa: S311 - data for trying things, nothing secret

    def _person(self, number: int, namespace: str = "customer_no") -> str:
        return f"{namespace}:{self._tag}-{number:06d}"

    def _identity(self, namespace: str, number: int) -> str:
        """An identity of nobody else."""
        if namespace == "phone":
            return f"phone:+49{int(self._tag, 16):010d}{number:03d}"
        return f"{namespace}:{self._tag}-i{number}" + ("@mail.example" if namespace == "email" else "")

    def _ids(self, prefix: str) -> Iterator[str]:
        return (f"{self._tag}-{prefix}{number}" for number in count(1))

    def _plant(self, *, catalogue: bool) -> list[Script]:
        """Stories, at most for every second person; every one once where there are persons and events enough."""
        rng = self._random("stories")
        ids = self._ids("s")
        stories: list[Scenario | RuleExample] = [*SCENARIOS]
        # Where examples have a place depends on the start, so they have chances of their own.
        examples_rng = self._random("catalogue")
        places = Places(self._start + _BEFORE_STORIES, self._end - _AFTER_EXAMPLES)
        if catalogue:
            stories += most_telling_first([one for one in rule_examples() if places.has_room(one)], examples_rng)
        wanted = min(max(len(stories), self._persons // _PERSONS_PER_STORY), self._persons // 2)
        room = (self._events - self._persons) // 2
        scripts: list[Script] = []
        for number in range(wanted):
            story = stories[number % len(stories)]
            if isinstance(story, RuleExample):
                person = self._person(number + 1)
                script = Script(story.scenario, person, self._start, lambda: next(ids), examples_rng)
                tell(story, script, places.shift(story, examples_rng), next(ids))
            else:
                person = self._person(number + 1, "household" if story in HOUSEHOLDS else "customer_no")
                earliest = self._start + _BEFORE_STORIES
                start = rng.randint(earliest, self._end - _AFTER_STORIES - LONGEST_STORY)
                script = Script(story.__name__, person, start, lambda: next(ids), rng)
                story(script)
            room -= len(script.touchpoints)
            if room < 0:
                break
            scripts.append(script)
            if isinstance(story, RuleExample):
                self._examples.append(story.planted(person))
        return scripts

    def _plant_identities(self) -> dict[Cast, Arrival]:
        """People with several identities, each scenario in every order of arrival, and a placeholder once."""
        rng = self._random("identities")
        ids = self._ids("i")
        numbers = count(1)
        room = self._end - _AFTER_STORIES - LONGEST_IDENTITY_STORY

        def cast(scenario: IdentityScenario) -> Cast:
            start = rng.randint(self._start + _BEFORE_STORIES, room)
            made = Cast(
                scenario.__name__,
                start,
                lambda: next(ids),
                lambda namespace: self._identity(namespace, next(numbers)),
                rng,
            )
            scenario(made)
            return made

        casts = {cast(scenario): arrival for scenario in IDENTITY_SCENARIOS for arrival in Arrival}
        return casts | {cast(placeholder_customer): Arrival.SOME_LATE}

    def _episodes(self) -> Iterator[tuple[int, list[tuple[Touchpoint, bool]]]]:
        """Start of every episode and its touchpoints, in the order of their starts; true marks those of a story."""
        rng = self._random("everyday")
        planned = self._plan(rng)
        ids = self._ids("e")
        life = EverydayLife(rng, lambda: next(ids))
        stories = sorted(
            ((touchpoint.occurred_at, number, touchpoint) for number, touchpoint in enumerate(self._all_planted())),
        )
        told = iter(stories)
        story = next(told, None)
        for start, person, kind, size in planned:
            while story is not None and story[0] <= start:
                yield story[0], [(story[2], True)]
                story = next(told, None)
            yield start, [(touchpoint, False) for touchpoint in life.episode(kind, size, person, start)]
        while story is not None:
            yield story[0], [(story[2], True)]
            story = next(told, None)

    def _all_planted(self) -> Iterator[Touchpoint]:
        for script in self._scripts:
            yield from script.touchpoints

    def _plan(self, rng: Random) -> list[tuple[int, str, EpisodeKind, int]]:
        """Start, person, kind and size of every everyday episode; everybody without a story has at least a glance."""
        everyday = [
            self._person(number, "cookie" if rng.random() < _ANONYMOUS_SHARE else "customer_no")
            for number in range(len(self._scripts) + 1, self._persons + 1)
        ]
        closing = set(everyday[:_CLOSING_PERSONS])
        planned = [
            (
                self._end - rng.randint(1, 30 * MINUTE) if person in closing else self._moment(rng, GLANCE),
                person,
                GLANCE,
                1,
            )
            for person in everyday
        ]
        left = self._events - sum(len(script.touchpoints) for script in self._scripts) - len(everyday)
        for kind, size in episode_sizes(rng, left):
            planned.append((self._moment(rng, kind), rng.choice(everyday), kind, size))
        planned.sort(key=lambda episode: episode[:2])
        return planned

    def _moment(self, rng: Random, kind: EpisodeKind) -> int:
        """A moment at which an episode may begin so that it is over before the end, by day rather than by night."""
        days = (self._end - self._start - kind.longest) // DAY
        hour = rng.choices(range(24), HOUR_WEIGHTS)[0]
        moment = self._start + rng.randrange(days) * DAY + hour * HOUR + rng.randrange(HOUR)
        return min(moment, self._end - kind.longest - HOUR)
