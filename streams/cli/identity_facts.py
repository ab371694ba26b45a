"""What is known of a person's identities: which they are, what joined them, and what was not joined and why."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from processors.identities import RefusalReason
from schemas.identity import LinkKind, identifier_of, namespace_of
from schemas.json_form import iso_time
from schemas.vocabulary import place_of
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.questions import ask
from streams.timeline import NOT_YET, NobodyFound

WHY: Final[dict[RefusalReason, str]] = {
    RefusalReason.SHARED: "one of the two stands for several people, such as a household",
    RefusalReason.PLACEHOLDER: "one of the two was seen with too many others to be anybody's",
    RefusalReason.UNLINKED: "it would bring two together that somebody said are not the same human",
    RefusalReason.CAP: "the person would have too many identities",
    RefusalReason.USER_SWITCH: "two people seem to use one device",
    RefusalReason.LIMIT: "the person would have too many identities of one namespace",
}

#: A placeholder has no end of them, and they are all alike.
_MOST_STATEMENTS: Final = 5_000
_SHOWN_CHARACTERS: Final = 8

_MEMBERS = """
SELECT tenant, identity, is_placeholder, companions, refused FROM v_person_identifiers WHERE person_key = %(key)s
"""
#: The statements about a pair that matter: the first of each kind that joins, the last that links or unlinks. Asks the
#: journal under the end that its rows are sorted by.
_STATEMENTS = """
SELECT identity, other, said.4 AS kind, said.1 AS at, said.2 AS source, said.3 AS id
FROM (
    WITH (toUnixTimestamp64Milli(event_time), toString(source), id, toString(kind)) AS statement
    SELECT any(identity) AS identity, any(other) AS other, arrayJoin([
        minIf(statement, kind = 'seen'),
        minIf(statement, kind = 'rotated'),
        maxIf(statement, kind IN ('linked', 'unlinked'))
    ]) AS said
    FROM identity_links FINAL
    WHERE identifier IN %(identifiers)s
    GROUP BY identifier, other_identifier
)
WHERE kind != ''
ORDER BY at, source, id, kind, identity, other LIMIT %(limit)s
"""
_ALONE = "SELECT tenant, identities[1] AS identity FROM touchpoints WHERE identity_hash = %(key)s LIMIT 1"
#: A pair that was unlinked itself is decided; one that is kept apart by another pair is not.
_REVIEW = """
SELECT review.tenant AS tenant, review.reason AS reason, review.identity AS identity, review.other AS other,
    review.person_key AS person_key, review.other_person_key AS other_person_key,
    if(said.met.2 = '', NULL, said.met.1) AS at, said.met.2 AS source, said.met.3 AS id
FROM v_identity_review AS review
LEFT JOIN (
    SELECT tenant, identifier, other_identifier,
        minIf((toUnixTimestamp64Milli(event_time), toString(source), id), kind != 'unlinked') AS met,
        argMaxIf(kind, (event_time, source, id), kind IN ('linked', 'unlinked')) AS stated
    FROM v_identity_links
    WHERE (tenant, identifier, other_identifier) IN (
        SELECT tenant, identifier, other_identifier FROM v_identity_review
    )
    GROUP BY tenant, identifier, other_identifier
) AS said USING (tenant, identifier, other_identifier)
WHERE said.stated != 'unlinked' AND (%(reason)s = '' OR reason = %(reason)s)
ORDER BY at DESC NULLS LAST, identity, other LIMIT %(limit)s
"""
_INCIDENTS = "SELECT * FROM v_incidents ORDER BY size DESC, identifier LIMIT %(limit)s"


class Identity(msgspec.Struct, frozen=True):
    """One identity of a person; `companions` is how many others it was seen with."""

    identity: str
    is_placeholder: bool
    companions: int


class Statement(msgspec.Struct, frozen=True):
    """What one touchpoint says about two identities; `at` is ISO 8601."""

    kind: LinkKind
    at: str
    source: str
    id: str
    identity: str
    other: str

    @property
    def touchpoint(self) -> str:
        """Who says so: source/id, or nothing where a key of the hash was rotated."""
        return f"{self.source}/{self.id}" if self.source else ""


class Refusal(msgspec.Struct, frozen=True):
    """Two identities, the first of them the person's, that were not joined, and what was said about the two."""

    reason: RefusalReason
    identity: str
    other: str
    statements: list[Statement]


class PersonFacts(msgspec.Struct, frozen=True):
    """A person as identities, the strongest first; links and refusals are in the order in which they were said."""

    person_key: str
    tenant: str
    identities: list[Identity]
    links: list[Statement]
    refused: list[Refusal]


def short(identity: str) -> str:
    """`namespace:hash` as people tell them apart: the first characters of the hash do."""
    return f"{namespace_of(identity)}:{identifier_of(identity)[:_SHOWN_CHARACTERS]}"


def load_person(address: ClickHouseAddress, person_key: str) -> PersonFacts:
    """Identities of a person and what joined them, of each pair only the statements that matter.

    Raises:
        NobodyFound: nothing is stored under the key.
        StoreUnavailable: ClickHouse does not answer.

    """
    members = ask(address, _MEMBERS, {"key": person_key}).records()
    if not members:
        alone = ask(address, _ALONE, {"key": person_key}).rows
        if not alone:
            raise NobodyFound(NOT_YET)
        tenant, identity = alone[0]
        return PersonFacts(person_key, tenant, [Identity(identity, is_placeholder=False, companions=0)], [], [])
    identities = [Identity(row["identity"], row["is_placeholder"], row["companions"]) for row in members]
    own = {one.identity for one in identities}
    said = _statements(address, own)
    return PersonFacts(
        person_key,
        members[0]["tenant"],
        sorted(identities, key=_strongest),
        [one for one in said if one.other in own and identifier_of(one.identity) < identifier_of(one.other)],
        _refused(members, [one for one in said if one.other not in own]),
    )


def load_review(address: ClickHouseAddress, *, reason: str | None, limit: int) -> list[dict[str, Any]]:
    """Links that wait for a person, each with the touchpoint that first named both; the newest first.

    `at` is UTC milliseconds; `None`, with `source` and `id` empty, where the touchpoint is not known.
    """
    return ask(address, _REVIEW, {"reason": reason or "", "limit": limit}).records()


def load_incidents(address: ClickHouseAddress, *, limit: int) -> list[dict[str, Any]]:
    """What is wrong with identities at large, the largest first; rows as the view names its columns."""
    return ask(address, _INCIDENTS, {"limit": limit}).records()


def _statements(address: ClickHouseAddress, identities: Iterable[str]) -> list[Statement]:
    """What was said about identities, under each of them."""
    asked = {"identifiers": tuple(map(identifier_of, identities)), "limit": _MOST_STATEMENTS}
    rows = ask(address, _STATEMENTS, asked).rows
    return [
        Statement(LinkKind(kind), iso_time(at), source, id_, identity, other)
        for identity, other, kind, at, source, id_ in rows
    ]


def _refused(members: list[dict[str, Any]], outside: list[Statement]) -> list[Refusal]:
    said: dict[tuple[str, str], list[Statement]] = {}
    reasons: dict[tuple[str, str], RefusalReason] = {}
    for one in outside:
        said.setdefault((one.identity, one.other), []).append(one)
        if one.kind is LinkKind.UNLINKED:
            reasons[one.identity, one.other] = RefusalReason.UNLINKED
    for row in members:
        for text in row["refused"]:
            reason, _, other = text.partition(" ")
            reasons[row["identity"], other] = RefusalReason(reason)
    refused = [Refusal(reason, *ends, said.get(ends, [])) for ends, reason in reasons.items()]
    return sorted(refused, key=lambda one: [statement.at for statement in one.statements])


def _strongest(one: Identity) -> tuple[int, str]:
    return place_of(namespace_of(one.identity)), one.identity
