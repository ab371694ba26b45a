"""Rule files and calendars from YAML: checked as a whole, every problem with the place in the file.

YAML is read as `yaml.safe_load` reads it, except that a key given twice is refused: the last one would win silently.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from processors.friction.calendars import CalendarSet
from processors.friction.definition import RuleDefinition
from processors.friction.examples import problems_of
from processors.friction.suggestion import did_you_mean

#: A file is no longer than this, in characters, and its aliases written out make no more nodes than that.
MOST_CHARACTERS: Final = 1_000_000
MOST_NODES: Final = 200_000

_FAST: Final[Callable[[str], yaml.SafeLoader]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KEY_TAGS: Final = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"}

Path = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


class RuleProblem(NamedTuple):
    """One mistake in a file; line and column count from one, `path` is empty where it is about the whole file."""

    source: str
    line: int
    column: int
    path: str
    problem: str

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}:{self.column}: "
        return f"{place}{self.path}: {self.problem}" if self.path else place + self.problem


class RuleFileError(Exception):
    """Files that cannot be used. A line for every problem, in the order of the files."""

    def __init__(self, problems: Iterable[RuleProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def load_definition(text: str, source: str, *, is_shipped: bool = False) -> RuleDefinition:
    """Rule from the text of its file; `source` is how errors name it.

    What is shipped is read by libyaml where that is there: fast, but without a bound for how deeply things are nested.

    Raises:
        RuleFileError: it is no rule; has every problem that can be seen at once.

    """
    document = _Document(text, source, _FAST if is_shipped else yaml.SafeLoader)
    definition = document.validated(RuleDefinition)
    document.refuse(
        document.problem(
            ("examples", number, "touchpoints", place, problem.field),
            problem.problem,
            is_about_key=problem.is_about_name,
        )
        for number, example in enumerate(definition.examples)
        for place, said in enumerate(example.touchpoints)
        for problem in problems_of(said, definition.own_kinds)
    )
    return definition


def load_definitions(texts: Iterable[tuple[str, str]], *, is_shipped: bool = False) -> tuple[RuleDefinition, ...]:
    """Rules from the names and texts of their files, in the order of the catalogue, own ones without a place last.

    Raises:
        RuleFileError: some are no rules, or two have the same id; has the problems of all files.

    """
    found: dict[str, tuple[str, RuleDefinition]] = {}
    problems: list[RuleProblem] = []
    for source, text in texts:
        try:
            definition = load_definition(text, source, is_shipped=is_shipped)
        except RuleFileError as error:
            problems += error.problems
            continue
        other, _ = found.setdefault(definition.id, (source, definition))
        if other != source:
            place = _Document(text, source)
            problems.append(place.problem(("id",), f"{definition.id} is the id of the rule in {other} as well"))
    if problems:
        raise RuleFileError(problems)
    return tuple(sorted((one for _, one in found.values()), key=lambda one: (not one.catalogue, one.catalogue, one.id)))


def load_calendars(text: str, source: str) -> CalendarSet:
    """Calendars from the text of their file.

    Raises:
        RuleFileError: they are none; has every problem that can be seen at once.

    """
    return _Document(text, source).validated(CalendarSet)


class _Document:
    """A YAML document with the places of its nodes."""

    def __init__(self, text: str, source: str, reader: Callable[[str], yaml.SafeLoader] = yaml.SafeLoader) -> None:
        self._source = source
        if len(text) > MOST_CHARACTERS:
            raise self._error(f"is over {MOST_CHARACTERS} characters")
        try:
            loader = reader(text)
            root = loader.get_single_node()
            if not isinstance(root, yaml.MappingNode):
                raise self._refusal([self._problem(root, (), "must be keys with values")])
            self._root = root
            if _size(root, {}) > MOST_NODES:
                raise self._error(f"has over {MOST_NODES} nodes, its aliases written out")
            if problems := list(self._unreadable(loader, root, ())):
                raise self._refusal(problems)
            self._content = loader.construct_document(root)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            said = f"is not YAML: {error.problem or error.context}"
            raise RuleFileError([RuleProblem(source, line, column, "", said)]) from None
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            said = f"is not YAML: the character U+{ord(text[error.position]):04X} is not allowed"
            raise RuleFileError([RuleProblem(source, line, column, "", said)]) from None
        except RecursionError:
            raise self._error("is nested too deeply, or holds itself") from None

    def validated(self, model: type[Model]) -> Model:
        """The document as a model.

        Raises:
            RuleFileError: it is none.

        """
        try:
            return model.model_validate(self._content)
        except ValidationError as error:
            raise self._refusal(self._problems(error, model)) from None

    def refuse(self, problems: Iterable[RuleProblem]) -> None:
        """Raise all problems, if there are any."""
        if found := list(problems):
            raise self._refusal(found)

    def problem(self, path: Path, said: str, *, is_about_key: bool = False) -> RuleProblem:
        """A problem with the value at a path, or with its key."""
        _, key, value = self._at(path)
        return self._problem(key if is_about_key else value, path, said)

    def _error(self, said: str) -> RuleFileError:
        return self._refusal([self._problem(None, (), said)])

    def _refusal(self, problems: Iterable[RuleProblem]) -> RuleFileError:
        return RuleFileError(sorted(problems, key=lambda problem: (problem.line, problem.column)))

    def _problem(self, node: yaml.Node | None, path: Path, said: str) -> RuleProblem:
        line, column = (node.start_mark.line + 1, node.start_mark.column + 1) if node else (1, 1)
        return RuleProblem(self._source, line, column, _spelt(path), said)

    def _unreadable(self, loader: yaml.SafeLoader, node: yaml.Node, path: Path) -> Iterator[RuleProblem]:
        """Keys that are given twice or are no text, and values that look like a moment or number and are none."""
        if isinstance(node, yaml.SequenceNode):
            for number, child in enumerate(node.value):
                yield from self._unreadable(loader, child, (*path, number))
        if isinstance(node, yaml.ScalarNode):
            try:
                loader.construct_object(node)
            except ValueError as error:
                yield self._problem(node, path, f"{node.value!r} means nothing: {error}")
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, yaml.Node] = {}
            for key, child in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.tag not in _KEY_TAGS:
                    yield self._problem(key, path, "a key is text; put it into quotes")
                    continue
                if key.value in seen:
                    before = seen[key.value].start_mark.line + 1
                    yield self._problem(key, (*path, key.value), f"was given before, in line {before}")
                seen[key.value] = key
                yield from self._unreadable(loader, child, (*path, key.value))

    def _at(self, location: Path) -> tuple[Path, yaml.Node, yaml.Node]:
        """The part of a location that the file has, its key or itself, and the value.

        Pydantic puts names of types, and lists that the file leaves out, into a location: these are passed over.
        """
        shown: list[str | int] = []
        key: yaml.Node = self._root
        value: yaml.Node = self._root
        for part in location:
            child = _child(value, part)
            if child is not None:
                shown.append(part)
                key, value = child
        return tuple(shown), key, value

    def _problems(self, error: ValidationError, model: type[BaseModel]) -> list[RuleProblem]:
        by_place: dict[tuple[int, int, Path], list[str]] = {}
        all_details = error.errors(include_url=False)
        # A list whose only entry is wrong counts as empty for pydantic; the wrong entry is what is to be told.
        parents = {details["loc"][:length] for details in all_details for length in range(len(details["loc"]))}
        for details in all_details:
            if details["type"] == "too_short" and details["loc"] in parents:
                continue
            location = details["loc"]
            path, key, value = self._at(location)
            is_about_key = details["type"] == "extra_forbidden" or location[-1:] == ("[key]",)
            if details["type"] == "missing":
                path = (*path, location[-1])
            for said in _said(details, model).split("\n"):
                node = key if is_about_key else _named_in(value, said) if details["type"] == "value_error" else value
                place = (node.start_mark.line, node.start_mark.column, path)
                known = by_place.setdefault(place, [])
                if said not in known:
                    known.append(said)
        return [
            RuleProblem(self._source, line + 1, column + 1, _spelt(path), one)
            for (line, column, path), said in by_place.items()
            # Several at one place, each of another type of value: it might have been any of these.
            for one in ([" or ".join(said)] if _is_choice(said) else said)
        ]


def _is_choice(said: list[str]) -> bool:
    return any(one.startswith("must be ") for one in said)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes there are with all aliases written out.

    Raises:
        RecursionError: one holds itself.

    """
    if id(node) in known:
        if not known[id(node)]:
            raise RecursionError
        return known[id(node)]
    known[id(node)] = 0
    known[id(node)] = size = 1 + sum(_size(child, known) for child in _children(node))
    return size


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Key and value, or entry and entry, of a node; nothing where it has no such one."""
    if isinstance(node, yaml.MappingNode):
        # The last one, as when it is constructed: what a merge brought stands before.
        pairs = [(key, value) for key, value in node.value if key.value == str(part)]
        return pairs[-1] if pairs else None
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _named_in(node: yaml.Node, said: str) -> yaml.Node:
    """The first scalar below a node that a message quotes, else the node."""
    quoted = re.search(r"'([^']+)'", said)
    if quoted is None:
        return node
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, yaml.ScalarNode) and one.value == quoted[1]:
            return one
        waiting.extend(reversed(list(_children(one))))
    return node


def _spelt(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Models that a type has in it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _known_fields(model: type[BaseModel], location: Path) -> list[str]:
    """Fields of the model that holds the last part of a location."""
    for part in location[:-1]:
        for name, field in model.model_fields.items():
            if part in {name, field.alias} and (inner := _models_in(field.annotation)):
                (model,) = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _unknown_field(details: ErrorDetails, model: type[BaseModel]) -> str:
    known = _known_fields(model, details["loc"])
    return f"is not known here{did_you_mean(details['loc'][-1], known)}; known are {', '.join(known)}"


def _unknown_word(details: ErrorDetails, _: type[BaseModel]) -> str:
    known = re.findall(r"'([^']*)'", details["ctx"]["expected"])
    return f"{details['input']!r} is none of {', '.join(known)}{did_you_mean(details['input'], known)}"


def _misspelt(details: ErrorDetails, _: type[BaseModel]) -> str:
    return f"{details['input']!r} is not spelt as it must be: {details['ctx']['pattern']}"


def _plainly(text: str) -> Callable[[ErrorDetails, type[BaseModel]], str]:
    def said(details: ErrorDetails, _: type[BaseModel]) -> str:
        context: Mapping[str, Any] = details.get("ctx", {})
        return text.format_map(context)

    return said


#: What is said for each kind of error of pydantic.
_SAYINGS: Final[dict[str, Callable[[ErrorDetails, type[BaseModel]], str]]] = {
    "extra_forbidden": _unknown_field,
    "enum": _unknown_word,
    "literal_error": _unknown_word,
    "string_pattern_mismatch": _misspelt,
    "missing": _plainly("is missing"),
    "value_error": _plainly("{error}"),
    "bool_type": _plainly("must be true or false"),
    "bool_parsing": _plainly("must be true or false"),
    "int_type": _plainly("must be a whole number"),
    "int_parsing": _plainly("must be a whole number"),
    "int_from_float": _plainly("must be a whole number"),
    "float_type": _plainly("must be a number"),
    "float_parsing": _plainly("must be a number"),
    "greater_than": _plainly("must be more than {gt:g}"),
    "greater_than_equal": _plainly("must be at least {ge:g}"),
    "less_than_equal": _plainly("must be at most {le:g}"),
    "string_type": _plainly("must be text (in quotes, if need be)"),
    "too_short": _plainly("must not be empty"),
    "tuple_type": _plainly("must be a list, such as [one] or [one, two]"),
    "frozen_set_type": _plainly("must be a list, such as [one] or [one, two]"),
    "dict_type": _plainly("must be keys with values"),
    "model_type": _plainly("must be keys with values"),
    "model_attributes_type": _plainly("must be keys with values"),
    "timezone_aware": _plainly("must be a moment with a zone, such as 2026-01-01T00:00:00Z"),
    "datetime_from_date_parsing": _plainly("must be a moment with a zone, such as 2026-01-01T00:00:00Z"),
    "datetime_parsing": _plainly("must be a moment with a zone, such as 2026-01-01T00:00:00Z"),
    "datetime_type": _plainly("must be a moment with a zone, such as 2026-01-01T00:00:00Z"),
    "date_from_datetime_parsing": _plainly("must be a day, such as 2026-12-24"),
    "date_type": _plainly("must be a day, such as 2026-12-24"),
}


def _said(details: ErrorDetails, model: type[BaseModel]) -> str:
    say = _SAYINGS.get(details["type"])
    return say(details, model) if say else details["msg"]
