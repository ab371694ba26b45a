"""The replay of the core: it reaches the end, and its digest is one of rows and not of the run."""

import asyncio

from bench.replay import chunks_of, replay


def test_the_same_records_give_the_same_rows_and_others_give_others() -> None:
    chunks, others = chunks_of(300, 30, 50), chunks_of(301, 30, 50)
    costs = [asyncio.run(replay(some, 100)) for some in (chunks, chunks, others)]
    assert costs[0].records >= 300
    assert costs[0].cpu_s > 0
    assert costs[0].digest == costs[1].digest != costs[2].digest
