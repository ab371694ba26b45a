"""Keys of the identity hashes, in the order in which they came to hold.

A record is hashed with the key that held when the log took it, so a replay gives the hashes that are stored already,
however many keys have come since.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

#: Since when a key holds that no record is older than; the log's times, even broken ones, are later.
BEGINNING: Final = -(2**63)
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Key:
    """A key and the moment (UTC milliseconds) from which on records that are appended are hashed with it."""

    secret: bytes = field(repr=False)
    since: int = BEGINNING


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys, at least one, oldest first; no two of them begin at the same moment.

    While the window is open, so long after a key began, identities are known under the key before it as well. Hashes
    name one of so many `partitions`: whoever makes any has to know the number.
    """

    keys: tuple[Key, ...]
    window_ms: int = 90 * _DAY_MS
    partitions: int = 4

    def __post_init__(self) -> None:
        moments = [key.since for key in self.keys]
        if not moments or any(later <= earlier for earlier, later in pairwise(moments)):
            msg = "a keyring holds at least one key, and each begins later than the one before it"
            raise ValueError(msg)

    def current_at(self, append_time: int) -> bytes | None:
        """Key for a record of this append time (UTC milliseconds); `None` when it is older than the oldest key."""
        index = self._index(append_time)
        return self.keys[index].secret if index >= 0 else None

    def previous_at(self, append_time: int) -> bytes | None:
        """Key before the current one, when the ring still holds it and its window is open at the append time."""
        index = self._index(append_time)
        if index < 1 or append_time - self.keys[index].since >= self.window_ms:
            return None
        return self.keys[index - 1].secret

    def keys_at(self, append_time: int) -> tuple[bytes, ...]:
        """The current key, and after it the previous one where there is one: see `current_at` and `previous_at`."""
        index = self._index(append_time)
        if index < 0:
            return ()
        key = self.keys[index]
        if index and append_time - key.since < self.window_ms:
            return key.secret, self.keys[index - 1].secret
        return (key.secret,)

    def all_before(self, append_time: int) -> tuple[bytes, ...]:
        """All keys before the current one at the append time that the ring still holds, the latest first."""
        return tuple(key.secret for key in reversed(self.keys[: max(0, self._index(append_time))]))

    def _index(self, append_time: int) -> int:
        if append_time >= self.keys[-1].since:
            return len(self.keys) - 1
        return bisect_right(self.keys, append_time, key=_since) - 1


def _since(key: Key) -> int:
    return key.since
