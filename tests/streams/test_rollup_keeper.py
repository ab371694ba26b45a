"""The keeper of rollups: only where it is its turn, and nothing of what fails ends the worker."""

import pytest

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.errors import StoreUnavailable
from sinks.clickhouse.rollups.upkeep import ROLLUPS, Differing, Rollup
from streams import rollup_keeper
from streams.metrics import CATALOGUE
from streams.rollup_keeper import RollupKeeper, rest_after

NOWHERE = ClickHouseAddress(port=1)


class Store:
    """Days that differ, and whether the store answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.differing = 0
        self.stays = 0
        self.is_away = False
        self.looked = 0
        monkeypatch.setattr(rollup_keeper, "rebuild", self.rebuild)
        monkeypatch.setattr(rollup_keeper, "differing_days", self.differing_days)

    def rebuild(self, _: ClickHouseAddress, rollup: Rollup) -> list[Differing]:
        self.looked += 1
        if self.is_away:
            raise StoreUnavailable("away")
        return [Differing(rollup.name, "t", "2024-01-01", 1, 0, 0)] * self.differing

    def differing_days(self, _: ClickHouseAddress, rollup: Rollup) -> list[Differing]:
        return [Differing(rollup.name, "t", "2024-01-01", 1, 0, 0)] * self.stays


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    return Store(monkeypatch)


def told(keeper: RollupKeeper) -> dict[str, float]:
    """Values by metric, of the first rollup."""
    samples = list(keeper.measure())
    assert {sample.metric for sample in samples} <= set(CATALOGUE)
    return {sample.metric: sample.value for sample in samples if sample.labels in {(), (ROLLUPS[0].name,)}}


def test_days_that_are_rebuilt_are_counted_and_days_that_differ_afterwards_are_told(store: Store) -> None:
    keeper = RollupKeeper(NOWHERE, 60.0, lambda: True)
    assert told(keeper) == {}
    store.differing, store.stays = 3, 1
    keeper.look()
    keeper.look()
    values = told(keeper)
    assert values.pop("journeys_rollups_checked_timestamp_seconds") > 1.7e9
    assert values == {"journeys_rollup_days_rebuilt_total": 6, "journeys_rollup_days_differing": 1}
    store.differing = 0
    keeper.look()
    assert told(keeper)["journeys_rollup_days_differing"] == 0


def test_another_worker_s_rollups_are_left_alone_and_not_told_of(store: Store) -> None:
    turns = [True, False]
    keeper = RollupKeeper(NOWHERE, 60.0, lambda: turns[0])
    store.differing = store.stays = 1
    keeper.look()
    turns.pop(0)
    keeper.look()
    assert store.looked == len(ROLLUPS)
    assert told(keeper) == {"journeys_rollup_days_rebuilt_total": 1}


def test_a_store_that_is_away_is_tried_again_and_the_last_look_does_not_move(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper = RollupKeeper(NOWHERE, 60.0, lambda: True)
    store.is_away = True
    keeper.look()
    keeper.look()
    assert told(keeper) == {}
    assert capsys.readouterr().out.count("rollups_not_rebuilt") == 1
    store.is_away = False
    keeper.look()
    assert "journeys_rollups_checked_timestamp_seconds" in told(keeper)


def test_it_looks_again_and_again_while_at_work_and_never_with_zero_seconds(store: Store) -> None:
    seen: list[int] = []

    def is_ours() -> bool:
        seen.append(1)
        return False

    with RollupKeeper(NOWHERE, 0.0, is_ours).at_work():
        pass
    assert seen == []
    with RollupKeeper(NOWHERE, 0.001, is_ours).at_work():
        while len(seen) < 3:
            pass
    done = len(seen)
    assert done >= 3


def test_a_look_that_takes_long_is_followed_by_a_rest_nine_times_as_long() -> None:
    assert rest_after(6.6, 60.0) == 60.0
    assert rest_after(20.0, 60.0) == 180.0
