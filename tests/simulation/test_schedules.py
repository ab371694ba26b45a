"""Thousands of schedules from fixed seeds: whatever dies, fails, comes late or comes twice, nothing shows it."""

import pytest

from tests.simulation.__main__ import main
from tests.simulation.world import World, run

SCHEDULES = 2_000
FUSED_SCHEDULES = 500
_PART = 250


@pytest.mark.parametrize("first", range(0, SCHEDULES, _PART))
def test_whatever_goes_wrong_in_the_end_nothing_shows_it(first: int) -> None:
    for seed in range(first, first + _PART):
        outcome = run(seed)
        assert outcome.violation is None, outcome.story(with_trace=True)


@pytest.mark.parametrize("first", range(0, FUSED_SCHEDULES, _PART))
def test_whatever_goes_wrong_in_fused_mode_in_the_end_nothing_shows_it(first: int) -> None:
    for seed in range(first, first + _PART):
        outcome = run(seed, is_fused=True)
        assert outcome.violation is None, outcome.story(with_trace=True)


def test_in_fused_mode_workers_read_both_topics_and_send_on_what_lies_elsewhere() -> None:
    seen = {"misplaced": 0, "applied": 0, "raw": 0, "keyed": 0}
    for seed in range(30):
        world = World(seed, is_fused=True)
        world.run()
        for name in ("misplaced", "applied"):
            seen[name] += any(getattr(worker.agent.coordinator.counts, name) for worker in world.workers)
        seen["keyed"] += any(world.group.committed[: world.log.owners])
        seen["raw"] += any(world.group.committed[world.log.owners :])
    assert min(seen.values()) >= 10, seen


def test_a_seed_is_the_same_schedule_every_time() -> None:
    one, other = run(7), run(7)
    assert one.trace == other.trace
    assert one.trace != run(8).trace


def test_schedules_are_as_nasty_as_they_are_meant_to_be() -> None:
    """Every kind of mishap, and everything that a log may hold, comes up in the first 300 schedules."""
    seen: dict[str, int] = {}
    for seed in range(300):
        world = World(seed)
        world.run()
        for what, happened in {
            **{
                text: any(text in str(event) for event in world.scheduler.trace)
                for text in (
                    *("dies before", "dies halfway", "dies after", "stopped in", "failed, done", "arrived late"),
                    *("told to stop", "refused", "generation 3", "erase cut off"),
                )
            },
            "retracted": any(intent.action == "retract" for intent in world.log.intents),
            "told": any(intent.action == "open" for intent in world.log.intents),
            "dead letters": bool(world.log.dead),
            "erased": bool(world.tables.erased),
            "merged": any(row["merged_into"] for row in world.tables.written["persons"]),
            "placeholder": any(row["is_placeholder"] for row in world.tables.written["person_identifiers"]),
            **{
                name: any(getattr(worker.agent.coordinator.counts, name) for worker in world.workers)
                for name in ("forwarded", "too_late", "late", "duplicate", "refused", "superseded")
            },
        }.items():
            seen[what] = seen.get(what, 0) + happened
    assert {what for what, times in seen.items() if times < 3} == set(), seen


def test_a_schedule_can_be_run_again_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3", "--trace"]) == 0
    assert "w1      starts" in capsys.readouterr().out
    assert main(["--schedules", "3", "--from", "5"]) == 0
    assert "3/3 schedules" in capsys.readouterr().err
