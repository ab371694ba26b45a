"""Takes everything of erased identities out of the tables, physically, and counts what is there."""

from collections.abc import Sequence
from typing import Any, Final

from schemas.erasure import ErasedIdentifier
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect, interrupt
from sinks.clickhouse.errors import ANSWER_ERRORS, understood
from sinks.clickhouse.tables import FACTS, FRICTIONS, PERSONS

#: A mutation rewrites whole parts of a table, and answers when it is done.
MUTATION_TIMEOUT_S: Final = 1_800
#: Identities in one statement: twice 36 characters and a namespace each, and ClickHouse takes 256 KiB.
_IDENTITIES_PER_STATEMENT: Final = 500

_HASHES: Final = "arrayMap(text -> substringIndex(text, ':', -1), {})"
#: Which hashes a row is about or names, by table.
_NAMED: Final = {
    "touchpoints": _HASHES.format("identities"),
    "persons": "arrayConcat([person_key, merged_into], identifiers)",
    **{table.name: "[person_key]" for table, _ in FACTS.values() if table is not PERSONS},
    "contacts": "[person_key]",
    "alerts": "[person_key]",
    "alert_incidents": "person_keys",
    "alert_notices": "person_keys",
    "identity_links": "[identifier, other_identifier]",
    "person_identifiers": f"arrayConcat([identifier, person_key], {_HASHES.format('refused')})",
}
#: Facts of the keys, and not of another person who has taken them over.
_HELD: Final = """
SELECT {id} AS id, argMax(person_key, version) AS holder FROM {table}
WHERE {id} IN (SELECT {id} FROM {table} WHERE person_key IN %(keys)s)
GROUP BY id HAVING holder IN %(keys)s
"""
_HELD_CONTACTS: Final = _HELD.format(id="contact_id", table="contacts")
#: Entries of the ledger tell no person; their frictions do.
_FROM: Final = {
    "alerts": (
        "(SELECT held.holder AS person_key FROM alerts AS told"  # noqa: S608  # our own names
        f" INNER JOIN ({_HELD.format(id='friction_id', table='frictions')}) AS held ON told.friction_id = held.id)"
    )
}
#: Touchpoints that placeholders own and that belong to one of the keys all the same.
_REHOMED: Final = f"""
SELECT DISTINCT tenant, source, id FROM touchpoints
WHERE hasAny(identities, %(names)s) AND identity_hash NOT IN %(keys)s AND arrayFirst(
    hash -> hash NOT IN (SELECT identifier FROM person_identifiers FINAL WHERE is_placeholder),
    {_HASHES.format("identities")}
) IN %(keys)s
"""  # noqa: S608  # our own names

#: Tables in which something of a person may stand.
STORES: Final = tuple(_NAMED)


class Eraser:
    """One connection of one thread that deletes; what it returns from is gone from the disk.

    Every method may be repeated, and goes on where it was interrupted. They raise `StoreUnavailable` when ClickHouse
    cannot answer now (try again), and `SchemaMismatch` when tables or permissions are not what the code expects (stop).
    """

    def __init__(self, address: ClickHouseAddress) -> None:
        self._address = address
        self._client = connect(address, whole_within_s=MUTATION_TIMEOUT_S)

    def count(self, erased: Sequence[ErasedIdentifier]) -> dict[str, dict[str, int]]:
        """How many rows hold anything of each, by identifier and table; repeated and withdrawn rows count."""
        found = {one.identifier: dict.fromkeys(STORES, 0) for one in erased}
        for some in _parts(erased):
            for table, named in _NAMED.items():
                sql = (
                    f"SELECT arrayJoin(arrayDistinct(arrayFilter(hash -> hash IN %(keys)s, {named}))) AS key, count()"  # noqa: S608
                    f" FROM {_FROM.get(table, table)} GROUP BY key"
                )
                for identifier, rows in self._execute(sql, _parameters(some), f"counting in {table}"):
                    found[identifier][table] = rows
        return found

    def delete(self, erased: Sequence[ErasedIdentifier]) -> None:
        """Delete every row that is about one of them, and take their names out of the rows of others.

        What tells where other rows are is deleted last, so that a repetition finds those too.
        """
        for some in _parts(erased):
            parameters = _parameters(some)
            self._delete_touchpoints(parameters)
            self._delete_contacts(parameters)
            self._delete_facts(parameters)
            self._change("alerts", "DELETE WHERE person_key IN %(keys)s", parameters)
            # Teams were told of others there too: what is counted stays, what shows the person goes.
            self._change(
                "alert_incidents",
                f"UPDATE samples = '[]', person_keys = [] WHERE {_names('alert_incidents')}",
                parameters,
            )
            self._change(
                "alert_notices", f"UPDATE content = '', person_keys = [] WHERE {_names('alert_notices')}", parameters
            )
            self._change("identity_links", f"DELETE WHERE {_names('identity_links')}", parameters)
            self._change("person_identifiers", "DELETE WHERE identifier IN %(keys)s", parameters)
            # The owners of these are woken, and decide anew whose they are; they have changed hands by now.
            self._change(
                "person_identifiers",
                "UPDATE epoch = epoch + (person_key IN %(keys)s),"
                " person_key = if(person_key IN %(keys)s, identifier, person_key), refused ="
                " arrayFilter(text -> substringIndex(text, ':', -1) NOT IN %(keys)s, refused)"
                f" WHERE {_names('person_identifiers')}",
                parameters,
            )

    def interrupt(self) -> None:
        """Called from another thread: whoever waits for an answer gets `StoreUnavailable` at once."""
        interrupt(self._client)

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        self._client.disconnect()

    def _delete_touchpoints(self, parameters: dict[str, object]) -> None:
        rehomed = self._execute(_REHOMED, parameters, "reading touchpoints")
        for start in range(0, len(rehomed), _IDENTITIES_PER_STATEMENT):
            some = tuple(rehomed[start : start + _IDENTITIES_PER_STATEMENT])
            self._change("touchpoints", "DELETE WHERE (tenant, source, id) IN %(rows)s", {"rows": some})
        self._change("touchpoints", "DELETE WHERE identity_hash IN %(keys)s", parameters)
        self._change(
            "touchpoints",
            "UPDATE identities = arrayFilter(text -> text NOT IN %(names)s, identities)"
            " WHERE hasAny(identities, %(names)s)",
            parameters,
        )

    def _delete_contacts(self, parameters: dict[str, object]) -> None:
        # After the touchpoints: whoever puts contacts together meanwhile looks afterwards whether somebody is erased.
        ids = [id_ for id_, _ in self._execute(_HELD_CONTACTS, parameters, "reading contacts")]
        self._delete_by_id("contacts", "contact_id", ids)
        self._change("contacts", f"DELETE WHERE {_names('contacts')}", parameters)

    def _delete_facts(self, parameters: dict[str, object]) -> None:
        for table, id_column in FACTS.values():
            if table is not PERSONS:
                # An earlier holder's row of the same fact would come to light when the last one goes.
                sql = _HELD.format(id=id_column, table=table.name)
                ids = [id_ for id_, _ in self._execute(sql, parameters, f"reading {table.name}")]
                if table is FRICTIONS:
                    self._delete_by_id("alerts", id_column, ids)
                self._delete_by_id(table.name, id_column, ids)
            self._change(table.name, f"DELETE WHERE {_names(table.name)}", parameters)

    def _delete_by_id(self, table: str, id_column: str, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), _IDENTITIES_PER_STATEMENT):
            some = tuple(ids[start : start + _IDENTITIES_PER_STATEMENT])
            self._change(table, f"DELETE WHERE {id_column} IN %(ids)s", {"ids": some})

    def _change(self, table: str, change: str, parameters: dict[str, object]) -> None:
        """Rewrite the parts of a table that hold such rows; when there are none nothing is rewritten."""
        condition = change.partition("WHERE ")[2]
        found = self._execute(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1", parameters, f"reading {table}")  # noqa: S608
        if found:
            sql = f"ALTER TABLE {table} {change} SETTINGS mutations_sync = 2"
            # The question has dialled; a server that does not even greet is given up much sooner than a mutation.
            with self._client.connection.timeout_setter(MUTATION_TIMEOUT_S):
                self._execute(sql, parameters, f"erasing from {table}")

    def _execute(self, sql: str, parameters: dict[str, object], action: str) -> Sequence[tuple[Any, ...]]:
        try:
            rows: Sequence[tuple[Any, ...]] = self._client.execute(sql, parameters)
        except ANSWER_ERRORS as error:
            self._client.disconnect()
            raise understood(error, f"{action} at {self._address}") from error
        return rows


def _names(table: str) -> str:
    return f"arrayExists(hash -> hash IN %(keys)s, {_NAMED[table]})"


def _parts(erased: Sequence[ErasedIdentifier]) -> list[Sequence[ErasedIdentifier]]:
    step = _IDENTITIES_PER_STATEMENT
    return [erased[start : start + step] for start in range(0, len(erased), step)]


def _parameters(erased: Sequence[ErasedIdentifier]) -> dict[str, object]:
    return {
        "keys": tuple(one.identifier for one in erased),
        "names": [one.identity for one in erased],
    }
