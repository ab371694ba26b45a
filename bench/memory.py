"""How much memory persons take in a worker: bytes for each, what they consist of, and whether the caps hold.

Run with `make bench-memory`. Every number comes from a process of its own that takes generated touchpoints as a worker
does, judges all of them, and is asked for its resident memory after a collection of garbage. A slope over two sizes
leaves out what the process takes anyway. `--persons 1000000` holds so many persons at once, with `--touchpoints` each.

Exit code 0: measured, and the caps held; 1: they did not.
"""

import argparse
import gc
import subprocess
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import msgspec

from bench.held import WINDOW_MS, Held, status_bytes
from bench.population import windows, write_population
from bench.report import machine
from processors.diff import NOTHING_PUBLISHED
from processors.friction.catalogue import default_rules
from streams.owner import Owner
from tests.support.processes import REPOSITORY

#: Touchpoints of each person on average, and two numbers of persons for the slope.
SHAPES: Final = ((1, (10_000, 40_000)), (10, (1_000, 4_000)), (100, (100, 400)))
#: Of the persons of one touchpoint, and of the touchpoints of those with ten: a quarter is held.
CAPPED_PERSONS: Final = 10_000
CAPPED_TOUCHPOINTS: Final = 10_000
#: What was freed is not given back to the system at once, and the garbage of who had to leave waits for a collection.
CAP_TOLERANCE: Final = 1.25
_EVERYTHING: Final = sys.maxsize
#: Windows that are taken before anything is measured.
_WARM_UP: Final = 20
_TYPES_SHOWN: Final = 8
_NOBODYS: Final = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)
_RESULTS: Final = Path(__file__).parent / "results"


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """What one process held, and the bytes that it took for that; `parts` are what they consist of."""

    persons: int
    touchpoints: int
    base_bytes: int
    resident_bytes: int
    peak_bytes: int
    cpu_s: float
    gc_s: float
    longest_pause_s: float
    parts: dict[str, int] = {}
    types: dict[str, int] = {}

    @property
    def held_bytes(self) -> int:
        """Beyond what the process takes without persons."""
        return self.resident_bytes - self.base_bytes


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes for each person and touchpoint, as a slope; `parts` and `types` are of a person."""

    touchpoints_per_person: float
    bytes_per_person: int
    bytes_per_touchpoint: int
    parts: dict[str, int]
    types: dict[str, int]
    points: list[Point]


class Cap(msgspec.Struct, frozen=True, kw_only=True):
    """What was held under a cap, and what that ought to take."""

    name: str
    limit: int
    expected_bytes: int
    holds: bool
    point: Point


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured: the shapes and caps, or `many` persons."""

    date: str
    seed: int
    machine: dict[str, Any]
    shapes: list[Shape] = []
    caps: list[Cap] = []
    many: Point | None = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--persons", type=int, help="hold so many persons instead, nothing else")
    add("--touchpoints", type=int, default=1, help="of each of them (default: %(default)s)")
    add("--seed", type=int, default=1, help="decides the data (default: %(default)s)")
    add("--out", type=Path, metavar="FILE", help="result as JSON (default: bench/results/DATE-memory.json)")
    add("--json", action="store_true", help="print the result as JSON instead of tables")
    add("--point", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        file, max_persons, max_touchpoints, is_taken_apart = options.point
        point = measured(Path(file), int(max_persons), int(max_touchpoints), is_taken_apart=is_taken_apart == "1")
        print(msgspec.json.encode(point).decode())
        return 0
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    with tempfile.TemporaryDirectory(prefix="journeys-bench-") as scratch:
        folder = Path(scratch)
        if options.persons:
            many = _point(folder, options.persons, options.touchpoints, options.seed)
            result = Result(date=date, seed=options.seed, machine=machine(), many=many)
        else:
            shapes = [_shape(folder, each, sizes, options.seed) for each, sizes in SHAPES]
            result = Result(
                date=date, seed=options.seed, machine=machine(), shapes=shapes, caps=_caps(folder, shapes, options.seed)
            )
    content = msgspec.json.format(msgspec.json.encode(result)) + b"\n"
    out = options.out or _RESULTS / f"{date}-memory{'-many' if options.persons else ''}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)
    print(content.decode() if options.json else as_text(result))
    return 0 if all(cap.holds for cap in result.caps) else 1


def _shape(folder: Path, each: int, sizes: tuple[int, int], seed: int) -> Shape:
    small, large = (_point(folder, persons, each, seed, is_taken_apart=True) for persons in sizes)
    persons, touchpoints = large.persons - small.persons, large.touchpoints - small.touchpoints
    grown = large.held_bytes - small.held_bytes
    return Shape(
        touchpoints_per_person=round(touchpoints / persons, 2),
        bytes_per_person=round(grown / persons),
        bytes_per_touchpoint=round(grown / touchpoints),
        parts=_each(small.parts, large.parts, persons),
        types=_each(small.types, large.types, persons),
        points=[small, large],
    )


def _each(small: Mapping[str, int], large: Mapping[str, int], persons: int) -> dict[str, int]:
    grown = {name: round((size - small.get(name, 0)) / persons) for name, size in large.items()}
    return dict(sorted(((name, size) for name, size in grown.items() if size > 0), key=lambda one: -one[1]))


def _caps(folder: Path, shapes: Sequence[Shape], seed: int) -> list[Cap]:
    (one, (_, most_of_one)), (ten, (_, most_of_ten)) = SHAPES[:2]
    persons = _point(folder, most_of_one, one, seed, max_persons=CAPPED_PERSONS)
    touchpoints = _point(folder, most_of_ten, ten, seed, max_touchpoints=CAPPED_TOUCHPOINTS)
    return [
        _cap("max_persons", CAPPED_PERSONS, persons.persons, persons, shapes),
        _cap("max_touchpoints", CAPPED_TOUCHPOINTS, touchpoints.touchpoints, touchpoints, shapes),
    ]


def _cap(name: str, limit: int, held: int, point: Point, shapes: Sequence[Shape]) -> Cap:
    of_person, of_touchpoint = apart(shapes)
    expected = round(point.persons * of_person + point.touchpoints * of_touchpoint)
    holds = held <= limit and point.held_bytes <= CAP_TOLERANCE * expected
    return Cap(name=name, limit=limit, expected_bytes=expected, holds=holds, point=point)


def apart(shapes: Sequence[Shape]) -> tuple[float, float]:
    """Bytes of a person without touchpoints, and of each touchpoint, as the first two shapes have it."""
    few, more = shapes[:2]
    of_touchpoint = (more.bytes_per_person - few.bytes_per_person) / (
        more.touchpoints_per_person - few.touchpoints_per_person
    )
    return few.bytes_per_person - few.touchpoints_per_person * of_touchpoint, of_touchpoint


def _point(
    folder: Path,
    persons: int,
    each: int,
    seed: int,
    *,
    max_persons: int = _EVERYTHING,
    max_touchpoints: int = _EVERYTHING,
    is_taken_apart: bool = False,
) -> Point:
    """One measurement in a process of its own."""
    sys.stderr.write(f"{persons:,} persons with {each} touchpoints each\n")
    file = folder / f"{persons}-{each}"
    if not file.exists():
        write_population(file, persons, persons * each, seed)
    words = ["--point", str(file), str(max_persons), str(max_touchpoints), str(int(is_taken_apart))]
    done = subprocess.run(
        [sys.executable, "-m", "bench.memory", *words], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE
    )
    return msgspec.json.decode(done.stdout, type=Point)


def measured(file: Path, max_persons: int, max_touchpoints: int, *, is_taken_apart: bool) -> Point:
    """Hold everybody of a file, as far as the caps let them in."""
    # What is loaded and remembered with the first records is no person's.
    Held(1, 1).take(islice(windows(file, WINDOW_MS), _WARM_UP))
    gc.collect()
    base = status_bytes("VmRSS")
    held = Held(max_persons, max_touchpoints)
    spent = held.take(windows(file, WINDOW_MS))
    gc.collect()
    resident = status_bytes("VmRSS")
    parts, types = taken_apart(held.owner) if is_taken_apart else (Counter(), Counter())
    return Point(
        persons=len(held.owner),
        touchpoints=held.owner.touchpoints,
        base_bytes=base,
        resident_bytes=resident,
        peak_bytes=status_bytes("VmHWM"),
        cpu_s=round(spent.cpu_s, 2),
        gc_s=round(spent.gc_s, 2),
        longest_pause_s=round(spent.longest_pause_s, 3),
        parts=dict(parts),
        types=dict(types),
    )


def taken_apart(owner: Owner) -> tuple[Counter[str], Counter[str]]:
    """Bytes of everything that an owner holds, by what it is for, and by its type.

    What several have in common counts for the first of: the touchpoints themselves; their places in the story; what was
    folded from them; what rules made of that; what is known to be written; the owner's own books.
    """
    held = list(owner._persons.values())
    states = [one.state for one in held]
    entries = [entry for state in states for entry in state._entries]
    # Entries know their strand and their contact, which are part of the fold.
    folded = [part for entry in entries for part in (entry.strand, entry.contact) if part is not None]
    walk = _Walk()
    # The same for all persons, however many there are.
    walk.size([*default_rules(), owner.settings, NOTHING_PUBLISHED])
    walk.types.clear()
    roots: dict[str, list[object]] = {
        "touchpoints": [entry.applied for entry in entries],
        "places in the story": [part for state in states for part in (state._set, state._entries)],
        "what was folded": [*(state._fold for state in states), *folded],
        "what rules made of it": [part for state in states for part in (state._assessed, state._attention)],
        "what is known to be written": [part for one in held for part in (one.published, one.anchor_epochs)],
        "the owner's books": [owner._persons, owner._deadlines, owner._dirty],
    }
    beyond = frozenset(map(id, folded))
    parts = {
        name: walk.size(some, beyond if name == "places in the story" else frozenset()) for name, some in roots.items()
    }
    return Counter(parts), walk.types


class _Walk:
    """Adds up everything that can be reached, each object once."""

    def __init__(self) -> None:
        self.types: Counter[str] = Counter()
        self._seen: set[int] = set()

    def size(self, roots: Iterable[object], beyond: frozenset[int] = frozenset()) -> int:
        """Bytes of what can be reached from some objects and was not before; not from those `beyond`."""
        total = 0
        left = deque(roots)
        while left:
            one = left.pop()
            if id(one) in self._seen or id(one) in beyond or isinstance(one, _NOBODYS):
                continue
            self._seen.add(id(one))
            size = sys.getsizeof(one)
            total += size
            self.types[type(one).__name__] += size
            if isinstance(one, msgspec.Struct):
                # Those that the collector does not look at name nobody themselves.
                left.extend(getattr(one, name) for name in one.__struct_fields__)
            else:
                left.extend(gc.get_referents(one))
        return total


def as_text(result: Result) -> str:
    """Tables for people."""
    lines = [f"{result.machine['cpu']}, {result.machine['cores']} cores"]
    if result.shapes:
        lines += ["", f"{'touchpoints per person':<26}{'bytes per person':>18}{'bytes per touchpoint':>22}"]
    lines += [
        f"{shape.touchpoints_per_person:<26}{shape.bytes_per_person:>18,}{shape.bytes_per_touchpoint:>22,}"
        for shape in result.shapes
    ]
    if result.shapes:
        lines += ["", "so {:,.0f} bytes for a person and {:,.0f} for each touchpoint".format(*apart(result.shapes))]
    for shape in result.shapes:
        lines += ["", f"a person of {shape.touchpoints_per_person:g} touchpoints consists of, by what it is for"]
        lines += [f"  {name:<30}{size:>10,}" for name, size in shape.parts.items()]
        lines += ["and by type"]
        lines += [f"  {name:<30}{size:>10,}" for name, size in list(shape.types.items())[:_TYPES_SHOWN]]
    for cap in result.caps:
        point, holds = cap.point, "holds" if cap.holds else "DOES NOT HOLD"
        lines += ["", f"{cap.name} {cap.limit:,} {holds}: {point.persons:,} persons, {point.touchpoints:,} touchpoints"]
        held, expected, most = (
            size / 2**20 for size in (point.held_bytes, cap.expected_bytes, point.peak_bytes - point.base_bytes)
        )
        lines += [f"  {held:,.0f} MB held, {expected:,.0f} MB expected, {most:,.0f} MB at most"]
    if many := result.many:
        lines += [
            "",
            f"{many.persons:,} persons with {many.touchpoints:,} touchpoints: {many.held_bytes / 2**30:.2f} GB",
        ]
        lines += [
            f"  {many.peak_bytes / 2**30:.2f} GB at most; {many.cpu_s:,.0f} s of CPU, {many.gc_s:,.0f} s of it in"
        ]
        lines += [f"  collections of garbage, the longest of which took {many.longest_pause_s:.2f} s"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
