"""What can become of one delivery."""

import msgspec


class Delivered(msgspec.Struct, frozen=True):
    """The channel took the alert."""


class Retry(msgspec.Struct, frozen=True):
    """The channel could not take it now: nothing is wrong with the alert, the same one may go through later.

    `after_s` is how long the receiver asked to be left alone, in seconds; None when it named no time. An alert that
    was sent but not answered is a retry too, so a team may see it twice in that one case.
    """

    after_s: float | None
    reason: str


class Refused(msgspec.Struct, frozen=True):
    """The channel will never take it: sending the same again changes nothing."""

    reason: str


Outcome = Delivered | Retry | Refused
