"""An entry: one touchpoint in its person's story, with what the core looks up again and again."""

from typing import TYPE_CHECKING

from processors.kinds import roles_of
from processors.matters import matter_keys
from schemas.outputs import ref_of
from schemas.touchpoint import AppliedTouchpoint, Touchpoint

if TYPE_CHECKING:
    from processors.contacts import Contact
    from processors.journeys import Strand

Order = tuple[int, str, str]


class Entry:
    """One touchpoint in its person's story.

    `start` and `end` are UTC milliseconds, `end >= start`. `roles` are bits of `processors.kinds`, `keys` the matter
    keys it carries itself. `strand` and `contact` are set while the story is folded.
    """

    __slots__ = ("_ref", "applied", "contact", "end", "keys", "order", "roles", "start", "strand", "touchpoint")

    def __init__(self, applied: AppliedTouchpoint) -> None:
        touchpoint = applied.touchpoint
        self.applied = applied
        self.touchpoint: Touchpoint = touchpoint
        self.start = applied.event_time
        self.end = max(applied.event_time, applied.end_time)
        self.order: Order = (applied.event_time, touchpoint.source, touchpoint.id)
        self.roles = roles_of(touchpoint.kind)
        self.keys = matter_keys(touchpoint.objects, touchpoint.topic)
        self.contact: Contact | None = None
        self.strand: Strand | None = None
        self._ref: str | None = None

    @property
    def is_judged(self) -> bool:
        """Whether it counts at all: probes and employees acting as customers are stored, never judged."""
        return not (self.touchpoint.probe or self.touchpoint.staff)

    @property
    def is_customer_act(self) -> bool:
        """Whether the customer came to the company."""
        return self.touchpoint.direction == "inbound" and self.touchpoint.actor == "customer"

    @property
    def ref(self) -> str:
        """The touchpoint's key as text, as evidence and vouchers name it."""
        if self._ref is None:
            touchpoint = self.touchpoint
            self._ref = ref_of(touchpoint.tenant, touchpoint.source, touchpoint.id)
        return self._ref

    @property
    def matter(self) -> tuple[str, ...]:
        """Matter keys of its conversation where it belongs to one, else its own."""
        return self.keys if self.contact is None else self.contact.keys
