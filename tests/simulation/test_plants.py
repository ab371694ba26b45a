"""The simulation finds bugs: each of those that are planted, within so many schedules."""

from collections.abc import Callable

import pytest

from tests.simulation.plants import FUSED_PLANTS, PLANTS
from tests.simulation.world import run


@pytest.mark.parametrize(("plant", "within"), PLANTS.items(), ids=[plant.__name__ for plant in PLANTS])
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], within: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert any(run(seed).violation is not None for seed in range(within)), f"not in {within} schedules"


@pytest.mark.parametrize(("plant", "within"), FUSED_PLANTS.items(), ids=[plant.__name__ for plant in FUSED_PLANTS])
def test_a_bug_planted_in_fused_mode_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], within: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    found = any(run(seed, is_fused=True).violation is not None for seed in range(within))
    assert found, f"not in {within} schedules"
