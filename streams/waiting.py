"""What a worker waits for, in its log: at once, then once a minute for as long as it lasts."""

import time
from collections.abc import Callable
from typing import Final

import structlog
from stamina.instrumentation import RetryDetails

from sinks.clickhouse.errors import StoreUnavailable

_log = structlog.get_logger()
#: Attempts come several times a second at first, and from every agent.
_SAY_EVERY_S: Final = 60.0


class WaitLog:
    """Called by stamina before each pause between two attempts; says so for each dependency once a minute at most."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said_at: dict[str, float] = {}

    def __call__(self, details: RetryDetails) -> None:
        """Log what failed, unless that was done just now."""
        error = details.caused_by
        dependency = "clickhouse" if isinstance(error, StoreUnavailable) else "kafka"
        now = self._clock()
        if now - self._said_at.get(dependency, -_SAY_EVERY_S) >= _SAY_EVERY_S:
            self._said_at[dependency] = now
            _log.warning(
                "waiting",
                dependency=dependency,
                error=str(error) or type(error).__name__,
                attempts=details.retry_num,
            )
