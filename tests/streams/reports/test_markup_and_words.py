"""Texts are escaped whoever wrote them, and every word is there in both languages."""

from datetime import UTC, datetime

import pytest

from processors.friction.catalogue import rule_ids
from schemas.vocabulary import CHANNELS, KINDS
from streams.reports import words as words_module
from streams.reports.languages import Language
from streams.reports.markup import Html, element, joined
from streams.reports.words import Words

ENGLISH, GERMAN = Words(Language.ENGLISH), Words(Language.GERMAN)
#: They are about identities and requests, and no story tells of them.
NOT_TOLD = {"identity.linked", "identity.unlinked", "subject.erase_requested", "history.refold_requested"}


def test_what_is_not_markup_is_escaped() -> None:
    assert element("b", "<i>&\"'") == "<b>&lt;i&gt;&amp;&quot;&#x27;</b>"
    assert element("b", element("i", "x"), "<") == "<b><i>x</i>&lt;</b>"
    assert element("p", title='"><script>') == '<p title="&quot;&gt;&lt;script&gt;"></p>'
    assert element("p", aria_label="a", class_="b") == '<p aria-label="a" class="b"></p>'
    assert element("meta", charset="utf-8") == '<meta charset="utf-8"/>'


def test_markup_that_was_put_together_by_hand_is_escaped_as_well() -> None:
    assert joined(element("b", "x") + "<script>") == "&lt;b&gt;x&lt;/b&gt;&lt;script&gt;"
    assert joined(f"{element('b', 'x')}<script>").startswith("&lt;b&gt;")
    assert isinstance(joined("a", element("b", "c")), Html)


def test_every_cause_channel_and_verb_has_a_name_in_both_languages() -> None:
    assert set(words_module._CAUSES_DE) == set(rule_ids())
    assert set(words_module._CHANNELS) == CHANNELS
    assert set(words_module._KINDS) == KINDS - NOT_TOLD
    for name in KINDS - NOT_TOLD:
        assert GERMAN.kind(name) not in {name, ENGLISH.kind(name)}
    assert (GERMAN.cause("own_rule"), GERMAN.channel("fax"), GERMAN.kind("fax.sent")) == ("own rule", "fax", "fax.sent")


@pytest.mark.parametrize("key", words_module._TEXTS)
def test_both_languages_fill_in_the_same_values(key: str) -> None:
    from string import Formatter

    english, german = ({name for _, name, _, _ in Formatter().parse(text)} for text in words_module._TEXTS[key])
    assert english == german


def test_numbers_are_written_as_the_language_writes_them() -> None:
    assert (ENGLISH.number(1234567), GERMAN.number(1234567)) == ("1,234,567", "1.234.567")
    assert (ENGLISH.minutes(2.25), GERMAN.minutes(2.25)) == ("2.2", "2,2")
    assert (ENGLISH.minutes(9.94), ENGLISH.minutes(9.96), ENGLISH.minutes(3.0), ENGLISH.minutes(0)) == (
        "9.9", "10", "3", "0",
    )  # fmt: skip
    assert (ENGLISH.change(50, 100), ENGLISH.change(150, 100), ENGLISH.change(7, 0)) == ("\u221250 %", "+50 %", "+7")
    assert ENGLISH.duration(26 * 3_600_000) == "1 d 2 h"
    assert GERMAN.duration(26 * 3_600_000) == "1 T 2 h"
    moment = datetime(2024, 3, 4, 9, 5, tzinfo=UTC)
    assert (ENGLISH.moment(moment), GERMAN.moment(moment)) == ("Mon 4 Mar 09:05", "Mo 4.3. 09:05")
    assert (ENGLISH.day(moment.date()), GERMAN.day(moment.date())) == ("4 March 2024", "4. März 2024")
