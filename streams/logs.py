"""Logs: one line an event on standard error; JSON unless a person is watching. Never payloads, never identifiers."""

import logging
import sys
import time
from collections.abc import Callable
from typing import Final

import structlog
from stamina.instrumentation import set_on_retry_hooks

from streams.waiting import WaitLog

#: Seconds in which a library says the same thing once: aiokafka alone writes 170 lines a second while a broker is away.
REPEATED_AFTER_S: Final = 10.0
#: Texts, so that one that is never the same does not fill the memory.
_MOST_REMEMBERED: Final = 1_000
_OURS: Final = ("streams", "sinks", "processors", "schemas", "root")


class OnceInAWhile(logging.Filter):
    """Lets what a library says through, and the same again only after a while, with how often it was said meanwhile.

    The same is what comes from the same logger, at the same level, with the same text before its gaps are filled: a
    broker that is away is the same news for each of ten connections. What this project says itself passes.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._said: dict[tuple[str, int, str], tuple[float | None, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to let it through."""
        if record.name.partition(".")[0] in _OURS:
            return True
        key, now = (record.name, record.levelno, str(record.msg)), self._now()
        last, left_out = self._said.get(key, (None, 0))
        if last is not None and now - last < REPEATED_AFTER_S:
            self._said[key] = last, left_out + 1
            return False
        if len(self._said) >= _MOST_REMEMBERED:
            self._said.clear()
        self._said[key] = now, 0
        if left_out:
            record.msg, record.args = f"{record.getMessage()} (and {left_out} times more since)", ()
        return True


def configure_logs(*, verbose: bool = False) -> None:
    """Set up structlog and send what libraries log through the same form."""
    set_on_retry_hooks([WaitLog()])
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    is_watched = sys.stderr.isatty()
    render: structlog.typing.Processor = (
        # The default formatter of exceptions prints local variables, and payloads with them.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_watched
        else structlog.processors.JSONRenderer()
    )
    tracebacks: list[structlog.typing.Processor] = [] if is_watched else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tracebacks, render],
        )
    )
    handler.addFilter(OnceInAWhile())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    for name in ("streams", "sinks"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    if not verbose:
        # Faust speaks through our transport's logger; the driver prints a stack for every dial that fails.
        logging.getLogger("streams.transport").setLevel(logging.WARNING)
        logging.getLogger("streams.app").setLevel(logging.WARNING)
        # Faust's timers complain of every chunk that takes longer than their tick.
        logging.getLogger("mode.timers").setLevel(logging.ERROR)
        # What the watchdog's short-lived clients fail at they raise; that they were busy or closed concerns nobody.
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
        logging.getLogger("clickhouse_driver.connection").setLevel(logging.ERROR)
