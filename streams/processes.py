"""The same work on many parts, on all cores there are."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


def in_processes(
    work: Callable[[_Part], _Result], parts: Sequence[_Part], processes: int | None = None
) -> Iterator[_Result]:
    """Results in the order in which they are ready; one part needs no process of its own.

    `work` and what it takes and returns are pickled. What it raises ends the others.
    """
    at_most = min(processes or _cores(), len(parts))
    if at_most <= 1:
        yield from map(work, parts)
        return
    # A fork would copy connections and the threads' locks of whoever shows the progress.
    with ProcessPoolExecutor(at_most, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(work, part) for part in parts]
        try:
            for done in as_completed(futures):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
