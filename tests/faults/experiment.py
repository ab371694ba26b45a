"""What an experiment is, and how one is performed: a site comes up, things happen to it, it heals, it is judged."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.faults.ledger import Ledger
from tests.faults.run import Result, Run
from tests.faults.site import Broker, running_site
from tests.faults.spec import STEPS
from tests.support.faults import Moment

ALL_BROKERS: tuple[Broker, ...] = ("embedded", "kafka")


class Scale(NamedTuple):
    """How large an experiment is: about so many touchpoints, faults for so many seconds, so many deaths at steps."""

    events: int = 3_000
    seconds: float = 60.0
    deaths: int = len(STEPS) * len(Moment)


Act = Callable[[Run, Scale], None]


class Experiment(NamedTuple):
    """A name for the command line, what happens, and on which brokers it can."""

    name: str
    says: str
    act: Act
    brokers: tuple[Broker, ...]


#: By name; filled by the modules in which they are.
EXPERIMENTS: dict[str, Experiment] = {}


def experiment(says: str, brokers: tuple[Broker, ...] = ALL_BROKERS) -> Callable[[Act], Act]:
    """Make a function an experiment of its name."""

    def register(act: Act) -> Act:
        name = act.__name__.replace("_", "-")
        EXPERIMENTS[name] = Experiment(name, says, act, brokers)
        return act

    return register


def perform(
    name: str,
    folder: Path,
    broker: Broker,
    *,
    seed: int,
    scale: Scale,
    is_fused: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Result:
    """Bring a site up, let the experiment act on it, let it heal, and judge."""
    chosen = EXPERIMENTS[name]
    with running_site(folder, broker, is_fused=is_fused) as site:
        ledger = Ledger(site.bootstrap, site.settings().partitions)
        try:
            run = Run(site, ledger, seed, tell=tell)
            run.observer.start()
            chosen.act(run, scale)
            return msgspec.structs.replace(run.finish(), name=name)
        finally:
            ledger.close()
