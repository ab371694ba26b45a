"""The effort ledger: customer's minutes as double entry, debit the customer, credit the team and the cause.

What frictions cost and what touchpoints measured are claims. A customer's time at one touchpoint is of three sorts:
busy (active, rework, retry), waiting, and changing places (switch). Each sort of each touchpoint is posted once, for
whoever has the best claim: measured before assumed, then more minutes, then a friction before a bare wait, then what
was found earlier in the story, then the name of the cause. All claims of one friction on it stand together.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from processors.durations import minutes
from processors.entries import Entry, Order
from processors.identifiers import content_hash, hash_id
from schemas.outputs import EffortKind, EffortPosting

if TYPE_CHECKING:
    from processors.journeys import Strand

#: Cause of a wait that belongs to no friction.
WAIT: Final = "wait"
_BUSY: Final = "busy"
_SORTS: Final = {
    EffortKind.ACTIVE: _BUSY,
    EffortKind.REWORK: _BUSY,
    EffortKind.RETRY: _BUSY,
    EffortKind.WAIT: "wait",
    EffortKind.SWITCH: "switch",
}

Pot = tuple[Order, str]


class Claim(NamedTuple):
    """A posting that somebody asks for, with its content hash; `anchor` is what the friction hangs on."""

    posting: EffortPosting
    hash: int
    voucher: Entry
    anchor: Entry

    @property
    def pot(self) -> Pot:
        """What it has to share with other claims: the touchpoint and the sort of time."""
        return self.voucher.order, _SORTS[self.posting.kind]

    @property
    def known_by(self) -> Entry:
        """The touchpoint with which the claim came about, on the journey that is debited."""
        voucher, anchor = self.voucher, self.anchor
        if voucher is anchor or voucher.order <= anchor.order:
            return anchor
        if voucher.strand is None or anchor.strand is None or voucher.strand.root() is not anchor.strand.root():
            return anchor
        return voucher


def claim(
    name: str,
    kind: EffortKind,
    milliseconds: int,
    voucher: Entry,
    *,
    anchor: Entry,
    person_key: str,
    journey_id: str,
    team: str | None,
    cause: str,
    is_measured: bool,
    friction_id: str | None = None,
) -> Claim:
    """One claim, dated by its voucher; `name` tells the claims of one friction on one voucher apart."""
    posting = EffortPosting(
        posting_id=hash_id("posting", name, friction_id or "", *voucher.touchpoint.key),
        tenant=voucher.touchpoint.tenant,
        person_key=person_key,
        journey_id=journey_id,
        friction_id=friction_id,
        cause=cause,
        kind=kind,
        minutes=minutes(milliseconds),
        is_measured=is_measured,
        team=team,
        voucher=voucher.ref,
        posted_at=voucher.start,
    )
    return Claim(posting, content_hash(posting), voucher, anchor)


def claim_wait(entry: Entry, *, person_key: str, journey_id: str) -> Claim:
    """The wait that a touchpoint measured, for the team that it names."""
    return claim(
        "wait",
        EffortKind.WAIT,
        entry.touchpoint.wait_ms or 0,
        entry,
        anchor=entry,
        person_key=person_key,
        journey_id=journey_id,
        team=entry.touchpoint.team,
        cause=WAIT,
        is_measured=True,
    )


class Posted(NamedTuple):
    """A posting, and the touchpoint with which its minutes were known: whoever claims them, they count from then."""

    known_by: Entry
    posting: EffortPosting


class Ledger:
    """All that one person is debited, every minute once. Claims may come in any order."""

    __slots__ = ("_by_journey", "_won", "hashes", "journey_minutes", "postings")

    def __init__(self, claims: Iterable[Claim] = ()) -> None:
        pots: defaultdict[Pot, list[Claim]] = defaultdict(list)
        for one in claims:
            pots[one.pot].append(one)
        #: What won each pot, with all that wanted it.
        self._won = [(among if len(among) == 1 else _best(among), among) for among in pots.values()]
        won = [one for best, _ in self._won for one in best]
        self.postings = tuple(one.posting for one in won)
        self.hashes = {one.posting.posting_id: one.hash for one in won}
        sums: defaultdict[str, float] = defaultdict(float)
        for posting in self.postings:
            sums[posting.journey_id] += posting.minutes
        #: Minutes by journey, exact to a ten-thousandth like those of each posting, whatever their order.
        self.journey_minutes = {journey_id: round(minutes_, 4) for journey_id, minutes_ in sums.items()}
        self._by_journey: dict[str, list[Posted]] | None = None

    @property
    def minutes(self) -> float:
        """All minutes."""
        return round(sum(self.journey_minutes.values()), 4)

    def of(self, journey_id: str) -> list[Posted]:
        """Postings of one journey, in the order in which they came about."""
        if self._by_journey is None:
            by_journey: defaultdict[str, list[Posted]] = defaultdict(list)
            for best, among in self._won:
                for one in best:
                    rivals = (other.known_by for other in among if other.posting.journey_id == one.posting.journey_id)
                    known_by = min(rivals, key=lambda entry: entry.order)
                    by_journey[one.posting.journey_id].append(Posted(known_by, one.posting))
            for posted in by_journey.values():
                posted.sort(key=lambda one: (one.known_by.order, one.posting.posting_id))
            self._by_journey = dict(by_journey)
        return self._by_journey.get(journey_id, [])


class JourneyEffort(NamedTuple):
    """What one journey has cost the customer, and what it may cost."""

    strand: "Strand"
    topic: str | None
    minutes: float
    budget_minutes: float
    postings: Callable[[], list[Posted]]


def _best(among: list[Claim]) -> list[Claim]:
    """The claims of whoever has the best one."""
    by_owner: defaultdict[str | None, list[Claim]] = defaultdict(list)
    for one in among:
        by_owner[one.posting.friction_id].append(one)
    return min(by_owner.values(), key=_rank) if len(by_owner) > 1 else among


def _rank(claims: list[Claim]) -> tuple[bool, float, bool, Order, str]:
    first = claims[0]
    return (
        not all(one.posting.is_measured for one in claims),
        -round(sum(one.posting.minutes for one in claims), 4),
        first.posting.friction_id is None,
        first.anchor.order,
        first.posting.cause,
    )
