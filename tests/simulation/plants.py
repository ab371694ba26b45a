"""Bugs to plant: a simulation that misses one of them proves nothing. Each does what its name says."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec
import pytest

from processors.identifiers import pack_version, unpack_version
from processors.person import judge
from schemas.identity import IdentityLink, identifier_of
from sinks.clickhouse import rows
from sinks.clickhouse.rows import (
    PreparedBlock,
    checkpoint_block,
    friction_block,
    journey_block,
    link_block,
    session_block,
)
from streams import agent, cold_persons, coordinator, identities, journeys_agent, owner
from streams.coordinator import Coordinator, News
from streams.identities import Identities
from streams.intents import intents_for
from streams.journeys_agent import JourneysAgent
from streams.owner import Owner
from tests.simulation.worker import Consumer


def acknowledges_before_anything_is_written(patch: pytest.MonkeyPatch) -> None:
    insert = Coordinator._insert_touchpoints

    async def too_early(self: Coordinator, prefix: str) -> Any:
        for batch in self._batches:
            batch.acknowledge()
        return await insert(self, prefix)

    patch.setattr(Coordinator, "_insert_touchpoints", too_early)


def acknowledges_before_the_checkpoint(patch: pytest.MonkeyPatch) -> None:
    insert = Coordinator._insert

    async def too_early(self: Coordinator, block: PreparedBlock) -> None:
        if block.table == "checkpoints":
            for batch in self._batches:
                batch.acknowledge()
        await insert(self, block)

    patch.setattr(Coordinator, "_insert", too_early)


def writes_the_checkpoint_before_the_touchpoints(patch: pytest.MonkeyPatch) -> None:
    insert = Coordinator._insert_touchpoints

    async def too_early(self: Coordinator, prefix: str) -> Any:
        await self._store.insert(checkpoint_block(self._checkpoints(self.watermarks), token_prefix=prefix))
        return await insert(self, prefix)

    patch.setattr(Coordinator, "_insert_touchpoints", too_early)


def wakes_before_the_links_are_written(patch: pytest.MonkeyPatch) -> None:
    _late(patch, "identity_links", before="checkpoints")


def tells_of_frictions_before_they_are_written(patch: pytest.MonkeyPatch) -> None:
    _late(patch, "frictions", before="sessions")


def _late(patch: pytest.MonkeyPatch, table: str, before: str) -> None:
    insert = Coordinator._insert
    waiting: dict[Coordinator, PreparedBlock] = {}

    async def put_off(self: Coordinator, block: PreparedBlock) -> None:
        if block.table == table:
            waiting[self] = block
            return
        if block.table == before and self in waiting:
            await insert(self, waiting.pop(self))
        await insert(self, block)

    patch.setattr(Coordinator, "_insert", put_off)


def writes_no_retractions(patch: pytest.MonkeyPatch) -> None:
    for block in (session_block, journey_block, friction_block):
        patch.setattr(coordinator, block.__name__, _without_retractions(block))


def _without_retractions(block: Callable[..., PreparedBlock]) -> Callable[..., PreparedBlock]:
    return lambda facts, _, token_prefix: block(facts, (), token_prefix=token_prefix)


def tells_of_no_retractions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        coordinator,
        "intents_for",
        lambda *all_: [intent for intent in intents_for(*all_) if intent.action != "retract"],
    )


def leaves_out_an_alert_of_each_flush(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(coordinator, "intents_for", lambda *all_: intents_for(*all_)[1:])


def keeps_persons_when_partitions_go(patch: pytest.MonkeyPatch) -> None:
    def keep(self: Owner) -> None:
        self._deadlines.clear()

    patch.setattr(Owner, "drop_all", keep)


def keeps_what_it_collected_when_partitions_go(patch: pytest.MonkeyPatch) -> None:
    def keep(self: Coordinator) -> None:
        self._owner.drop_all()
        self._identities.clear()
        self._watermarks.clear()
        self._ticked_to.clear()

    patch.setattr(Coordinator, "revoke", keep)


def forgets_deadlines(patch: pytest.MonkeyPatch) -> None:
    assign = Owner.assign
    patch.setattr(Owner, "assign", lambda self, partition, _: assign(self, partition, ()))


def lets_quiet_time_run_twice(patch: pytest.MonkeyPatch) -> None:
    assign = Coordinator.assign

    async def from_the_start(self: Coordinator, partitions: Collection[int]) -> Mapping[tuple[str, int], int]:
        durable = await assign(self, partitions)
        self._ticked_to.update(dict.fromkeys(partitions, 0))
        return durable

    patch.setattr(Coordinator, "assign", from_the_start)


def makes_tokens_of_offsets_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rows, "_hash", lambda _: "")


def sends_wakes_with_the_next_flush(patch: pytest.MonkeyPatch) -> None:
    send = journeys_agent._KafkaOutbox.send
    waiting: dict[Any, list[Any]] = {}

    async def put_off(self: Any, news: News) -> None:
        ready, waiting[self] = waiting.get(self, []), list(news.wakes)
        await send(self, news._replace(wakes=ready))

    patch.setattr(journeys_agent._KafkaOutbox, "send", put_off)


def does_not_wait_for_the_broker(patch: pytest.MonkeyPatch) -> None:
    send = journeys_agent._KafkaOutbox.send
    running = set()

    async def go_on(self: Any, news: News) -> None:
        task = asyncio.get_running_loop().create_task(send(self, news))
        running.add(task)
        task.add_done_callback(running.discard)

    patch.setattr(journeys_agent._KafkaOutbox, "send", go_on)


def drops_dead_letters(patch: pytest.MonkeyPatch) -> None:
    send = journeys_agent._KafkaOutbox.send

    async def without(self: Any, news: News) -> None:
        await send(self, news._replace(dead_letters=()))

    patch.setattr(journeys_agent._KafkaOutbox, "send", without)


def takes_links_for_known_that_come_again(patch: pytest.MonkeyPatch) -> None:
    def is_news(self: Identities, link: IdentityLink) -> bool:
        node = self._nodes.get(identifier_of(link.identity))
        known = self._told.get((link.identity, link.other)) if node is None else node.seen.get(link.other)
        return link.kind in identities._EXPLICIT or known is None or link.order < known

    patch.setattr(Identities, "is_news", is_news)


def writes_links_once_and_for_one_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        coordinator, "link_block", lambda links, token_prefix: link_block([*links][::2], token_prefix=token_prefix)
    )


def does_not_count_who_was_who_before(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cold_persons, "_epoch", lambda standing, _, epochs, *__: epochs.get(standing.identifier, 0))


def does_not_count_changes_of_hands(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(owner, "anchored", lambda version, _: version)


def hands_over_what_was_read_for_another_assignment(patch: pytest.MonkeyPatch) -> None:
    async def run(self: agent.Feed, stream: Any) -> None:
        async for event in stream.noack().events():
            consumer: Any = self._app.consumer
            await self._agent.handle(agent._delivery(consumer, event.value, lambda: None, is_urgent=False))

    patch.setattr(agent.Feed, "run", run)


def acknowledges_for_another_assignment(patch: pytest.MonkeyPatch) -> None:
    def acknowledge(self: Consumer, chunk: Any) -> None:
        self._acked[chunk.place.partition] = chunk.records[-1].offset + 1
        self.has_acked.set()

    hands_over_what_was_read_for_another_assignment(patch)
    patch.setattr(Consumer, "acknowledge", acknowledge)


def counts_offsets_one_too_far(patch: pytest.MonkeyPatch) -> None:
    batch = JourneysAgent._keyed_batch

    def too_far(self: JourneysAgent, delivery: agent.Delivery) -> Any:
        made = batch(self, delivery)
        return made._replace(next_offset=made.next_offset + 1)

    patch.setattr(JourneysAgent, "_keyed_batch", too_far)


def leaves_out_the_last_record_of_a_chunk(patch: pytest.MonkeyPatch) -> None:
    batch = JourneysAgent._keyed_batch

    def without(self: JourneysAgent, delivery: agent.Delivery) -> Any:
        made = batch(self, delivery)
        return made._replace(admitted=made.admitted[:-1] if len(delivery.records) > 5 else made.admitted)

    patch.setattr(JourneysAgent, "_keyed_batch", without)


def counts_no_duplicates(patch: pytest.MonkeyPatch) -> None:
    apply = Coordinator._apply

    def uncounted(self: Coordinator, *all_: Any) -> bool:
        before = self.counts.duplicate
        is_new = apply(self, *all_)
        self.counts.duplicate = before
        return is_new

    patch.setattr(Coordinator, "_apply", uncounted)


def takes_ticks_for_new_content(patch: pytest.MonkeyPatch) -> None:
    """A fact is judged by the clock of the flush, under the version that it had before."""

    def without_deadlines(*all_: Any) -> Any:
        judgement = judge(*all_)
        epoch, touchpoints, _ = unpack_version(judgement.version)
        return judgement._replace(version=pack_version(epoch, touchpoints, 0))

    patch.setattr(owner, "judge", without_deadlines)


def never_lets_go_of_lateness(patch: pytest.MonkeyPatch) -> None:
    """What came too late is judged as long as its person is in memory."""
    patch.setattr(coordinator, "is_too_late", lambda *_: False)


def forgets_the_links_that_a_refused_row_hid(patch: pytest.MonkeyPatch) -> None:
    take = Coordinator._take_links

    def forgetting(self: Coordinator, *all_: Any) -> None:
        take(self, *all_)
        self._told_again.clear()

    patch.setattr(Coordinator, "_take_links", forgetting)


def changes_rows_when_they_are_written_again(patch: pytest.MonkeyPatch) -> None:
    """The same version says when it was written."""
    clock = iter(range(10**9))

    def stamped(sessions: Iterable[Any], *more: Any, token_prefix: str) -> PreparedBlock:
        changed = [
            (msgspec.structs.replace(one, touches=one.touches + next(clock)), version) for one, version in sessions
        ]
        return session_block(changed, *more, token_prefix=token_prefix)

    patch.setattr(coordinator, "session_block", stamped)


def writes_without_asking_whether_it_is_a_member(patch: pytest.MonkeyPatch) -> None:
    async def at_once(self: Coordinator) -> None:
        self._has_written = True

    patch.setattr(Coordinator, "_as_member", at_once)


def drops_what_lies_elsewhere(patch: pytest.MonkeyPatch) -> None:
    send = journeys_agent._KafkaOutbox.send

    async def without(self: Any, news: News) -> None:
        await send(self, news._replace(misplaced=()))

    patch.setattr(journeys_agent._KafkaOutbox, "send", without)


def takes_what_lies_elsewhere_for_its_own(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(journeys_agent, "owner_partition", lambda *_: 0)


def takes_the_offsets_of_one_topic_for_those_of_the_other(patch: pytest.MonkeyPatch) -> None:
    offsets = Coordinator._next_offsets

    def of_both(self: Coordinator, *, is_raw: bool) -> Any:
        reached = dict(offsets(self, is_raw=not is_raw))
        return sorted((reached | dict(offsets(self, is_raw=is_raw))).items())

    patch.setattr(Coordinator, "_next_offsets", of_both)


#: Each with how many schedules, from seed 0 on, are enough to find it.
PLANTS: dict[Callable[[pytest.MonkeyPatch], None], int] = {
    acknowledges_before_anything_is_written: 30,
    acknowledges_before_the_checkpoint: 30,
    writes_the_checkpoint_before_the_touchpoints: 30,
    wakes_before_the_links_are_written: 30,
    tells_of_frictions_before_they_are_written: 30,
    writes_no_retractions: 30,
    leaves_out_an_alert_of_each_flush: 30,
    keeps_persons_when_partitions_go: 30,
    keeps_what_it_collected_when_partitions_go: 30,
    sends_wakes_with_the_next_flush: 30,
    drops_dead_letters: 30,
    writes_links_once_and_for_one_end: 30,
    does_not_count_who_was_who_before: 30,
    does_not_count_changes_of_hands: 30,
    hands_over_what_was_read_for_another_assignment: 30,
    acknowledges_for_another_assignment: 30,
    counts_offsets_one_too_far: 30,
    leaves_out_the_last_record_of_a_chunk: 30,
    counts_no_duplicates: 30,
    changes_rows_when_they_are_written_again: 30,
    writes_without_asking_whether_it_is_a_member: 30,
    forgets_deadlines: 500,
    makes_tokens_of_offsets_alone: 120,
    takes_links_for_known_that_come_again: 500,
    takes_ticks_for_new_content: 120,
    does_not_wait_for_the_broker: 120,
    lets_quiet_time_run_twice: 500,
    never_lets_go_of_lateness: 500,
    forgets_the_links_that_a_refused_row_hid: 500,
    tells_of_no_retractions: 500,
}
#: The same in fused mode.
FUSED_PLANTS: dict[Callable[[pytest.MonkeyPatch], None], int] = {
    drops_what_lies_elsewhere: 30,
    takes_what_lies_elsewhere_for_its_own: 30,
    takes_the_offsets_of_one_topic_for_those_of_the_other: 30,
    drops_dead_letters: 30,
}
