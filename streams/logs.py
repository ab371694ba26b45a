"""Logs: one line an event on standard error; JSON unless a person is watching. Never payloads, never identifiers."""

import logging
import sys

import structlog
from stamina.instrumentation import set_on_retry_hooks

from streams.waiting import WaitLog


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
