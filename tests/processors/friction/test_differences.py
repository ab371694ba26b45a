"""In what two frictions differ."""

import msgspec

from processors.friction.differences import Difference, differences
from schemas.outputs import Check
from tests.support.facts import friction


def test_equal_frictions_do_not_differ() -> None:
    assert differences(friction(), friction()) == ()


def test_fields_are_named_in_their_order() -> None:
    found = differences(friction(variant="lost", severity=3), friction(variant="followed", severity=4))
    assert found == (Difference("variant", "lost", "followed"), Difference("severity", 3, 4))


def test_evidence_is_named_to_the_last_value() -> None:
    one = friction()
    check, *more = one.evidence.checks
    evidence = msgspec.structs.replace(one.evidence, checks=(msgspec.structs.replace(check, value="other"), *more))
    found = differences(one, friction(evidence=evidence))
    assert found == (Difference("evidence.checks[0].value", check.value, "other"),)


def test_what_one_side_has_and_the_other_has_not_is_named() -> None:
    one = friction()
    extra = Check("more", "1", "2", passed=True)
    evidence = msgspec.structs.replace(one.evidence, guards=(*one.evidence.guards, extra), touchpoints=())
    found = differences(one, friction(evidence=evidence))
    missing = [Difference(f"evidence.touchpoints[{n}]", key, None) for n, key in enumerate(one.evidence.touchpoints)]
    added = Difference(f"evidence.guards[{len(one.evidence.guards)}]", None, msgspec.to_builtins(extra))
    assert found == (*missing, added)
