import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from streams.turns import Turns

LONG_ENOUGH = 30.0
AT_ONCE = 0.01


def appends(done: list[str], name: str) -> Callable[[], Coroutine[Any, Any, None]]:
    async def work() -> None:
        await asyncio.sleep(0)
        done.append(name)

    return work


def test_work_is_done_one_after_the_other_in_the_order_asked_for() -> None:
    trace: list[str] = []

    async def scenario() -> None:
        turns = Turns()

        def work(name: str) -> Callable[[], Coroutine[Any, Any, None]]:
            async def steps() -> None:
                trace.append(f"{name} begins")
                await asyncio.sleep(0)
                trace.append(f"{name} ends")

            return steps

        await asyncio.gather(*(turns.take(work(name)) for name in "abc"))

    asyncio.run(scenario())
    assert trace == ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]


def test_what_work_raises_is_raised_to_whoever_asked_for_it() -> None:
    async def breaks() -> None:
        raise LookupError("no such table")

    with pytest.raises(LookupError, match="no such table"):
        asyncio.run(Turns().take(breaks))


def test_the_end_of_a_round_waits_for_work_in_hand_and_does_a_last_thing() -> None:
    done: list[str] = []

    async def scenario() -> bool:
        turns = Turns()
        in_hand = asyncio.create_task(turns.take(appends(done, "in hand")))
        await asyncio.sleep(0)
        ended = await turns.end(LONG_ENOUGH, appends(done, "last"))
        await in_hand
        return ended

    assert asyncio.run(scenario())
    assert done == ["in hand", "last"]


def test_work_that_has_not_begun_when_its_round_ends_is_never_begun() -> None:
    done: list[str] = []

    async def scenario() -> None:
        turns = Turns()
        asked = [asyncio.create_task(turns.take(appends(done, name))) for name in ("in hand", "too late")]
        await asyncio.sleep(0)
        await turns.end(LONG_ENOUGH)
        await asyncio.gather(*asked)
        await turns.take(appends(done, "next round"))

    asyncio.run(scenario())
    assert done == ["in hand", "next round"]


def test_work_that_does_not_end_in_time_is_cancelled_and_the_next_round_can_begin() -> None:
    done: list[str] = []

    async def scenario() -> bool:
        turns = Turns()
        cancelled = asyncio.Event()

        async def waits_for_ever() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                cancelled.set()

        in_hand = asyncio.create_task(turns.take(waits_for_ever))
        await asyncio.sleep(0)
        ended = await turns.end(AT_ONCE, appends(done, "last"))
        assert cancelled.is_set(), "the work could go on after the round"
        await in_hand
        await turns.take(appends(done, "next round"))
        return ended

    assert not asyncio.run(asyncio.wait_for(scenario(), LONG_ENOUGH))
    assert done == ["next round"]


def test_a_last_thing_that_does_not_end_in_time_is_cancelled_too() -> None:
    async def scenario() -> bool:
        async def waits_for_ever() -> None:
            await asyncio.get_running_loop().create_future()

        return await Turns().end(AT_ONCE, waits_for_ever)

    assert not asyncio.run(asyncio.wait_for(scenario(), LONG_ENOUGH))


def test_what_the_last_thing_raises_is_raised() -> None:
    async def breaks() -> None:
        raise LookupError("no such table")

    with pytest.raises(LookupError):
        asyncio.run(Turns().end(LONG_ENOUGH, breaks))


def test_whoever_is_cancelled_while_waiting_for_work_takes_the_work_along() -> None:
    async def scenario() -> None:
        turns = Turns()
        ended = asyncio.Event()

        async def waits_for_ever() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.set()

        asking = asyncio.create_task(turns.take(waits_for_ever))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert ended.is_set()

    asyncio.run(asyncio.wait_for(scenario(), LONG_ENOUGH))


def test_work_in_hand_can_see_that_its_round_is_over() -> None:
    seen: list[bool] = []

    async def scenario() -> None:
        turns = Turns()
        goes_on = asyncio.Event()

        async def looks_twice() -> None:
            seen.append(turns.is_ending)
            await goes_on.wait()
            seen.append(turns.is_ending)

        asking = asyncio.create_task(turns.take(looks_twice))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ending = asyncio.create_task(turns.end(LONG_ENOUGH))
        await asyncio.sleep(0)
        goes_on.set()
        await asyncio.gather(asking, ending)

    asyncio.run(scenario())
    assert seen == [False, True]
