"""Touchpoints of very many persons in a file, written by a process of its own: what that takes is not measured.

Run as a process: `python -m bench.population FILE PERSONS EVENTS SEED`.
"""

import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.mix import make_mix
from bench.steps import START_MS
from schemas.codec import encode
from tests.support.processes import REPOSITORY

#: When it happened, UTC milliseconds, and how many bytes follow.
_HEAD: Final = struct.Struct("<qI")


def write_population(file: Path, persons: int, events: int, seed: int) -> None:
    """Write so many touchpoints of so many persons; the same for the same numbers."""
    numbers = [str(number) for number in (persons, events, seed)]
    subprocess.run([sys.executable, "-m", "bench.population", str(file), *numbers], cwd=REPOSITORY, check=True)


def windows(file: Path, milliseconds: int) -> Iterator[list[bytes]]:
    """Records in the order of sending, as they come in so much of event time together."""
    with file.open("rb") as content:
        window: list[bytes] = []
        until = 0
        while head := content.read(_HEAD.size):
            at, size = _HEAD.unpack(head)
            if at >= until:
                if window:
                    yield window
                window, until = [], at - at % milliseconds + milliseconds
            window.append(content.read(size))
    if window:
        yield window


def main() -> None:
    file, (persons, events, seed) = Path(sys.argv[1]), map(int, sys.argv[2:])
    with file.open("wb") as out:
        for touchpoint in make_mix(events, persons, seed=seed, start=START_MS).touchpoints:
            value = encode(touchpoint)
            out.write(_HEAD.pack(touchpoint.occurred_at, len(value)) + value)


if __name__ == "__main__":
    main()
