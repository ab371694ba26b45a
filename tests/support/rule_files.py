"""Rule files to break."""

from processors.friction.definition import RuleDefinition
from processors.friction.loading import load_definition

STATUS_CHASING = """\
id: status_chasing
catalogue: F20
title: The customer has to ask where it is
version: 1
effective_from: 2000-01-01T00:00:00Z
source: Asking for status is failure demand (Seddon). Three look-ups in 24 hours are our default.
patterns:
  - count:
      of: {kind: [page.viewed, screen.viewed], where: {reason: [status]}}
      at_least: 3
      within: 24h
      per: matter
    guards:
      - name: delivery_day
        near: [{select: {kind: order.shipped}, relations: [same_matter], from: anchor - 24h}]
        says: no live tracking on the day of delivery
    variants: [looked_up]
variants:
  - name: looked_up
    base: 1
    sentence_en: "A customer looked up the status{about} {count} times within {window}."
    sentence_de: "Ein Kunde sah{about_de} {count}-mal binnen {window} nach dem Stand."
minutes:
  - {name: look_up, kind: retry, of: each, measured: active_ms, otherwise: 1m}
examples:
  - says: three look-ups in a day
    fires: [looked_up]
    touchpoints:
      - {at: 0h, kind: page.viewed, channel: web, reason: status, objects: ["order:1"]}
      - {at: 2h, kind: page.viewed, channel: web, reason: status, objects: ["order:1"]}
      - {at: 24h, kind: page.viewed, channel: web, reason: status, objects: ["order:1"]}
  - says: two do not
    touchpoints:
      - {at: 0h, kind: page.viewed, channel: web, reason: status, objects: ["order:1"]}
"""

#: A second call fires, unless it was agreed or a matter of minutes.
CALLED_AGAIN = """\
id: called_again
title: The customer calls again
version: 3
effective_from: 2026-06-01T00:00:00Z
source: made up
shadow: true
owner_team: desk
patterns:
  - sequence:
      first: {kind: contact.started}
      then: {kind: contact.started}
      within: 7d
    guards:
      - {name: brief, anchor: {active_ms: {at_most: 1000}}, says: it took more than a second}
    variants: [again]
guards:
  - {name: agreed, anchor: {reason: [scheduled]}, says: it was not agreed}
variants:
  - {name: again, base: 2, sentence_en: A second call., sentence_de: Ein zweiter Anruf.}
examples:
  - says: a second call
    fires: [again]
    touchpoints:
      - {at: 0h, kind: contact.started, thread_id: a}
      - {at: 24h, kind: contact.started, thread_id: b}
  - says: one call is none
    touchpoints:
      - {at: 0h, kind: contact.started, thread_id: a}
"""


def changed(text: str, *changes: tuple[str, str]) -> str:
    """A rule file with texts replaced, each of which must be there."""
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text


def called_again(*changes: tuple[str, str]) -> RuleDefinition:
    """`CALLED_AGAIN` with texts replaced."""
    return load_definition(changed(CALLED_AGAIN, *changes), "called_again.yaml")
