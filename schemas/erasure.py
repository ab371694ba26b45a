"""Privacy erasure: whose data has been taken out for good, and what that took out."""

import msgspec


class ErasedIdentifier(msgspec.Struct, frozen=True, kw_only=True):
    """An identifier whose person asked to be forgotten; nothing that comes under it is taken any more.

    `identity` is the `namespace:hash` of it; `source` and `id` name the request, and `requested_at` is when that was
    appended to the log (UTC milliseconds). Of several requests the last counts: it is the `version`.
    """

    tenant: str
    identifier: str
    identity: str
    requested_at: int
    source: str
    id: str
    version: int


class ErasureReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of one table held anything of an erased identifier, before and after; repeated rows included.

    `rows_before` is the most that were ever found for the request, so it survives an erasure that was interrupted and
    begun again. Until the rows are gone `rows_after` is not smaller. Times are UTC milliseconds; of several rows about
    the same the highest `version` counts.
    """

    tenant: str
    source: str
    id: str
    requested_at: int
    identifier: str
    store: str
    rows_before: int
    rows_after: int
    recorded_at: int
    version: int
