"""Transport: each fetched chunk of a partition reaches its agent as one event.

Faust hands records over one by one, which costs more than all our work on them. Here a message carries the records of
one fetch in its value and the last of their offsets as its own. Agents acknowledge chunks in order, so what is
acknowledged is a contiguous prefix of the partition and gaps need no bookkeeping.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple, cast

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import IllegalGenerationError
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from faust.types.tuples import Message
from kafka.errors import KafkaError

_log = structlog.get_logger()
Record = ConsumerRecord
#: Records of one fetch, of all partitions together.
MOST_FETCHED: Final = 5_000
#: How long a broker may keep a fetch open. One that has nothing at first may look again only after half of it; and a
#: partition that was left out of the fetch, because its last records were not taken yet, waits for all of it. With less
#: the records come in smaller chunks, each of which costs a question to ClickHouse.
_FETCH_WAIT_MS: Final = 500
#: A clock that goes on while the machine is suspended, where there is one.
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class InstanceTaken(RuntimeError):
    """Another live worker has the same instance id."""

    def __init__(self, instance: str) -> None:
        super().__init__(
            f"another worker took over the instance id {instance}; give each worker that runs at the same time its own"
            " JOURNEYS_KAFKA__INSTANCE_ID, or none at all"
        )


#: Asks the broker for the member id of whoever goes by an instance id in the group of that name.
FindHolder = Callable[[str, str], str | None]


class Chunk(NamedTuple):
    """Records of one partition in offset order, never empty, and the assignment in which they were fetched.

    Partitions are handed out anew at every rebalance; what was fetched under an older assignment is fetched again
    and must be dropped.
    """

    assignment: int
    records: Sequence[ConsumerRecord]

    @property
    def place(self) -> TP:
        """Topic and partition."""
        return TP(self.records[0].topic, self.records[0].partition)


class ChunkConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread with the connections to the group and the brokers."""

    consumer: "ChunkConsumer"
    #: When the group may go on without us, unless it answers once more before.
    _member_until = 0.0

    @property
    def is_member(self) -> bool:
        """Whether the group still waits for us, should we have stood still since it answered the last time."""
        return time.clock_gettime(_CLOCK) < self._member_until

    async def on_start(self) -> None:
        """Have the coordinator refuse to commit for a group that we are not in, and note until when we are in it."""
        await super().on_start()
        coordinator = self.coordinator
        commit, send = coordinator._do_commit_offsets, coordinator._send_req

        async def commit_as_member(assignment: Any, offsets: Mapping[TopicPartition, Any]) -> None:
            # A group without members takes offsets from anybody, also older ones than those of the last member.
            if coordinator.generation == OffsetCommitRequest.DEFAULT_GENERATION_ID:
                raise IllegalGenerationError(coordinator.group_id)
            await commit(assignment, offsets)

        async def send_and_note(request: Any) -> Any:
            # The broker counts from a moment after this one; and not from this at all once it gathers the group anew.
            sent_at = time.clock_gettime(_CLOCK)
            answer = await send(request)
            if isinstance(request, HeartbeatRequest | SyncGroupRequest) and not answer.error_code:
                self._member_until = sent_at + self.app.conf.broker_session_timeout
            return answer

        coordinator._do_commit_offsets = commit_as_member
        coordinator._send_req = send_and_note

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust has 1.5 s there, and no setting for it.
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        return consumer

    @property
    def coordinator(self) -> GroupCoordinator:
        """What keeps us in the group."""
        return self._ensure_consumer()._coordinator

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Do not come back into a group in which somebody else goes by our name: they would have to go, and so on."""
        was_put_out = self.coordinator.member_id == JoinGroupRequest.UNKNOWN_MEMBER_ID
        if revoked and was_put_out and await self.is_replaced():
            raise asyncio.CancelledError
        await super().on_partitions_revoked(revoked)

    async def is_replaced(self) -> bool:
        """Whether another member goes by our instance id; noted as what makes the consumer fail."""
        instance = self.app.conf.consumer_group_instance_id
        if not instance:
            return False
        find_holder = cast("ChunkTransport", self.transport).find_holder
        try:
            holder = await asyncio.to_thread(find_holder, self.coordinator.group_id, instance)
        except (KafkaError, ValueError) as error:
            # The client cannot read what the embedded broker says of permissions, and calls it a wrong value.
            _log.warning("group_not_described", error=f"{type(error).__name__}: {error}")
            return False
        if holder in {None, self.coordinator.member_id}:
            return False
        self.consumer.failure = InstanceTaken(instance)
        return True

    async def look_after_group(self) -> None:
        """Note what ended the work of the coordinator: it waits for somebody to ask, and Faust does not."""
        error = self.coordinator._pending_exception
        if error is not None and not await self.is_replaced():
            self.consumer.failure = error


class ChunkConsumer(driver.Consumer):
    """Consumer whose messages are chunks, and that commits only what `acknowledge` was called for."""

    #: Number of the current assignment of partitions; chunks of an older one are not to be handed to anybody.
    assignment_number = 0
    #: The assignment whose chunks may be acknowledged. It lags behind while agents finish what they have in hand.
    _acknowledged_assignment = 0
    #: Why this consumer will never be handed anything again.
    failure: Exception | None = None
    _thread: ChunkConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._must_rewind = False
        #: Of partitions that were rewound: from where on they are read again, whatever was committed.
        self._rewound: dict[TP, int] = {}
        self._handed_over: dict[TP, int] = {}
        #: Partitions whose last chunk found the agent's queue full, as long as it has not been emptied since.
        self._full: set[TP] = set()
        self._has_room = asyncio.Event()
        self._has_room.set()

    def _new_consumer_thread(self) -> ChunkConsumerThread:
        return ChunkConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def look_after_group(self) -> None:
        """Find out whether the group still works for us.

        Raises:
            InstanceTaken: another live worker has our instance id.
            KafkaError: the broker refuses us for good.

        """
        await self._thread.look_after_group()
        if self.failure is not None:
            raise self.failure

    def is_member(self) -> bool:
        """Whether nobody else can have been given our partitions yet."""
        return self._thread.is_member

    def acknowledge(self, chunk: Chunk) -> None:
        """Note that everything up to the end of the chunk is durable; to be called in offset order.

        Does nothing once the assignment of the chunk is over: somebody else reads these records again.
        """
        if chunk.assignment == self._acknowledged_assignment:
            self._acked[chunk.place].append(chunk.records[-1].offset)
            if chunk.place in self._rewound:
                self._rewound[chunk.place] = chunk.records[-1].offset + 1

    def ack(self, message: Message) -> bool:  # noqa: ARG002 - Faust's signature
        """Do nothing: Faust also acknowledges what its streams skip around a rebalance, which nobody has processed."""
        return False

    def committed_offset(self, place: TP) -> int | None:
        """Offset from which the group would read on, or `None` when nothing was ever committed."""
        return self._committed_offset[place]

    def reached(self, place: TP) -> tuple[int, int]:
        """Offset after the last record that was handed over, and offset from which is fetched on; 0 when unknown."""
        fetching = self._fetching(place)
        position = fetching.position if fetching and fetching.has_valid_position else 0
        return self._handed_over.get(place, 0), position

    def lag(self, place: TP) -> int | None:
        """Offsets between the committed one and the end of the log as of the last fetch, if both are known."""
        committed, fetching = self.committed_offset(place), self._fetching(place)
        if committed is None or fetching is None or fetching.highwater is None:
            return None
        return max(0, int(fetching.highwater) - committed)

    def _fetching(self, place: TP) -> Any:
        """State of a partition that is fetched, or `None` when it is not assigned."""
        subscription = self._thread._ensure_consumer()._subscription.subscription
        assignment = subscription and subscription.assignment
        return assignment.state_value(place) if assignment and place in assignment.tps else None

    def rewind(self, place: TP, offset: int) -> None:
        """Read a partition again from an offset; chunks already fetched, of any partition, are fetched again too."""
        self.assignment_number += 1
        self._acknowledged_assignment = self.assignment_number
        self._rewound[place] = offset
        self._must_rewind = True

    async def commit_acknowledged(self) -> None:
        """Commit everything that was acknowledged before the call."""
        # While another commit is under way, Faust waits for that one and does nothing.
        while any(self._acked.values()):
            await self.commit()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Begin a new assignment before anybody is told that the old one ended; commit what is finished meanwhile."""
        self.assignment_number += 1
        self._must_rewind = False
        self._rewound.clear()
        self._handed_over.clear()
        self._full.clear()
        self._has_room.set()
        await super().on_partitions_revoked(revoked)
        await self.commit_acknowledged()
        self._acknowledged_assignment = self.assignment_number

    async def on_stop(self) -> None:
        """Commit before the connection goes."""
        await self.commit_acknowledged()
        await super().on_stop()

    async def perform_seek(self) -> None:
        """Go back to the committed offsets, and to the start where there is none, which the driver leaves out."""
        await super().perform_seek()
        transport = cast("ChunkTransport", self.transport)
        for place in self.assignment():
            if place in transport.made_anew:
                # What was committed belongs to another log.
                self._committed_offset[place] = None
        fresh = [TopicPartition(*place) for place in self.assignment() if not self._committed_offset[place]]
        if fresh:
            await self._thread.seek_to_beginning(*fresh)
        taken_over = {
            place: offset
            for place, offset in transport.read_before.items()
            if place in self.assignment() and offset > (self._committed_offset[place] or 0)
        }
        if taken_over:
            await self._thread.seek_wait(taken_over)

    def on_buffer_full(self, tp: TP) -> None:
        """Hand over nothing more, of any partition, until the agent has taken what it was handed.

        Faust leaves out this partition alone, for as long as the others keep the queue filled: it starves. And once
        all are left out, Faust sleeps for a second.
        """
        self._full.add(tp)
        self._has_room.clear()

    def on_buffer_drop(self, tp: TP) -> None:
        """Go on once the queue has nothing more of those that found it full; each is told once."""
        self._full.discard(tp)
        if not self._full:
            self._has_room.set()

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109 - Faust's signature
        """Fetch, and yield one message per partition that has records."""
        if not self._has_room.is_set():
            await self.wait(self._has_room.wait(), timeout=timeout)
            if not self._has_room.is_set():
                return
        fetched, active = await self._wait_next_records(timeout)
        assignment = self.assignment_number
        if fetched is None or self.should_stop:
            return
        if not self.flow_active:
            await self._seek_amid_rebalance()
            return
        if self._must_rewind:
            await self._perform_rewinds()
            return
        for tp, records in fetched.items():
            # While a message is handed over a rebalance may begin, which the type checker cannot know.
            if not self.flow_active or self.assignment_number != assignment:  # type: ignore[redundant-expr]
                # What is dropped here is fetched again: rebalances and rewinds end with a seek.
                break
            if records and (active is None or tp in active):
                self._handed_over[tp] = records[-1].offset + 1
                yield tp, self._chunk_message(tp, Chunk(assignment, records))

    async def _seek_amid_rebalance(self) -> None:
        try:
            await self.perform_seek()
        except Exception:
            # A rebalance that is still under way ends with a seek of its own. After it nobody would seek again, and
            # the records just dropped would be skipped.
            if self.flow_active:
                raise

    async def _perform_rewinds(self) -> None:
        # No fetch is under way: this is called by the one task that fetches.
        self._must_rewind = False
        # Those rewound earlier too: what was committed lies beyond what they have read again so far.
        rewound = self._rewound.copy()
        await self.perform_seek()
        await self._thread.seek_wait(rewound)

    def _chunk_message(self, tp: TP, chunk: Chunk) -> ConsumerMessage:
        last = chunk.records[-1]
        return ConsumerMessage(
            last.topic,
            last.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            [],
            None,
            cast("Any", chunk),
            None,
            0,
            sum(record.serialized_value_size or 0 for record in chunk.records),
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Say nothing: Faust's check for stuck streams expects an event per record and cries at every start."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Chunks leave no gaps: offsets between two chunks hold no records."""

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        newest = max(acked)
        acked.clear()
        return newest + 1


class ChunkTransport(driver.Transport):
    """The aiokafka transport with chunks."""

    Consumer: ClassVar[Any] = ChunkConsumer
    #: Partitions of a topic that is not the one whose offsets the group has committed.
    made_anew: frozenset[TP] = frozenset()
    #: Up to where another group has passed on what it read: what lies before need not be read again.
    read_before: Mapping[TP, int] = {}

    def __init__(self, *args: Any, find_holder: FindHolder, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.find_holder = find_holder
