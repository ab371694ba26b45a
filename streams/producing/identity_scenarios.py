"""Planted humans who are known by several identities, which meet only over time or should never have met.

Every scenario says who is who. Their frictions can be found only when each human is one person, and others would be
found if different humans were taken for one.
"""

from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Final, NamedTuple

import msgspec

from schemas.touchpoint import Touchpoint
from streams.producing.company import CRM
from streams.producing.planted import DAY, HOUR, MINUTE, Script
from streams.producing.scenarios import REDIRECT, REPEAT, SWITCH

#: No scenario is longer, milliseconds.
LONGEST_IDENTITY_STORY: Final = 12 * DAY
#: What agents enter who do not know the customer. It looks like any number, so no list of blocked values has it.
PLACEHOLDER: Final = "customer_no:9999991"
#: More than an identity may be seen with before it is nobody's.
PLACEHOLDER_CASES: Final = 320

_USUAL_DELAY: Final = 2_000
_LATE_SHARE: Final = 0.4
_LATEST: Final = 6 * HOUR
_TWICE_SHARE: Final = 0.05


class Sending(NamedTuple):
    """A touchpoint and the moment (UTC milliseconds) at which it is sent."""

    at: int
    touchpoint: Touchpoint


class PlantedPerson(msgspec.Struct, frozen=True, kw_only=True):
    """Raw identities of one human and of nobody else; the first names them in frictions and silent cases."""

    scenario: str
    identities: tuple[str, ...]


class Cast:
    """The humans of one scenario, each with a script; `make_identity` gives a value that nobody else has."""

    def __init__(
        self, scenario: str, start: int, make_id: Callable[[], str], make_identity: Callable[[str], str], rng: Random
    ) -> None:
        self.rng = rng
        self.people: list[PlantedPerson] = []
        self.scripts: list[Script] = []
        self.new = make_identity
        self._scenario = scenario
        self._start = start
        self._make_id = make_id

    def person(self, *identities: str, topic: str | None = None, starts: int = 0) -> Script:
        """A human with these identities, known by the first until the script says otherwise.

        `topic` is what the script is about, `starts` its beginning in milliseconds since that of the scenario.
        """
        script = Script(self._scenario, identities[0], self._start + starts, self._make_id, self.rng)
        if topic is not None:
            script.talk_about(topic)
        self.people.append(PlantedPerson(scenario=self._scenario, identities=identities))
        self.scripts.append(script)
        return script


IdentityScenario = Callable[[Cast], None]


# --- Identities that meet over time ---------------------------------------------------------------------------------


def met_step_by_step(c: Cast) -> None:
    """A visitor with a cookie logs in, becomes a customer, and calls: sent from the chat, arrived on the phone."""
    cookie, email, customer = c.new("cookie"), c.new("email"), c.new("customer_no")
    s = c.person(customer, email, cookie)
    s.known_as(cookie)
    s.customer("session.started", "web", 0, topic=None)
    s.customer("page.viewed", "web", MINUTE, topic=None, touchpoint="/help")
    s.contact("chat", HOUR, lasts=6 * MINUTE)
    redirect = s.redirect("chat", "phone", HOUR + 5 * MINUTE)
    s.known_as(email, cookie)
    s.customer("login.succeeded", "web", 3 * HOUR, topic=None)
    s.known_as(customer, email)
    s.customer("contract.started", "web", 4 * HOUR, topic=None)
    s.known_as(customer)
    call = s.contact("phone", 20 * HOUR, lasts=9 * MINUTE)
    s.found(REDIRECT, "followed", redirect, 3)
    s.nothing(SWITCH, call, "invited by the redirect")
    s.nothing(REPEAT, call, "invited by the redirect")


def met_from_the_other_end(c: Cast) -> None:
    """The customer number comes first and the cookie last: three contacts under three names about one matter."""
    customer, email, cookie = c.new("customer_no"), c.new("email"), c.new("cookie")
    s = c.person(customer, email, cookie)
    s.contact("phone", 0, lasts=6 * MINUTE)
    s.known_as(customer, email)
    s.customer("contract.renewed", "web", DAY, topic=None)
    s.known_as(email)
    s.found(REPEAT, "repeat", s.contact("email", 2 * DAY), 2)
    s.known_as(email, cookie)
    s.customer("login.succeeded", "web", 3 * DAY, topic=None)
    s.known_as(cookie)
    s.found(REPEAT, "third", s.contact("chat", 4 * DAY, lasts=4 * MINUTE), 3)


def sent_to_a_form_from_elsewhere(c: Cast) -> None:
    """Asked under a social name, filled in the form with a cookie; the company finds out a day later who it was."""
    customer, email = c.new("customer_no"), c.new("email")
    name, cookie, phone_cookie = c.new("social"), c.new("cookie"), c.new("cookie")
    s = c.person(customer, email, name, cookie, phone_cookie)
    s.known_as(name)
    s.contact("social", 0, channel_detail="facebook")
    redirect = s.redirect("social", "web", 20 * MINUTE, redirect_ref="https://shop.example/contact")
    s.known_as(phone_cookie)
    s.customer("session.started", "web", 2 * HOUR, topic=None)
    s.known_as(cookie)
    s.customer("session.started", "web", 3 * HOUR, topic=None)
    s.known_as(email, cookie)
    form = s.customer("form.submitted", "web", 3 * HOUR + 9 * MINUTE, fields_required=14, active_ms=9 * MINUTE)
    s.known_as(email, phone_cookie)
    s.customer("login.succeeded", "web", 5 * HOUR, topic=None)
    s.known_as(customer, email, name)
    s.agent("case.updated", "other", DAY, direction="internal", source=CRM)
    s.found(REDIRECT, "form", redirect, 4)
    s.nothing(SWITCH, form, "invited by the redirect")
    s.nothing(REPEAT, form, "invited by the redirect")


# --- Identities that several people share ----------------------------------------------------------------------------


def shared_device(c: Cast) -> None:
    """Two customers log in on one device: a user switch. What was seen of the device alone is the first one's."""
    first, second, device = c.new("customer_no"), c.new("customer_no"), c.new("device")
    one = c.person(first, device)
    one.known_as(device)
    one.contact("chat", 0, lasts=2 * MINUTE)
    one.known_as(first, device)
    one.customer("login.succeeded", "app", 5 * MINUTE, topic=None)
    one.known_as(first)
    call = one.contact("phone", 5 * HOUR, lasts=4 * MINUTE)
    one.found(SWITCH, "switched", call, 2)
    one.found(REPEAT, "repeat", call, 2)
    other = c.person(second, topic=one.topic)
    other.known_as(second, device)
    other.customer("login.succeeded", "app", DAY, topic=None)
    other.nothing(REPEAT, other.contact("phone", 2 * DAY, lasts=4 * MINUTE), "another user of the device")


def shared_phone(c: Cast) -> None:
    """Two customers of a household with one telephone: it stays with the first who gave it."""
    _shared(c, "phone", "phone")


def shared_mailbox(c: Cast) -> None:
    """Two customers of a household with one address: it stays with the first who gave it."""
    _shared(c, "email", "email")


def _shared(c: Cast, namespace: str, channel: str) -> None:
    first, second, common = c.new("customer_no"), c.new("customer_no"), c.new(namespace)
    one = c.person(first, common)
    one.known_as(first, common)
    one.contact(channel, 0)
    other = c.person(second, topic=one.topic)
    other.known_as(second, common)
    other.nothing(REPEAT, other.contact(channel, 2 * DAY), "another person of the household")
    one.known_as(common)
    one.found(REPEAT, "repeat", one.contact(channel, 4 * DAY), 2)
    other.known_as(second)
    other.found(REPEAT, "repeat", other.contact("phone", 6 * DAY, lasts=3 * MINUTE), 2)


def placeholder_customer(c: Cast) -> None:
    """Hundreds of cases under the number that agents enter when they know none; some of them come back by mail."""
    topic: str | None = None
    for number in range(PLACEHOLDER_CASES):
        own = c.new("email" if number % 4 == 0 else "case_contact")
        s = c.person(own, topic=topic, starts=c.rng.randrange(7 * DAY))
        topic = s.topic
        s.known_as(PLACEHOLDER, own)
        first = s.contact("phone", 0, lasts=c.rng.randint(2, 12) * MINUTE)
        s.nothing(REPEAT, first, "another person behind the placeholder")
        if own.startswith("email:"):
            s.known_as(own)
            s.found(REPEAT, "repeat", s.contact("email", 2 * DAY), 2)


# --- What systems and people say about identities --------------------------------------------------------------------


def _say(s: Script, kind: str, at: int, one: str, other: str) -> None:
    s.known_as(one, other)
    s.agent(kind, "other", at, topic=None, direction="internal", source=CRM)


def two_numbers_of_one(c: Cast) -> None:
    """A clean-up finds that two customer numbers are one human: what came under the other number was a repeat."""
    old, new, email = c.new("customer_no"), c.new("customer_no"), c.new("email")
    s = c.person(old, new, email)
    s.contact("phone", 0, lasts=6 * MINUTE)
    s.known_as(new, email)
    s.found(REPEAT, "repeat", s.contact("store", 2 * DAY), 2)
    _say(s, "identity.linked", 4 * DAY, old, new)


def linked_by_mistake(c: Cast) -> None:
    """Two customers with the same name were taken for one, and taken apart again."""
    first, second = c.new("customer_no"), c.new("customer_no")
    one = c.person(first)
    one.contact("phone", 0, lasts=6 * MINUTE)
    _say(one, "identity.linked", DAY, first, second)
    other = c.person(second, topic=one.topic)
    other.nothing(REPEAT, other.contact("phone", 2 * DAY, lasts=6 * MINUTE), "another customer of that name")
    _say(one, "identity.unlinked", 3 * DAY, first, second)


def unlinked_by_mistake(c: Cast) -> None:
    """An address was taken from its owner and given back: what was said last counts."""
    customer, email = c.new("customer_no"), c.new("email")
    s = c.person(customer, email)
    s.known_as(customer, email)
    s.contact("phone", 0, lasts=6 * MINUTE)
    _say(s, "identity.unlinked", DAY, customer, email)
    s.known_as(email)
    s.found(REPEAT, "repeat", s.contact("email", 2 * DAY), 2)
    _say(s, "identity.linked", 3 * DAY, customer, email)


def cookie_taken_back(c: Cast) -> None:
    """Two people logged in on one computer were one person, until somebody said whose the cookie is not."""
    other, _, second, cookie = _merged_by_a_cookie(c)
    _say(other, "identity.unlinked", 3 * DAY, second, cookie)


def people_taken_apart(c: Cast) -> None:
    """Two people logged in on one computer were one person, until somebody said that they are two."""
    other, first, second, _ = _merged_by_a_cookie(c)
    _say(other, "identity.unlinked", 3 * DAY, second, first)


def _merged_by_a_cookie(c: Cast) -> tuple[Script, str, str, str]:
    """The second one's script, and the two addresses and the cookie."""
    first, second, cookie = c.new("email"), c.new("email"), c.new("cookie")
    one = c.person(first, cookie)
    one.known_as(first, cookie)
    one.customer("login.succeeded", "web", 0, topic=None)
    one.contact("email", HOUR)
    other = c.person(second, topic=one.topic)
    other.known_as(second, cookie)
    other.customer("login.succeeded", "web", 6 * HOUR, topic=None)
    other.nothing(REPEAT, other.contact("email", 8 * HOUR), "another user of the computer")
    return other, first, second, cookie


#: Each is told in every order of arrival.
IDENTITY_SCENARIOS: Final[tuple[IdentityScenario, ...]] = (
    met_step_by_step,
    met_from_the_other_end,
    sent_to_a_form_from_elsewhere,
    shared_device,
    shared_phone,
    shared_mailbox,
    two_numbers_of_one,
    linked_by_mistake,
    unlinked_by_mistake,
    cookie_taken_back,
    people_taken_apart,
)


class Arrival(Enum):
    """In which order the touchpoints of a scenario reach the company."""

    IN_ORDER = "in_order"
    #: Some come hours after what happened later.
    SOME_LATE = "some_late"
    #: What happened last comes first, everything after the story is over.
    LAST_FIRST = "last_first"


def sendings(cast: Cast, arrival: Arrival) -> list[Sending]:
    """Every touchpoint of a cast with the time at which it is sent, some of them twice; unordered."""
    rng = cast.rng
    told = sorted(
        (touchpoint for script in cast.scripts for touchpoint in script.touchpoints),
        key=lambda touchpoint: touchpoint.occurred_at,
    )
    last = told[-1].occurred_at
    sent = []
    for place, touchpoint in enumerate(told):
        at = touchpoint.occurred_at + rng.randint(0, _USUAL_DELAY)
        if arrival is Arrival.SOME_LATE and rng.random() < _LATE_SHARE:
            at += rng.randint(_USUAL_DELAY, _LATEST)
        elif arrival is Arrival.LAST_FIRST:
            at = last + (len(told) - place) * MINUTE
        sent.append(Sending(at, touchpoint))
        if rng.random() < _TWICE_SHARE:
            sent.append(Sending(at + rng.randint(1, HOUR), touchpoint))
    return sent
