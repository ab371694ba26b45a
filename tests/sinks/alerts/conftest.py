"""Hypothesis here: no deadline, since the machine may be busy with other things."""

from hypothesis import settings

settings.register_profile("alerts", deadline=None)
settings.load_profile("alerts")
