"""What each verb means to the core, as roles looked up once per touchpoint."""

from functools import lru_cache
from typing import Final

from schemas.vocabulary import CONTACT_KINDS

# Plain integers: an IntFlag test costs a microsecond on Python 3.11, and there is one for every page view.
CONTACT: Final = 1
#: Ends the contact of its thread.
ENDING: Final = 2
#: Looking around and book-keeping: alone it begins no journey.
QUIET: Final = 4
#: Shows that a customer came to a channel.
ARRIVAL: Final = 8
#: Helping oneself on the web or in the app.
SELF_HELP: Final = 16
#: A form, or being asked for data.
FORM: Final = 32
REDIRECT: Final = 64
#: Asks the customer to come back.
INVITATION: Final = 128
#: Solves the matter by itself.
SOLUTION: Final = 256
#: Solves the matter when its outcome is ok.
SOLUTION_IF_OK: Final = 512
HANDOFF: Final = 1024
CONSENT: Final = 2048

_QUIET_KINDS: Final = frozenset(
    "session.started session.ended page.viewed screen.viewed search.performed ui.clicked ui.click_dead ui.error"
    " visit.ended consent.granted consent.denied consent.withdrawn identity.linked identity.unlinked"
    " subject.erase_requested incident.opened incident.closed change.released".split()
)
_ENDING_KINDS: Final = frozenset({"contact.ended", "call.ended", "visit.ended"})
_ROLES: Final[tuple[tuple[int, frozenset[str]], ...]] = (
    (CONTACT, CONTACT_KINDS),
    (ENDING, _ENDING_KINDS),
    (QUIET, _QUIET_KINDS),
    (ARRIVAL, CONTACT_KINDS | {"session.started", "page.viewed", "screen.viewed", "form.started"}),
    (SELF_HELP, frozenset({"session.started", "page.viewed", "screen.viewed", "search.performed"})),
    (FORM, frozenset({"data.requested"})),
    (REDIRECT, frozenset({"contact.redirected"})),
    (INVITATION, frozenset({"data.requested", "callback.promised"})),
    (SOLUTION, frozenset({"case.resolved", "customer.confirmed"})),
    (SOLUTION_IF_OK, CONTACT_KINDS | _ENDING_KINDS | {"message.sent", "callback.reached"}),
    (HANDOFF, frozenset({"contact.transferred", "case.assigned"})),
    (CONSENT, frozenset({"consent.granted", "consent.denied", "consent.withdrawn"})),
)

#: Asks that the person be forgotten.
ERASE_REQUESTED: Final = "subject.erase_requested"
#: Statements about people, not things that happened to them: stored and obeyed, never part of a story.
CONTROL_KINDS: Final = frozenset({"identity.linked", "identity.unlinked", ERASE_REQUESTED, "history.refold_requested"})
_FAMILIES: Final[dict[str, str]] = {"portal": "web", "form": "web"}


@lru_cache(maxsize=4096)
def roles_of(kind: str) -> int:
    """Roles of a verb as a bit set; an unknown verb has none, which makes it an act that begins a journey."""
    roles = 0
    for role, kinds in _ROLES:
        if kind in kinds:
            roles |= role
    if kind.startswith("form."):
        roles |= FORM | SELF_HELP
    return roles


def family(channel: str) -> str:
    """Channels that are one place to a customer under one name: web, portal and form are `web`."""
    return _FAMILIES.get(channel, channel)
