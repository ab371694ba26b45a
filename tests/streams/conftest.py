"""Hypothesis here: no deadline, since the machine may be busy with other things. Logs: warnings and worse."""

import logging

import structlog
from hypothesis import settings

settings.register_profile("streams", deadline=None)
settings.load_profile("streams")
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
