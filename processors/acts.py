"""What an act does to its matter: begins, answers, hands over, solves."""

from typing import Final

from processors.entries import Entry
from processors.kinds import ARRIVAL, CONTACT, HANDOFF, SOLUTION, SOLUTION_IF_OK

#: Acts of the company that move nothing: announcements, queues, and passing the customer on.
_IDLE_KINDS: Final = frozenset(
    "message.auto_ack queue.entered queue.left hold.started hold.ended attempt.blocked contact.redirected"
    " contact.transferred case.assigned case.waiting".split()
)
_MOVERS: Final = frozenset({"agent", "bot", "partner"})


def is_solution(entry: Entry) -> bool:
    """Whether it solves its matter: resolved, confirmed, or a conversation or form that ended well."""
    if entry.roles & SOLUTION:
        return True
    return bool(entry.roles & SOLUTION_IF_OK) and entry.touchpoint.outcome == "ok"


def is_handoff(entry: Entry) -> bool:
    """Whether the matter went from one team to another: a transfer, or a case assigned anew."""
    if not entry.roles & HANDOFF:
        return False
    touchpoint = entry.touchpoint
    if touchpoint.kind == "contact.transferred":
        return True
    return touchpoint.from_team is not None and touchpoint.from_team != touchpoint.to_team


def is_opening(entry: Entry) -> bool:
    """Whether the customer begins something with it: a contact, or a form."""
    if not (entry.roles & ARRIVAL and entry.is_customer_act):
        return False
    if not entry.roles & CONTACT or entry.contact is None:
        return True
    return entry.contact.opening is entry


def is_answer(entry: Entry) -> bool:
    """Whether it moves the matter: an answer, a question needed to go on, something done; no announcement or queue."""
    touchpoint = entry.touchpoint
    return is_solution(entry) or (touchpoint.actor in _MOVERS and touchpoint.kind not in _IDLE_KINDS)
