"""What a schedule found."""

from typing import NoReturn, Protocol


class Violation(AssertionError):
    """Something that must hold does not; `what` names it in a few words, the same for every case of it."""

    def __init__(self, what: str, details: str = "") -> None:
        super().__init__(f"{what}: {details}" if details else what)
        self.what = what


class Fail(Protocol):
    """Notes a violation, so that nobody can swallow it, and raises it."""

    def __call__(self, what: str, details: str = "") -> NoReturn: ...
