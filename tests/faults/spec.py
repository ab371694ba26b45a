"""What a worker of an experiment is told on its command line: which agents, and what is to go wrong in it."""

from enum import StrEnum

import msgspec

from tests.support.faults import Moment


class Plant(StrEnum):
    """A bug that a worker has on purpose, to see whether the checker finds it."""

    #: Touchpoints are written twenty seconds after their insert was answered.
    COMMIT_BEFORE_WRITE = "commit before write"
    #: Every other block of touchpoints fails, and is acknowledged all the same.
    ACK_ON_FAILURE = "ack on failure"
    #: One touchpoint of every chunk is left out.
    SKIPPED_RECORD = "skipped record"
    #: One touchpoint of each block is written a second time, a millisecond later in its story.
    DOUBLED_ROW = "doubled row"
    #: What is withdrawn stays.
    LOST_RETRACTION = "lost retraction"
    #: The oldest version of a row counts.
    STALE_VERSION = "stale version"
    #: All blocks of touchpoints have one deduplication token.
    TOKEN_REUSE = "token reuse"
    #: A session ends a millisecond before the gap.
    SESSION_OFF_BY_ONE = "session off by one at the gap"
    #: Dead letters are not noted.
    DROPPED_DEAD_LETTER = "dropped dead letter"


#: The steps of a flush, in order; what has nothing to write is no step.
STEPS = (
    "insert touchpoints",
    "insert identity_links",
    "insert person_identifiers",
    "insert frictions",
    "send",
    "insert sessions",
    "insert journeys",
    "insert effort_postings",
    "insert persons",
    "insert checkpoints",
    "acknowledge",
)


class Death(msgspec.Struct, frozen=True):
    """SIGKILL at a step of a flush, when it comes for the `occurrence`-th time."""

    step: str
    moment: Moment
    occurrence: int = 1

    def __str__(self) -> str:
        return f"{self.moment.value} {self.step}"


class WorkerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One worker.

    `tally` is a file that it appends to, `ready` one that it writes when all agents run, and in `orders` a `Death` may
    be put while it works.
    """

    data_dir: str
    kafka: str
    clickhouse: str
    database: str
    group_prefix: str
    agents: tuple[str, ...]
    tally: str
    ready: str
    orders: str
    session_timeout_s: float
    #: Touchpoints held in memory, and persons.
    max_touchpoints: int
    max_persons: int
    alert_routing: str | None = None
    #: Static membership: a name that no other worker has.
    instance_id: str | None = None
    #: Whether it notes what it begins with, and so finds records that kill workers, as `journeys worker` does.
    keeps_journal: bool = True
    #: Whether persons are owned straight from the raw topic; then nobody is an intake.
    is_fused: bool = False
    #: Whether it can read what other versions of the contract would write.
    knows_other_contracts: bool = False
    plant: Plant | None = None
    death: Death | None = None
    #: Chunks are taken in slices of so many records, with a flush after each.
    slice: int | None = None
    #: Every insert takes so much longer.
    slow_s: float = 0.0
