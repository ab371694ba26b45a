"""A worker with one agent that writes down what it is given: run as a process, so that tests can kill it.

`python -m tests.support.scripted_worker BOOTSTRAP TOPIC BEHAVIOUR FILE` appends a line for whatever happens to FILE.
"""

import asyncio
import os
import sys
import time
from enum import Enum
from pathlib import Path
from typing import Any

from streams.agent import Delivery
from streams.logs import configure_logs
from streams.pulse import Pulse
from streams.settings import Settings
from streams.worker import run_worker

NAME = "scripted"
#: Longer than any test waits.
_FOR_EVER_S = 3_600


class Behaviour(Enum):
    """What the agent does with deliveries."""

    #: Writes them down and acknowledges them at once.
    DILIGENT = "diligent"
    #: Writes them down, and acknowledges when it is told to finish; what it loses to others it forgets.
    HOARDING = "hoarding"
    #: As the hoarding one, but acknowledges also when its partitions are taken away.
    HANDING_OVER = "handing_over"
    #: Breaks at the first delivery.
    BREAKING = "breaking"
    #: Blocks the event loop at the first delivery.
    BLOCKING = "blocking"
    #: Waits at the first delivery for what never comes.
    STUCK = "stuck"
    #: As the stuck one, but gives signs of life.
    WAITING = "waiting"
    #: Breaks when it is told to finish.
    BREAKING_LATE = "breaking_late"


class ScriptedAgent:
    """An agent as scripted by its behaviour."""

    name = NAME
    most_in_hand = 1

    def __init__(self, topic: str, behaviour: Behaviour, file: Path) -> None:
        self.topics: tuple[str, ...] = (topic,)
        self.pulse = Pulse()
        self._behaviour = behaviour
        self._out = file.open("a", encoding="utf-8")
        self._held: list[Delivery] = []

    async def start(self) -> None: ...

    async def assigned(self, partitions: frozenset[int]) -> None:
        self._note("assigned " + " ".join(map(str, sorted(partitions))))

    async def revoked(self, within_s: float) -> None:  # noqa: ARG002
        self._note("revoked")
        if self._behaviour is Behaviour.HANDING_OVER:
            self._acknowledge_held()
        self._held.clear()

    async def handle(self, delivery: Delivery) -> None:
        if self._behaviour is Behaviour.BREAKING:
            raise LookupError("broken on purpose")
        if self._behaviour is Behaviour.BLOCKING:
            time.sleep(_FOR_EVER_S)  # noqa: ASYNC251 - that is the point
        self._note(*(f"record {delivery.partition} {record.offset}" for record in delivery.records))
        self._held.append(delivery)
        if self._behaviour is Behaviour.DILIGENT:
            self._acknowledge_held()
        if self._behaviour in {Behaviour.STUCK, Behaviour.WAITING}:
            await asyncio.get_running_loop().create_future()

    async def tick(self) -> None:
        if self._behaviour is Behaviour.WAITING and self._held:
            self.pulse.beat()

    async def finish(self, within_s: float) -> None:  # noqa: ARG002
        if self._behaviour is Behaviour.BREAKING_LATE:
            raise LookupError("broken on purpose")
        self._acknowledge_held()
        self._note("finished")

    async def close(self) -> None:
        self._note("closed")

    def _acknowledge_held(self) -> None:
        for delivery in self._held:
            delivery.acknowledge()
        self._held.clear()

    def _note(self, *lines: str) -> None:
        # Whoever kills this process must not take what it has said along.
        self._out.writelines(f"{line}\n" for line in lines)
        self._out.flush()
        os.fsync(self._out.fileno())


def main() -> None:
    configure_logs()
    bootstrap, topic, behaviour, file = sys.argv[1:]
    # A part of the section: the environment may set the others.
    section: dict[str, Any] = {"kafka": {"bootstrap": bootstrap}}
    agent = ScriptedAgent(topic, Behaviour(behaviour), Path(file))
    sys.exit(asyncio.run(run_worker(Settings(**section), [agent], lambda: agent._note("ready"))))


if __name__ == "__main__":
    main()
