"""Pages do not lie: links lead somewhere, commands and targets exist, generated tables are current."""

import re
import subprocess
from pathlib import Path

import pytest

from docs.generate import TABLES, regenerated
from tests.support.command_line import problem_with

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
TEXTS = {str(page.relative_to(ROOT)): page.read_text() for page in PAGES}


def anchor(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Anchors of all headings of a page."""
    return {anchor(heading) for heading in re.findall(r"(?m)^#+ (.+)$", text)}


def code_lines(text: str) -> list[str]:
    """Lines of the fenced blocks of a page that hold commands: those without a language, and shell."""
    blocks = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", text)
    return [line for language, block in blocks if language in ("", "sh", "console") for line in block.splitlines()]


def journeys_lines(text: str) -> list[list[str]]:
    """Words after `journeys` of every command line, in blocks and in running text, up to what explains it."""
    lines = [*code_lines(text), *re.findall(r"`([^`\n]+)`", text)]
    found = []
    for line in lines:
        match = re.match(r"(?:\$ )?(?:[\w./-]*/)?journeys ([a-z][^|#]*)", line.strip())
        if match:
            found.append(re.split(r"\s{2,}", match[1].strip())[0].replace('"', "").split())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[name]):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, fragment = target.partition("#")
        linked = (ROOT / name).parent / path if path else ROOT / name
        assert linked.exists(), f"{name} links to {target}"
        if fragment:
            assert fragment in anchors(linked.read_text()), f"{name} links to {target}"


@pytest.mark.parametrize("name", NAMES)
def test_commands_exist_and_take_their_options(name: str) -> None:
    problems = [problem_with(words) for words in journeys_lines(TEXTS[name])]
    assert [problem for problem in problems if problem] == []


@pytest.mark.parametrize("name", NAMES)
def test_make_targets_exist(name: str) -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    mentioned = {
        word for text in re.findall(r"`([^`\n]+)`", TEXTS[name]) + code_lines(TEXTS[name])
        for word in re.findall(r"(?:^|&& )make ([a-z]+)", text)
    }  # fmt: skip
    assert mentioned <= targets, f"{name} names {sorted(mentioned - targets)}"


@pytest.mark.parametrize("name", NAMES)
def test_paths_that_a_page_names_exist(name: str) -> None:
    tops = "streams|schemas|processors|sinks|deploy|docs|tests|bench"
    for path in re.findall(rf"`((?:{tops})/[\w./-]*)`", TEXTS[name]):
        assert (ROOT / path).exists(), f"{name} names {path}"


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/")])
def test_generated_tables_are_current(name: str) -> None:
    assert regenerated(TEXTS[name]) == TEXTS[name], "run make docs"


def test_every_generated_table_is_shown_on_a_page() -> None:
    shown = {mark for text in TEXTS.values() for mark in re.findall(r"<!-- generated: ([\w-]+) -->", text)}
    assert shown == set(TABLES)


def test_every_page_is_reachable_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)", TEXTS["README.md"]))
    assert linked == {name for name in NAMES if name.startswith("docs/")}


def test_the_repository_needs_nothing_outside_itself() -> None:
    tracked = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in tracked.stdout.split():
        for target in re.findall(r"\]\(([^)\s:]+)\)", (ROOT / name).read_text()):
            path = ((ROOT / name).parent / target.split("#")[0]).resolve()
            assert path.is_relative_to(ROOT), f"{name} links to {target}"
