"""One schedule: workers on a log, everything that goes wrong, and what must hold in the end."""

import asyncio
from typing import NamedTuple

from schemas.rule_changes import RuleChange
from tests.simulation.broker import Group, Log
from tests.simulation.clock import NothingLeft
from tests.simulation.ending import check_end
from tests.simulation.scheduler import Event, Scheduler
from tests.simulation.story import Story, no_time_passed, tell
from tests.simulation.tables import Tables
from tests.simulation.violation import Violation
from tests.simulation.worker import Worker

#: Seconds without mishaps after which everything must have been done (I10).
_DRAINED_WITHIN_S = 120.0


class Outcome(NamedTuple):
    """What became of a schedule; `violation` is `None` when everything held."""

    seed: int
    violation: Violation | None
    trace: list[Event]
    steps: int
    is_fused: bool

    def story(self, *, with_trace: bool) -> str:
        """For people: what did not hold, and what led to it."""
        lines = list(map(str, self.trace)) if with_trace else []
        mode = " --fused" if self.is_fused else ""
        lines.append(f"seed {self.seed}{mode}: {self.violation or 'everything held'}")
        if self.violation is not None:
            lines.append(f"again: python -m tests.simulation --seed {self.seed}{mode} --trace")
        return "\n".join(lines)


class World:
    """Everything outside of the workers, and the workers."""

    def __init__(self, seed: int, *, is_fused: bool = False) -> None:
        self.story: Story = tell(seed, is_fused=is_fused)
        self.scheduler = Scheduler(seed, self.story.mishaps)
        self.tables = Tables(self.scheduler.fail, self._check_checkpoint, knows_tokens=self.story.knows_tokens)
        self.log = Log(self.scheduler, self.story, self.tables)
        self.group = Group(self.scheduler, self.log, self.tables)
        self.workers: list[Worker] = []
        #: Changes to the rules that were told so far.
        self.published: list[RuleChange] = []
        self._started = 0

    def run(self) -> None:
        loop = self.scheduler.loop
        try:
            loop.run_until_complete(self._run())
            check_end(self)
        except (Violation, NothingLeft) as error:
            if self.scheduler.violation is None:
                self.scheduler.violation = error if isinstance(error, Violation) else Violation("stuck", str(error))
        finally:
            loop.run_until_complete(self._end())
            loop.close()

    def start(self) -> Worker:
        """Start one more worker."""
        self._started += 1
        worker = Worker(f"w{self._started}", self)
        self.workers.append(worker)
        self.scheduler.note(worker.process.name, "starts")
        worker.start()
        return worker

    def replace(self, dead: Worker) -> None:
        """Start another worker for one that died, soon."""
        if dead not in self.workers:
            # It was told to stop, and did not come to an end.
            return
        self.workers.remove(dead)
        self.scheduler.loop.call_later(self.scheduler.random.choice((0.1, 1.0, 4.0)), self.start)

    async def _run(self) -> None:
        for _ in range(self.story.workers):
            self.start()
        loop = self.scheduler.loop
        tasks = [loop.create_task(work) for work in (self._intake(), self._moves(), self._publish())]
        await asyncio.gather(*tasks)
        await asyncio.sleep(self.scheduler.random.choice((0.0, 2.0, 8.0)))
        self.scheduler.heal()
        deadline = loop.time() + _DRAINED_WITHIN_S
        while not self._is_drained:
            if self.scheduler.violation is not None:
                raise self.scheduler.violation
            if loop.time() > deadline:
                ends = [len(records) for records in self.log.partitions]
                self.scheduler.fail("I10: not done in time", f"committed {self.group.committed} of {ends}")
            if self.story.changes:
                # Intake goes on to tell the time, which is what workers that were given partitions begin with.
                self.log.append([no_time_passed(part) for worker in self.workers for part in worker.waits_for])
            await asyncio.sleep(0.5)

    @property
    def _is_drained(self) -> bool:
        have_begun = not self.story.changes or not any(worker.waits_for for worker in self.workers)
        is_idle = bool(self.workers) and all(worker.is_idle for worker in self.workers)
        return self.group.is_done and have_begun and is_idle

    async def _end(self) -> None:
        """Leave nothing behind that would go on, or complain, after the loop is closed."""
        for worker in self.workers:
            worker.process.is_alive = False
        # Whoever is cancelled may begin something more on the way out.
        while left := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in left:
                task.cancel()
            await asyncio.wait(left)

    def _check_checkpoint(self, topic: str, partition: int, offset: int) -> int:
        """Number of the partition in the log."""
        number = self.log.number_of(topic, partition)
        if offset > len(self.log.partitions[number]):
            self.scheduler.fail("a checkpoint of what was never written", f"partition {number}: {offset}")
        self.log.check_durable("a checkpoint before it was durable", number, 0, offset)
        return number

    async def _intake(self) -> None:
        loop = self.scheduler.loop
        for at, record in self.story.records:
            if at > loop.time():
                await asyncio.sleep(at - loop.time())
            self.log.append([record])

    async def _publish(self) -> None:
        loop = self.scheduler.loop
        for at, change in sorted(self.story.changes, key=lambda told: told[0]):
            await asyncio.sleep(max(0.0, at - loop.time()))
            self.scheduler.note("rules", f"{change.key} from {change.effective_from} on")
            self.published.append(change)

    async def _moves(self) -> None:
        loop = self.scheduler.loop
        for at, move in self.story.mishaps.moves:
            await asyncio.sleep(max(0.0, at - loop.time()))
            if move == "rebalance":
                self.scheduler.note("group", "hands out anew")
                self.group.rebalance()
            elif move == "join":
                self.start()
            elif len(self.workers) > 1:
                leaver = self.scheduler.random.choice(self.workers)
                self.workers.remove(leaver)
                leaver.process.spawn(leaver.stop())


def run(seed: int, *, is_fused: bool = False) -> Outcome:
    """Run the schedule of a seed."""
    world = World(seed, is_fused=is_fused)
    world.run()
    scheduler = world.scheduler
    return Outcome(seed, scheduler.violation, scheduler.trace, scheduler.steps, is_fused)
