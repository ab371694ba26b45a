"""The page's texts: both languages have all of them, and patterns are called what the rule files call them."""

import re
from importlib.resources import files

from processors.friction.catalogue import definitions
from processors.kinds import CONTROL_KINDS
from schemas.vocabulary import CHANNELS
from sinks.clickhouse.binding import places
from sinks.clickhouse.page_questions import QUESTIONS, STATEMENTS

FOLDER = files("streams.serving") / "static"
SCRIPTS = {entry.name: entry.read_text(encoding="utf-8") for entry in FOLDER.iterdir() if entry.name.endswith(".js")}
WORDS = SCRIPTS["words.js"]
STRING = r'"((?:[^"\\]|\\.)*)"'
TEXTS = {key: (en, de) for key, en, de in re.findall(rf"^  {STRING}: \[{STRING},\s+{STRING}\],$", WORDS, re.MULTILINE)}
CAUSES = {key: (en, de) for key, en, de in re.findall(rf"^  (\w+): \[{STRING}, {STRING}\],$", WORDS, re.MULTILINE)}


def test_every_text_is_there_in_both_languages_with_the_same_places() -> None:
    assert len(TEXTS) > 150
    assert len(TEXTS) == len(re.findall(r'^  "[\w.-]+": \[', WORDS, re.MULTILINE))
    for key, (english, german) in TEXTS.items():
        assert german, key
        assert english or key == "why.english"
        names = [set(re.findall(r"\{(\w+)", text)) for text in (english, german)]
        assert names[0] == names[1] or not english, key


def test_every_text_that_is_asked_for_is_there_and_none_is_left_over() -> None:
    code = "\n".join(text for name, text in SCRIPTS.items() if name != "words.js")
    asked = set(re.findall(r'\bw\("([\w.-]+)"', code + WORDS))
    assert asked <= TEXTS.keys()
    begun = set(re.findall(r"\bw\(`([\w-]+)\.", code + WORDS))
    listed = set(re.findall(r'"([\w.-]+)"', code))
    left = {key for key in TEXTS.keys() - asked - listed if not any(key.startswith(f"{part}.") for part in begun)}
    # A list of the pipeline is named by its question.
    assert {key for key in left if key.partition(".")[2] not in {"title", "note", "none"}} == set()


def test_patterns_are_called_what_their_files_call_them() -> None:
    assert {key: english for key, (english, _) in CAUSES.items() if key != "wait"} == {
        definition.id: definition.title for definition in definitions()
    }


def test_all_scripts_are_fetched_at_once() -> None:
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    fetched = set(re.findall(r'<link rel="modulepreload" href="([\w.-]+)">', page))
    assert fetched == SCRIPTS.keys() - {"main.js", "theme.js"}


def test_channels_have_names() -> None:
    block = WORDS.partition("const CHANNELS = {")[2].partition("};")[0]
    assert set(re.findall(r"(\w+): \[", block)) == CHANNELS


def test_nothing_is_put_into_the_page_as_markup() -> None:
    for name, text in SCRIPTS.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            name
        )
    assert not re.search(r"\son\w+=|<style|javascript:", (FOLDER / "index.html").read_text(encoding="utf-8"))


def test_nothing_in_the_page_names_another_host() -> None:
    for entry in FOLDER.iterdir():
        if entry.is_file():
            found = set(re.findall(r"https?://[\w.-]+", entry.read_text(encoding="utf-8")))
            assert found <= {"http://www.w3.org"}, entry.name


def test_statements_are_those_of_the_core() -> None:
    assert set(STATEMENTS) == CONTROL_KINDS


def test_every_place_in_the_sql_has_a_parameter_and_every_parameter_a_place() -> None:
    for question in QUESTIONS.values():
        assert set(places(question.sql)) == set(question.parameters), question.name
        assert question.comment.endswith(".")
