"""Sessions and repeat contacts by brute force: every pair looked at, nothing shared with the core but the words.

Slow and plain on purpose, after the definitions alone, so that it fails differently from what it checks.
"""

from collections.abc import Sequence

from schemas.touchpoint import AppliedTouchpoint
from tests.support.touchpoints import DAY, MINUTE

CONTACT_KINDS = (
    "contact.started message.received call.offered visit.started form.submitted complaint.raised social.posted".split()
)


def judged_ones(story: Sequence[AppliedTouchpoint]) -> list[AppliedTouchpoint]:
    """Those that are neither probes nor of staff, by time, source and id."""
    real = [one for one in story if not one.touchpoint.probe and not one.touchpoint.staff]
    return sorted(real, key=lambda one: (one.event_time, one.touchpoint.source, one.touchpoint.id))


def sessions(story: Sequence[AppliedTouchpoint], gap_ms: int = 30 * MINUTE) -> set[tuple[int, int, int]]:
    """Start, end and number of touchpoints of every session, by joining whatever is near until nothing is."""
    groups = [[one] for one in judged_ones(story)]
    while True:
        for one in groups:
            near = [
                other
                for other in groups
                if other is not one
                and min(touch.event_time for touch in other) <= max(touch.end_time for touch in one) + gap_ms
                and min(touch.event_time for touch in one) <= max(touch.end_time for touch in other) + gap_ms
            ]
            if near:
                one.extend(near[0])
                groups.remove(near[0])
                break
        else:
            break
    return {
        (min(touch.event_time for touch in group), max(touch.end_time for touch in group), len(group))
        for group in groups
    }


class _Contact:
    def __init__(self, first: AppliedTouchpoint, thread: list[AppliedTouchpoint]) -> None:
        self.order = (first.event_time, first.touchpoint.source, first.touchpoint.id)
        self.first = first
        self.start = first.event_time
        self.end = max(touch.end_time for touch in thread if is_contact(touch) or is_ending(touch))
        self.topics = {touch.touchpoint.topic for touch in thread} - {None}
        self.objects = {
            ":".join(text.split(":")[:2])
            for touch in thread
            for text in touch.touchpoint.objects
            if text.split(":")[0] not in {"incident", "campaign", "session", "form", "change"}
        }

    def is_same_matter(self, other: "_Contact") -> bool:
        return bool(self.topics & other.topics or self.objects & other.objects)


def is_contact(one: AppliedTouchpoint) -> bool:
    touch = one.touchpoint
    return touch.kind in CONTACT_KINDS and touch.actor == "customer" and touch.direction == "inbound"


def is_ending(one: AppliedTouchpoint) -> bool:
    return one.touchpoint.kind in {"contact.ended", "call.ended", "visit.ended"}


def contacts(story: Sequence[AppliedTouchpoint]) -> list[_Contact]:
    """Every contact in order; what shares thread and channel with one is part of it."""
    found = []
    seen = set()
    for one in judged_ones(story):
        place = (one.touchpoint.channel, one.touchpoint.thread_id)
        if not is_contact(one) or place in seen:
            continue
        thread = [one]
        if place[1] is not None:
            seen.add(place)
            thread = [
                touch for touch in judged_ones(story) if (touch.touchpoint.channel, touch.touchpoint.thread_id) == place
            ]
        found.append(_Contact(one, thread))
    return found


def repeats(story: Sequence[AppliedTouchpoint], window_ms: int = 7 * DAY) -> set[str]:
    """Ids of the first touchpoints of contacts that follow an earlier one of the same matter; no guards."""
    all_contacts = contacts(story)
    return {
        later.first.touchpoint.id
        for later in all_contacts
        for earlier in all_contacts
        if earlier.order < later.order and earlier.is_same_matter(later) and later.start - earlier.end <= window_ms
    }
