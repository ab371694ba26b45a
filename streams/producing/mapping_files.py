"""Reading mapping files, shipped ones by name; every error says where it is and what is allowed."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from streams.producing.contract_fields import closest
from streams.producing.mapping import Mapping

_SUFFIX = ".yaml"


class MappingError(ValueError):
    """A mapping cannot be used; the message names the file, the place in it, and what is allowed."""


def shipped_mappings() -> list[str]:
    """Names of the mappings that come with the package."""
    folder = files("streams.producing").joinpath("mappings")
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir() if entry.name.endswith(_SUFFIX))


def load_mapping(name: str) -> Mapping:
    """Mapping from a YAML file, or the shipped one of that name.

    Raises:
        MappingError: there is no such file, it is not YAML, or not a mapping.

    """
    if name in shipped_mappings():
        text = files("streams.producing").joinpath("mappings", name + _SUFFIX).read_text(encoding="utf-8")
        return parse_mapping(text, name)
    try:
        text = Path(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        shipped = shipped_mappings()
        raise MappingError(
            f"{name}: no such file, and no mapping of that name is shipped{closest(name, shipped)};"
            f" shipped: {', '.join(shipped)}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"{name}: cannot be read: {error}") from None
    return parse_mapping(text, name)


def parse_mapping(text: str, name: str) -> Mapping:
    """Mapping from YAML text; `name` is what errors call it.

    Raises:
        MappingError: it is not YAML, or not a mapping.

    """
    try:
        data: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise MappingError(f"{name}{place}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    try:
        return Mapping.model_validate(data)
    except ValidationError as error:
        lines = [f"{name}: {_problem(entry)}" for entry in error.errors(include_url=False)]
        raise MappingError("\n".join(lines)) from None


def _problem(entry: Any) -> str:
    place = ".".join(str(part) for part in entry["loc"])
    reason = entry["msg"].removeprefix("Value error, ")
    return f"{place}: {reason}" if place else reason
