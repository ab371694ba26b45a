"""Guards: what makes a pattern no friction, or one that teams are not told of.

A guard is a check that has `passed` when it does not object.
"""

from collections.abc import Iterable
from typing import Final

from processors.contacts import Contact
from processors.entries import Entry
from processors.friction.story import Story
from processors.matters import object_ids
from schemas.outputs import Check
from schemas.vocabulary import NAMESPACES, IdentityClass

#: Reasons of a contact that the company asked for.
INVITED_REASONS: Final = frozenset({"follow_up", "appointment", "document"})
#: Contacts about the state of things that were agreed beforehand.
SCHEDULED_REASONS: Final = frozenset({"scheduled", "status_call"})
#: Objects of which another one means another matter. Not cases: a CRM opens a new one for every contact.
DISTINCT_TYPES: Final = ("order", "contract", "claim")


def invited(story: Story, first: Contact, second: Contact) -> Check:
    """Objects when the company asked for the second contact, or sent the customer to its channel."""
    reason = second.first.touchpoint.reason
    value = "no"
    if reason in INVITED_REASONS:
        value = f"reason {reason}"
    else:
        keys = tuple({*first.keys, *second.keys})
        invitation = story.invitation(keys, second.channel, first.start, second.start)
        if invitation is not None:
            value = f"{invitation.entry.touchpoint.kind} {invitation.entry.ref}"
    return Check("invited", value, "the company did not ask for it", passed=value == "no")


def household(first: Contact, second: Contact) -> Check:
    """Objects when only a shared identity (a household, a case contact) says that both are the same person."""
    common = first.identities & second.identities
    is_shared = bool(common) and all(
        NAMESPACES.get(identity.partition(":")[0]) is IdentityClass.SHARED for identity in common
    )
    value = "only a shared identity" if is_shared else "an own identity" if common else "no identity in common"
    return Check("household", value, "not only a shared identity in common", passed=not is_shared)


def new_object(first: Contact, second: Contact) -> Check:
    """Objects when both name an object of the same type and not the same one: then it is another matter."""
    for type_ in DISTINCT_TYPES if first.keys != second.keys else ():
        one, other = object_ids(first.keys, type_), object_ids(second.keys, type_)
        if one and other and not one & other:
            return Check("new_object", f"another {type_}", "the same order, contract or claim", passed=False)
    return Check("new_object", "none", "the same order, contract or claim", passed=True)


def scheduled(second: Contact) -> Check:
    """Objects when the second contact was agreed beforehand."""
    reason = second.first.touchpoint.reason
    return Check("scheduled", reason or "no reason given", "not scheduled", passed=reason not in SCHEDULED_REASONS)


def reason_to_stay_silent(
    evidence: Iterable[Entry], refusal: Entry | None, *, despite_incident: bool = False
) -> str | None:
    """Why teams are not told of a friction that holds: imported history, a declared incident, refused profiling.

    `refusal` is the customer's refusal of profiling that held when it happened. With `despite_incident` an
    incident is no reason.
    """
    touchpoints = [entry.touchpoint for entry in evidence]
    if any(touchpoint.backfill for touchpoint in touchpoints):
        return "backfill"
    names = (text for touchpoint in touchpoints for text in touchpoint.objects)
    if not despite_incident and any(text.startswith("incident:") for text in names):
        return "incident"
    return None if refusal is None else "consent"
