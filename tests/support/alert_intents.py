"""Alert intents for tests: one believable example, and strategies for any."""

import msgspec
from hypothesis import strategies as st

from schemas.alerts import AlertIntent

EXAMPLE = AlertIntent(
    action="open",
    friction_id="0f" * 16,
    version=7,
    tenant="acme",
    rule_id="channel_redirect",
    variant="form",
    severity=4,
    team="social-care",
    topic="invoice",
    from_channel="social",
    to_channel="web",
    anchor_at=1_767_261_900_000,  # 2026-01-01 10:05 UTC
    minutes=12.5,
    person_key="ab" * 16,
    journey_id="cd" * 16,
    sentence_en="Asked on social, sent to web, and had to fill in a form there.",
    sentence_de="Auf social gefragt, auf web verwiesen und dort ein Formular verlangt.",
    evidence=("acme/crm/1", "acme/web/2"),
    nearest_miss="would not have fired with context carried over",
)


def an_intent(**changes: object) -> AlertIntent:
    """The example with some fields changed."""
    return msgspec.structs.replace(EXAMPLE, **changes)


# Biased towards what escaping and cutting can get wrong.
any_text = st.one_of(
    st.text(max_size=40),
    st.text("&<>;amplgt*_~`|@!#\n\t\x00\u202e😀é", max_size=300),
    st.builds(
        lambda piece, times: piece * times, st.sampled_from(["&", "<", "a&", "😀", "é😀<", "x"]), st.integers(0, 45_000)
    ),
    st.sampled_from(["<!channel>", "<@U123>", "<https://evil.example|click>", "&amp;", "\ud800", " "]),
)


@st.composite
def any_intents(draw: st.DrawFn) -> AlertIntent:
    """Any intent that the decoder lets through, however senseless."""
    optional = st.one_of(st.none(), any_text)
    return AlertIntent(
        action="open",
        friction_id=draw(any_text),
        version=draw(st.integers(0, 2**63 - 1)),
        tenant=draw(any_text),
        rule_id=draw(any_text),
        variant=draw(any_text),
        severity=draw(st.integers(-10, 10)),
        team=draw(optional),
        topic=draw(optional),
        from_channel=draw(optional),
        to_channel=draw(optional),
        anchor_at=draw(st.one_of(st.integers(0, 2**42), st.integers(-(2**63), 2**63 - 1))),
        minutes=draw(st.floats()),
        person_key=draw(any_text),
        journey_id=draw(any_text),
        sentence_en=draw(any_text),
        sentence_de=draw(any_text),
        evidence=tuple(draw(st.lists(any_text, max_size=8))),
        nearest_miss=draw(any_text),
        nearest_miss_de=draw(any_text),
    )
