"""Languages of reports."""

from enum import StrEnum


class Language(StrEnum):
    """The language of a report."""

    ENGLISH = "en"
    GERMAN = "de"
