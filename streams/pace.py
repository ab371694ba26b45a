"""When to flush: soon while little comes, and so seldom that flushes stay a small part of the time when much does.

Reads no clock: whoever asks says what time it is, in seconds of any clock that never goes back.
"""

from typing import Final

from streams.settings import FlushSettings

#: A pause is at least so many times as long as the flush before it, so flushes take a fifth of the time at most. What a
#: flush costs whatever it holds (an insert for each table) is then shared by all that came meanwhile.
_PAUSE: Final = 4


class Pace:
    """Tells when what was collected has to be written.

    At once after a long enough pause, so that a lone touchpoint waits for nothing; after a pause in proportion to the
    last flush otherwise; in any case when there are enough rows or bytes, or the oldest record has waited too long.
    Records that no touchpoint is among only move time on: they wait for the next touchpoint, or their age.
    """

    def __init__(self, settings: FlushSettings) -> None:
        self._settings = settings
        self._bytes = 0
        self._paused_until = 0.0
        #: When the oldest of the records that were collected came; `None` while there are none.
        self.oldest: float | None = None

    def begin(self, now: float) -> None:
        """Start with nothing collected, as after a flush: what has piled up by now is not written bit by bit."""
        self.flushed(now, now, is_idle=True)

    def took(self, now: float, size: int) -> None:
        """Note that records of so many bytes were collected."""
        self._bytes += size
        if self.oldest is None:
            self.oldest = now

    def is_due(self, now: float, rows: int) -> bool:
        """Whether to flush now that so many touchpoints were collected."""
        limits = self._settings
        if self.oldest is None:
            return False
        if rows >= limits.max_rows or self._bytes >= limits.max_bytes or now - self.oldest >= limits.max_age_s:
            return True
        return rows > 0 and now >= self._paused_until

    def flushed(self, began: float, now: float, *, is_idle: bool) -> None:
        """Note a flush that wrote everything; without `is_idle` there is more to do that waits since now."""
        self._bytes = 0
        self.oldest = None if is_idle else now
        self._paused_until = now + max(self._settings.min_pause_s, _PAUSE * (now - began))
