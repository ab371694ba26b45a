"""Faults on order: a process that dies at a given step, before it, in the middle of it, or right after it."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any


class Killed(BaseException):
    """The process is gone; nothing after this line has happened, and no handler of ours may see it."""


class Moment(Enum):
    """When, seen from the step at which the process dies."""

    BEFORE = "before"
    HALFWAY = "halfway"
    AFTER = "after"


class Faults:
    """Counts the steps that leave traces outside of the process, and dies at one of them if so ordered."""

    def __init__(self, at_step: int | None = None, moment: Moment = Moment.BEFORE) -> None:
        self.steps: list[str] = []
        self._at_step = at_step
        self._moment = moment

    def around(self, name: str, items: Sequence[Any], take_effect: Callable[[Sequence[Any]], object]) -> None:
        """Let a step take effect on all items, or on what the order leaves of it."""
        number = len(self.steps)
        self.steps.append(name)
        if number != self._at_step:
            take_effect(items)
            return
        if self._moment is Moment.AFTER:
            take_effect(items)
        elif self._moment is Moment.HALFWAY:
            take_effect(items[: len(items) // 2])
        raise Killed(f"{self._moment.value} step {number}: {name}")
