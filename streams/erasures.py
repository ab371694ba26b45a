"""Who has asked to be forgotten: what is not taken any more, and what is taken out.

A request makes all identifiers of its person erased in one table, durably, and then wakes their owners. Whoever writes
something that names identifiers looks into that table afterwards, and wakes the owners of those that are in it. So
either the writer sees that somebody is erased, or the owner, woken later, sees what was written: nothing is left.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec
import structlog

from schemas.alerts import AlertIntent
from schemas.erasure import ErasedIdentifier, ErasureReceipt
from schemas.identity import Wake, identifier_of, namespace_of
from schemas.touchpoint import AppliedTouchpoint, TouchpointKey
from schemas.vocabulary import IdentityClass, class_of
from sinks.clickhouse.rows import erased_block, receipt_block
from streams.identities import Identities
from streams.intents import NOT_TO_BE_SHOWN, retracted
from streams.store import StorePort, refuse_nothing

_log = structlog.get_logger()


class Erasures:
    """Requests of one flush, and the erased identifiers that have come up so far."""

    def __init__(self, store: StorePort, identities: Identities, wall_clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._identities = identities
        self._wall_clock_ms = wall_clock_ms
        self._erased: dict[str, ErasedIdentifier] = {}
        self._requests: dict[TouchpointKey, AppliedTouchpoint] = {}
        #: Erased identities that have come under a new key of the hash.
        self._renamed: dict[str, ErasedIdentifier] = {}

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._erased

    @property
    def requests(self) -> list[TouchpointKey]:
        """Requests of this flush."""
        return list(self._requests)

    def clear(self) -> None:
        """Forget what was asked for; it is read again by whoever comes next."""
        for identifier in self._renamed:
            # Perhaps not durable.
            self._erased.pop(identifier, None)
        self._requests.clear()
        self._renamed.clear()

    async def learn(self, identifiers: Iterable[str], *, anew: bool = False) -> list[ErasedIdentifier]:
        """Those of the identifiers that are erased; `anew` also finds out whether somebody has asked again since."""
        asked = set(identifiers)
        unknown = asked if anew else asked - self._erased.keys()
        if unknown:
            self._erased |= await self._store.read(lambda reader: reader.load_erased(unknown))
        return [self._erased[identifier] for identifier in sorted(asked & self._erased.keys())]

    def note_request(self, applied: AppliedTouchpoint) -> None:
        """Have a request obeyed at the next flush."""
        self._requests[applied.key] = applied

    def left_of(self, applied: AppliedTouchpoint) -> AppliedTouchpoint | None:
        """A touchpoint without the identities that are erased; `None` when it is an erased person's.

        What is erased has been learnt. An identity is erased under the key before the current one too, and is noted
        under the current one then.
        """
        if not self._erased:
            return applied
        gone = [self._is_gone(applied, place) for place in range(len(applied.touchpoint.identities))]
        if not any(gone):
            return applied
        for identity, is_gone in zip(applied.touchpoint.identities, gone, strict=True):
            if is_gone:
                return None
            if not self._identities.is_placeholder(identifier_of(identity)):
                break
        kept = [place for place, is_gone in enumerate(gone) if not is_gone]
        identities = tuple(applied.touchpoint.identities[place] for place in kept)
        return msgspec.structs.replace(
            applied,
            touchpoint=msgspec.structs.replace(applied.touchpoint, identities=identities),
            rotated=tuple(applied.rotated[place] for place in kept) if applied.rotated else (),
        )

    def _is_gone(self, applied: AppliedTouchpoint, place: int) -> bool:
        identity = applied.touchpoint.identities[place]
        identifier = identifier_of(identity)
        if identifier in self._erased:
            return True
        before = self._erased.get(identifier_of(applied.rotated[place])) if applied.rotated else None
        if before is None:
            return False
        renamed = msgspec.structs.replace(before, identifier=identifier, identity=identity)
        self._erased[identifier] = self._renamed[identifier] = renamed
        return True

    async def obey(self, token_prefix: str) -> list[Wake]:
        """Make the persons of all requests erased; returns the owners to wake, once that is durable.

        All links of what was taken before have to be durable by now.
        """
        erased = dict(self._renamed)
        for request in sorted(self._requests.values(), key=lambda applied: (applied.ingestion_time, applied.key)):
            erased |= await self._erased_by(request)
        if erased:
            # Once they are noted any owner may delete rows that name others of them too.
            await self._count(list(erased.values()), token_prefix)
            # Those who are named come last: who finds them noted knows that all others are.
            named = {identifier_of(name) for request in self._requests.values() for name in _subjects(request)}
            last = sorted(erased.values(), key=lambda one: one.identifier in named)
            block = erased_block(last, token_prefix=token_prefix)
            refuse_nothing(block.table, await self._store.insert(block))
            # Somebody may have asked again, later: that request counts.
            await self.learn(erased, anew=True)
        # Of a request that was interrupted all others were noted then; its identity may have become a placeholder.
        noted = await self.noted(self.requests)
        if self._requests or erased:
            _log.info("erasing", requests=len(self._requests), identifiers=len(erased))
        return sorted({Wake(one.tenant, one.identifier) for one in (*erased.values(), *noted)})

    async def noted(self, requests: Collection[TouchpointKey]) -> list[ErasedIdentifier]:
        """Those who were noted as erased by some requests."""
        return await self._store.read(lambda reader: reader.load_erased_by(requests)) if requests else []

    async def _erased_by(self, request: AppliedTouchpoint) -> dict[str, ErasedIdentifier]:
        """Everybody whom a request is about.

        Who is erased already has no person any more: when some of their links are gone and others are not yet, those
        that are left may lead to strangers.
        """
        tenant, source, id_ = request.key
        names = {identifier_of(name): name for name in _subjects(request)}
        await self.learn(names)
        found: dict[str, str] = {}
        while fresh := {identifier: name for identifier, name in names.items() if identifier not in self}:
            found = await self._identities.persons_of(tenant, fresh.values())
            # Another request may have come in between, and owners may delete links since.
            if not await self.learn(fresh, anew=True):
                break
            found = {}
        found |= {identifier: name for identifier, name in names.items() if identifier in self}
        if not found:
            _log.error("nobody_to_erase", source=source, id=id_, reason="the identity is a placeholder")
        return {
            identifier: ErasedIdentifier(
                tenant=tenant,
                identifier=identifier,
                identity=identity,
                requested_at=request.ingestion_time,
                source=source,
                id=id_,
                version=request.ingestion_time,
            )
            for identifier, identity in found.items()
        }

    async def withdraw_alerts(self, erased: Collection[ErasedIdentifier]) -> list[AlertIntent]:
        """Retractions of everything that teams may still be told of erased persons."""
        tenants = {one.identifier: one.tenant for one in erased}
        versions = await self._store.read(lambda reader: reader.load_friction_versions(tenants))
        return [
            retracted(friction_id, tenants[person_key], person_key, version, NOT_TO_BE_SHOWN)
            for (person_key, friction_id), version in sorted(versions.items())
        ]

    async def erase(self, erased: Sequence[ErasedIdentifier], token_prefix: str) -> None:
        """Take everything of erased identifiers out of the tables, and note what that was."""
        if await self._count(erased, token_prefix):
            await self._store.erase(lambda eraser: eraser.delete(erased))
            await self._count(erased, token_prefix)

    async def _count(self, erased: Sequence[ErasedIdentifier], token_prefix: str) -> bool:
        """Write receipts that say how many rows there are; returns whether there are any.

        What was found before an interruption stays known, and receipts of earlier requests do not stay half done.
        """
        rows = await self._store.erase(lambda eraser: eraser.count(erased))
        requests = {one.identifier: _request(one) for one in erased}
        stored = await self._store.read(lambda reader: reader.load_receipts(requests))
        known = {(_request(receipt), receipt.identifier, receipt.store) for receipt in stored}
        fresh = [
            ErasureReceipt(
                tenant=one.tenant,
                source=one.source,
                id=one.id,
                requested_at=one.requested_at,
                identifier=one.identifier,
                store=store,
                rows_before=0,
                rows_after=0,
                recorded_at=0,
                version=0,
            )
            for one in erased
            for store in rows[one.identifier]
            if (_request(one), one.identifier, store) not in known
        ]
        receipts = []
        for receipt in (*stored, *fresh):
            after = rows[receipt.identifier][receipt.store]
            if _request(receipt) != requests[receipt.identifier]:
                after = min(receipt.rows_after, after)
            before = max(receipt.rows_before, after)
            if receipt.version and (before, after) == (receipt.rows_before, receipt.rows_after):
                continue
            receipts.append(
                msgspec.structs.replace(
                    receipt,
                    rows_before=before,
                    rows_after=after,
                    recorded_at=self._wall_clock_ms(),
                    version=receipt.version + 1,
                )
            )
        block = receipt_block(receipts, token_prefix=token_prefix)
        refuse_nothing(block.table, await self._store.insert(block))
        return any(any(numbers.values()) for numbers in rows.values())


def _subjects(request: AppliedTouchpoint) -> Sequence[str]:
    """Names under which the person may be known; one that several people share only when there is no other.

    All that a request names, under all keys of the hash, those of the current one first.
    """
    identities = request.touchpoint.identities
    names = (*identities, *request.rotated)
    own = [name for name in names if class_of(namespace_of(name)) is not IdentityClass.SHARED]
    return own or names[:: len(identities)]


def _request(of: ErasedIdentifier | ErasureReceipt) -> TouchpointKey:
    return TouchpointKey(of.tenant, of.source, of.id)
