"""Rule files and calendars of one's own, from the disk."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from processors.friction.calendars import BusinessCalendars
from processors.friction.definition import Calendars, RuleDefinition
from processors.friction.loading import RuleFileError, RuleProblem, load_calendars, load_definition, load_definitions

_SUFFIXES = (".yaml", ".yml")


def read_definitions(paths: Iterable[Path]) -> tuple[RuleDefinition, ...]:
    """Rules of files, and of all files of folders, in the order of the catalogue.

    Raises:
        RuleFileError: a file cannot be read or is no rule, two have the same id, or there is none; has all problems.

    """
    return tuple(definition for definition, _ in read_rules(paths))


def read_rules(paths: Iterable[Path]) -> list[tuple[RuleDefinition, str]]:
    """Rules as in `read_definitions`, each with the text of its file.

    Raises:
        RuleFileError: a file cannot be read or is no rule, two have the same id, or there is none; has all problems.

    """
    texts: list[tuple[str, str]] = []
    problems: list[RuleProblem] = []
    for path in _files(paths):
        try:
            texts.append((str(path), _text(path)))
        except RuleFileError as error:
            problems += error.problems
    try:
        definitions = load_definitions(texts)
    except RuleFileError as error:
        problems += error.problems
    if problems:
        raise RuleFileError(problems)
    if not definitions:
        places = ", ".join(str(path) for path in paths)
        raise RuleFileError(
            [RuleProblem(places, 1, 1, "", f"has no rule files, which end in {' or '.join(_SUFFIXES)}")]
        )
    by_id = {load_definition(text, source).id: text for source, text in texts}
    return [(definition, by_id[definition.id]) for definition in definitions]


def read_calendars(path: Path) -> Calendars:
    """Business calendars of a file.

    Raises:
        RuleFileError: it cannot be read or holds no calendars; has all problems.

    """
    return BusinessCalendars(load_calendars(_text(path), str(path)))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
        else:
            yield path


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        said = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        said = "is not text in UTF-8"
    raise RuleFileError([RuleProblem(str(path), 1, 1, "", said)])
