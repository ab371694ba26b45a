"""What can become of one delivery."""

import msgspec


class Delivered(msgspec.Struct, frozen=True):
    """The channel took the notice.

    `reference` is what the channel needs to change, answer or resolve what it has shown, to be handed back in later
    notices of the same incident; empty where there is nothing to come back to. It holds no secret.
    """

    reference: str = ""


class Retry(msgspec.Struct, frozen=True):
    """The channel could not take it now: nothing is wrong with the notice, the same one may go through later.

    `after_s` is how long the receiver asked to be left alone, in seconds; None when it named no time. A notice that
    was sent but not answered is a retry too: it `may_have_arrived`, so a team may see it twice in that one case.
    """

    after_s: float | None
    reason: str
    may_have_arrived: bool = False


class Refused(msgspec.Struct, frozen=True):
    """The channel will never take it: sending the same again changes nothing."""

    reason: str


Outcome = Delivered | Retry | Refused
