"""How many identities a person may have."""

import sys

import msgspec

from processors.settings import DAY_MS
from schemas.vocabulary import IdentityClass


class IdentityLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much may be joined into one person without anybody having said so.

    `unique` and `login` are identities of one namespace of that class; `volatile` is the same for those linked within
    less than `volatile_window_ms` (milliseconds) of each other. `max_identities` is the size of a person, which no
    statement overrides. An identity seen with more than `max_companions` others is a placeholder.
    """

    unique: int = 1
    login: int = 5
    volatile: int = 5
    volatile_window_ms: int = 7 * DAY_MS
    max_identities: int = 200
    max_companions: int = 200

    def most(self, class_: IdentityClass) -> int:
        """How many identities of a namespace of this class one person may have; shared ones are not counted."""
        if class_ is IdentityClass.UNIQUE:
            return self.unique
        if class_ is IdentityClass.LOGIN:
            return self.login
        return self.volatile if class_ is IdentityClass.VOLATILE else sys.maxsize
