"""Whether what came out is right: held against the generator's truth, or against the same job done as a batch."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from bench.load import Load
from bench.plain_faust import CHANGELOG
from bench.site import Site
from bench.workers import Kind

_MOST_TOLD = 3
_COUNTS = """
SELECT (SELECT uniqExact(tenant, source, id) FROM touchpoints), (SELECT count() FROM v_touchpoints),
    (SELECT count() FROM v_persons), (SELECT count() FROM v_dead_letters)
"""
_FRICTIONS = """
SELECT rule_id, variant, status, is_alertable, silenced_by, toUnixTimestamp64Milli(anchor_at) FROM v_frictions
"""


def problems(kind: Kind, site: Site, load: Load) -> list[str]:
    """What is wrong with what a run left behind; nothing can be said where rows were thrown away."""
    match kind:
        case Kind.WHOLE:
            return [*_wrong_counts(site, load), *_wrong_frictions(site, load)]
        case Kind.DISCARDING:
            return []
        case Kind.PLAIN:
            return wrong_simple_counts(site.latest(CHANGELOG), load.simple_counts)


def wrong_simple_counts(table: Mapping[str, Any], expected: Mapping[str, tuple[int, int]]) -> list[str]:
    """Customers of the plain worker's table whose sessions or followed redirects are not what the batch says."""
    found = {key: (state["sessions"], state.get("followed", 0)) for key, state in table.items()}
    wrong = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
    told = [f"{key}: {found.get(key)} instead of {expected.get(key)}" for key in sorted(wrong)[:_MOST_TOLD]]
    return [f"{len(wrong)} customers are counted wrong, such as {', '.join(told)}"] if wrong else []


def _wrong_counts(site: Site, load: Load) -> list[str]:
    totals = load.truth.totals
    names = ("touchpoints in the table", "touchpoints in the view", "persons", "dead letters")
    expected = (totals.touchpoints, totals.touchpoints, totals.persons, 0)
    (found,) = site.ask(_COUNTS)
    return [
        f"{name}: {count:,} instead of {right:,}"
        for name, count, right in zip(names, found, expected, strict=True)
        if count != right
    ]


def _wrong_frictions(site: Site, load: Load) -> list[str]:
    planted = Counter(
        (one.rule_id, one.variant, one.status, one.alertable, one.silenced_by, one.anchor_at)
        for one in load.truth.frictions
    )
    # Everyday life holds frictions of other rules.
    rules = {friction.rule_id for friction in load.truth.frictions}
    found = Counter(
        (rule, variant, status, bool(is_alertable), silenced_by or None, at)
        for rule, variant, status, is_alertable, silenced_by, at in site.ask(_FRICTIONS)
        if rule in rules
    )
    missing, unexpected = (planted - found).total(), (found - planted).total()
    if not missing and not unexpected:
        return []
    return [f"frictions: {missing} of {planted.total()} planted were not found, {unexpected} were not planted"]
