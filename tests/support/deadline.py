"""Waiting for what happens by itself: polled until a deadline, never slept for."""

import asyncio
import time
from collections.abc import Callable


def wait_until(holds: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Return as soon as ``holds()`` is true; fail when it is not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.01)


async def eventually(holds: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Same as `wait_until`, and lets others run meanwhile."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        await asyncio.sleep(0.01)
