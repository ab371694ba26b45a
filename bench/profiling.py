"""A profile of a worker: py-spy starts it, writes a file for https://www.speedscope.app, and the text comes from that.

What is counted are samples in which a thread held the interpreter's lock, so waiting does not show, and neither does
work of C code that lets the lock go.
"""

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from tests.support.processes import REPOSITORY

_SAMPLES_PER_SECOND: Final = 250
#: How its stacks begin, and what runs its event loop; what it does outside of that is starting.
_MAIN_THREAD: Final = "_run_module_as_main"
_LOOP: Final = "._run_once "
_FOLDERS: Final = re.compile(rf".*/site-packages/|.*/lib/python3\.\d+/|{re.escape(str(REPOSITORY))}/")


class Profile(NamedTuple):
    """Samples of the main thread in its event loop: in a function itself, and in it or what it called."""

    samples: int
    of_process: int
    own: Counter[str]
    cumulative: Counter[str]

    def text(self, most: int) -> str:
        """Both tables as text."""
        share = f"{self.samples} of {self.of_process} samples are of the main thread in its event loop"
        lines = [f"{share}; the others are of other threads and of the start", ""]
        for title, counts in (("own time", self.own), ("cumulative", self.cumulative)):
            lines += [f"{title:>10}  function"]
            lines += [f"{100 * count / self.samples:9.1f}%  {name}" for name, count in counts.most_common(most)]
            lines += [""]
        return "\n".join(lines)


def launcher(file: Path) -> list[str]:
    """What to put in front of a command to have it profiled into a speedscope file."""
    py_spy = Path(sys.executable).with_name("py-spy")
    options = ["--rate", str(_SAMPLES_PER_SECOND), "--gil", "--format", "speedscope", "--output", str(file)]
    return [str(py_spy), "record", *options, "--"]


def read_profile(file: Path) -> Profile:
    """Read a speedscope file that py-spy has written.

    Raises:
        ValueError: no sample is of the main thread in its event loop.

    """
    content: dict[str, Any] = msgspec.json.decode(file.read_bytes())
    names = [f"{frame['name']} ({_FOLDERS.sub('', frame.get('file') or '?')})" for frame in content["shared"]["frames"]]
    own: Counter[str] = Counter()
    cumulative: Counter[str] = Counter()
    of_process = 0
    for thread in content["profiles"]:
        of_process += len(thread["samples"])
        for sample in thread["samples"]:
            stack = [names[frame] for frame in sample]
            begin = next((index for index, name in enumerate(stack) if _LOOP in name), None)
            if begin is not None and stack[0].startswith(_MAIN_THREAD):
                own[stack[-1]] += 1
                cumulative.update(set(stack[begin:]))
    if not own:
        raise ValueError(f"{file} has no samples of the main thread in its event loop")
    return Profile(own.total(), of_process, own, cumulative)
