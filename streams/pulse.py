"""Signs of life of an agent: what it does while no offset moves, and does on purpose."""

import time
from collections import Counter
from collections.abc import Callable


class Pulse:
    """Beats whenever an agent that waits for others, or writes for long, has come a step further.

    Beaten by the event loop, read by the watchdog's thread. A step may say how long it takes at most: so long its
    silence means nothing.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._until = 0.0
        self.beats = 0
        #: How often somebody had to be tried again, by who that was.
        self.retries: Counter[str] = Counter()

    def beat(self, good_for_s: float = 0.0) -> None:
        """Note a sign of life; the next one may take `good_for_s` seconds to come."""
        self._until = self._now_s() + good_for_s
        self.beats += 1

    def retry(self, of: str, good_for_s: float) -> None:
        """Note that somebody did not answer and is asked again; that may take `good_for_s` seconds."""
        self.retries[of] += 1
        self.beat(good_for_s)

    @property
    def is_good(self) -> bool:
        """Whether the last step may still be under way."""
        return self._now_s() < self._until
