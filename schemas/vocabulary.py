"""The words of the contract: channels, verbs, identity namespaces and their classes.

Unknown verbs and channels are allowed on the wire (they are stored and counted); the sets here say what the
product gives a meaning to. Unknown identity namespaces are treated as volatile.
"""

from enum import StrEnum
from typing import Final


class IdentityClass(StrEnum):
    """How strongly an identifier says who somebody is, strongest first."""

    UNIQUE = "unique"
    LOGIN = "login"
    SHARED = "shared"
    VOLATILE = "volatile"


#: Identity namespaces, strongest first, with their class.
NAMESPACES: Final[dict[str, IdentityClass]] = {
    "customer_no": IdentityClass.UNIQUE,
    "account": IdentityClass.UNIQUE,
    "loyalty": IdentityClass.UNIQUE,
    "email": IdentityClass.LOGIN,
    "phone": IdentityClass.LOGIN,
    "messenger": IdentityClass.LOGIN,
    "social": IdentityClass.LOGIN,
    "case_contact": IdentityClass.SHARED,
    "household": IdentityClass.SHARED,
    "device": IdentityClass.VOLATILE,
    "cookie": IdentityClass.VOLATILE,
    "card_token": IdentityClass.VOLATILE,
}
_PLACES: Final = {namespace: place for place, namespace in enumerate(NAMESPACES)}


def class_of(namespace: str) -> IdentityClass:
    """Class of an identity namespace; an unknown one is volatile."""
    return NAMESPACES.get(namespace, IdentityClass.VOLATILE)


def place_of(namespace: str) -> int:
    """Place among the identity namespaces, strongest first; unknown ones come after all others."""
    return _PLACES.get(namespace, len(_PLACES))


CHANNELS: Final = frozenset(
    "web app email phone ivr chat bot messenger social sms push letter store kiosk field form portal partner api"
    " review other".split()
)
DIRECTIONS: Final = frozenset({"inbound", "outbound", "internal"})
ACTORS: Final = frozenset({"customer", "agent", "bot", "system", "partner"})
OUTCOMES: Final = frozenset({"ok", "failed", "partial", "pending", "unknown"})
MESSAGE_CLASSES: Final = frozenset({"service", "promo", "survey", "legal"})
BASES: Final = frozenset({"consent", "contract", "legal", "legitimate_interest", "vital", "public"})

_VERBS: Final = """
session.started session.ended page.viewed screen.viewed search.performed ui.clicked ui.click_dead ui.error
visit.started visit.ended
contact.started contact.ended message.received message.sent message.auto_ack call.offered call.answered call.ended
queue.entered queue.left hold.started hold.ended attempt.blocked
contact.redirected contact.transferred case.assigned human.requested human.reached
case.opened case.updated case.waiting case.resolved case.reopened case.closed complaint.raised escalation.raised
goodwill.granted
form.started form.field_error form.saved form.submitted data.requested data.provided identity.verified identity.failed
promise.made promise.kept promise.renegotiated promise.broken callback.promised callback.attempted callback.reached
login.failed login.succeeded login.locked password.reset payment.attempted payment.declined payment.succeeded
refund.promised refund.posted
cart.changed checkout.started order.placed order.confirmed order.shipped order.delayed order.delivered order.cancelled
return.requested return.received contract.started contract.renewed contract.cancelled
outbound.sent outbound.delivered outbound.opened outbound.clicked outbound.unsubscribed outbound.spam_reported
bot.turn bot.not_understood bot.marked_resolved customer.confirmed
survey.sent survey.answered survey.refused review.posted social.posted
consent.granted consent.denied consent.withdrawn identity.linked identity.unlinked subject.erase_requested
history.refold_requested
incident.opened incident.closed change.released
"""
KINDS: Final = frozenset(_VERBS.split())

#: Verbs with which a customer begins something and expects an answer.
CONTACT_KINDS: Final = frozenset(
    {
        "contact.started",
        "message.received",
        "call.offered",
        "visit.started",
        "form.submitted",
        "complaint.raised",
        "social.posted",
    }
)
