"""Publishing rules to workers that run, and what became of it."""

import asyncio
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from processors.friction.catalogue import definitions
from processors.settings import MINUTE_MS
from schemas.rule_changes import RuleChange
from sinks.clickhouse.reader import Reader
from streams.live_rules import LiveRules
from streams.rule_files import read_rules
from streams.rule_log import RuleLog, publish
from streams.settings import KafkaSettings, Settings
from streams.store import clickhouse_address

#: Workers take a rule within seconds. What begins later than this is judged by it and nothing else from the start.
LEAD_MS: Final = MINUTE_MS
_READ_WITHIN_S: Final = 30.0


class NotPublishable(ValueError):
    """A change that workers would refuse, or that would not do what was meant; the message says what to do."""


class State(StrEnum):
    """What became of a change."""

    TAKEN = "taken"
    WAITING = "waiting for a worker"
    REFUSED = "refused"


class Publication(msgspec.Struct, frozen=True):
    """A change, and what became of it; `why` it was refused."""

    change: RuleChange
    state: State
    why: str = ""


def publish_files(settings: Settings, paths: Sequence[Path], effective_from: int | None, now: int) -> list[RuleChange]:
    """Publish rule files, all of them or none; times are UTC milliseconds, `None` for a minute from now.

    Raises:
        RuleFileError: a file is no rule.
        NotPublishable: its version is not new, or one of its examples fails.
        RuleLogSilent: the broker does not hand over what is published.
        KafkaError: the broker does not answer.
        StoreUnavailable: ClickHouse does not answer.

    """
    moment = now + LEAD_MS if effective_from is None else effective_from
    known = _versions(_known(settings))
    changes = []
    for definition, text in read_rules(paths):
        latest = known.get(definition.id, 0)
        if definition.version <= latest:
            raise NotPublishable(
                f"version {definition.version} of {definition.id} is known already: a new meaning needs a new version,"
                f" set version: {latest + 1} in its file"
            )
        changes.append(
            RuleChange(
                rule_id=definition.id,
                version=definition.version,
                effective_from=moment,
                published_at=now,
                text=text,
            )
        )
    refused = LiveRules().learn(changes).refused
    if refused:
        raise NotPublishable("; ".join(f"{change.key}: {why}" for change, why in refused))
    asyncio.run(publish(settings.kafka, changes))
    return changes


def retire_rule(settings: Settings, rule_id: str, effective_from: int | None, now: int) -> RuleChange:
    """Have a rule find nothing from a moment on; times as in `publish_files`.

    Raises:
        NotPublishable: there is no such rule, or it is retired already.
        RuleLogSilent: the broker does not hand over what is published.
        KafkaError: the broker does not answer.
        StoreUnavailable: ClickHouse does not answer.

    """
    changes = _known(settings)
    known = _versions(changes)
    if rule_id not in known:
        raise NotPublishable(f"there is no rule {rule_id}; there are: {', '.join(sorted(known))}")
    latest = max((change for change in changes if change.rule_id == rule_id), key=lambda one: one.version, default=None)
    if latest is not None and latest.text is None:
        raise NotPublishable(f"{rule_id} is retired already, by {latest.key}")
    change = RuleChange(
        rule_id=rule_id,
        version=known[rule_id] + 1,
        effective_from=now + LEAD_MS if effective_from is None else effective_from,
        published_at=now,
        text=None,
    )
    asyncio.run(publish(settings.kafka, [change]))
    return change


def publications(settings: Settings) -> list[Publication]:
    """Every change that was published, by rule and version.

    Raises:
        RuleLogSilent: the broker does not hand over what is published.
        KafkaError: the broker does not answer.
        StoreUnavailable: ClickHouse does not answer.

    """
    taken = {change.key: change for change in _taken(settings)}
    changes = taken | {change.key: change for change in asyncio.run(_read_all(settings.kafka))}
    refused = {change.key: why for change, why in LiveRules().learn(changes.values()).refused}
    found = []
    for key, change in sorted(changes.items(), key=lambda item: (item[1].rule_id, item[1].version)):
        state = State.TAKEN if key in taken else State.REFUSED if key in refused else State.WAITING
        found.append(Publication(change, state, refused.get(key, "")))
    return found


def _known(settings: Settings) -> list[RuleChange]:
    """What workers took, and what is in the topic: a broker may have lost its log."""
    return [*_taken(settings), *asyncio.run(_read_all(settings.kafka))]


def _taken(settings: Settings) -> list[RuleChange]:
    reader = Reader(clickhouse_address(settings.clickhouse))
    try:
        return reader.load_rule_changes()
    finally:
        reader.close()


async def _read_all(kafka: KafkaSettings) -> list[RuleChange]:
    log = RuleLog(kafka)
    try:
        return await log.read_all(_READ_WITHIN_S)
    finally:
        await log.close()


def _versions(changes: Iterable[RuleChange]) -> dict[str, int]:
    """The highest version of each rule, shipped ones included."""
    versions = {definition.id: definition.version for definition in definitions()}
    for change in changes:
        versions[change.rule_id] = max(change.version, versions.get(change.rule_id, 0))
    return versions
