"""Hypothesis here: no deadline, since the machine may be busy with other things; what failed once is tried first."""

from hypothesis import settings

settings.register_profile("core", deadline=None)
settings.load_profile("core")
