"""bot_loop: what a loop costs, and what of it lies in the evidence."""

from schemas.outputs import EffortKind
from tests.support.judging import frictions, judged
from tests.support.touchpoints import MINUTE, MONDAY, SECOND, happened

BOT = {"channel": "bot", "thread_id": "a", "actor": "bot", "direction": "outbound"}
LOOP = [
    happened("bot.turn", MONDAY, score=0.0, active_ms=MINUTE, **BOT),
    *(happened("bot.turn", MONDAY + n * SECOND, score=0.9, **BOT) for n in (1, 2, 3)),
]


def test_every_turn_costs_what_was_measured_or_half_a_minute() -> None:
    postings = judged(*LOOP).postings
    assert [(one.kind, one.minutes) for one in postings] == [
        (EffortKind.REWORK, minutes) for minutes in (1, 0.5, 0.5, 0.5)
    ]


def test_a_fourth_answer_belongs_to_the_same_friction() -> None:
    (friction,) = frictions("bot_loop", LOOP)
    assert (friction.anchor_at, len(friction.evidence.touchpoints)) == (MONDAY + 2 * SECOND, 4)
    assert friction.sentence_en == "A bot gave a customer 4 times almost the same answer."
    assert friction.evidence.nearest_miss == "would not have fired with 2 of them fewer"
    assert friction.evidence.nearest_miss_de == "hätte nicht angeschlagen mit 2 davon weniger"
