"""Write the tables in docs/ that come from the code: `make docs`, or `python -m docs.generate`.

A page marks the place with `<!-- generated: NAME -->` and `<!-- end generated -->`; what stands between is replaced.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from docs.alert_week import rows as alert_week_rows
from processors.friction.catalogue import definitions
from processors.friction.definition import Example, RuleDefinition
from processors.friction.plain_words import minutes_words, pattern_words
from schemas.codec import schema_text
from schemas.log import REASONS
from schemas.touchpoint import TIME_FIELDS
from schemas.vocabulary import CONTACT_KINDS, KINDS, NAMESPACES
from sinks.clickhouse.dictionary import Entry, dictionary
from sinks.clickhouse.error_codes import ERROR_GROUPS, Meaning
from streams.metrics import CATALOGUE
from streams.settings import Settings
from streams.store import MOST_UNKNOWN

DOCS = Path(__file__).parent
_BLOCK = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end generated -->)", re.DOTALL)


def markdown_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table with pipes in cells escaped, ending in a newline."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def type_words(node: Any) -> str:
    """An Avro type in the words of a producer: `text`, `integer`, `UTC milliseconds`, `list of text`."""
    match node:
        case [*branches]:
            return " or ".join(type_words(branch) for branch in branches if branch != "null")
        case {"logicalType": "timestamp-millis"}:
            return "UTC milliseconds"
        case {"type": "array", "items": items}:
            return f"list of {type_words(items)}"
        case {"type": inner}:
            return type_words(inner)
        case _:
            words = {"string": "text", "long": "integer", "int": "integer", "double": "number", "boolean": "yes or no"}
            return words[node]


def default_words(field: dict[str, Any]) -> str:
    """What a field holds when a producer leaves it out."""
    if "default" not in field:
        return "**required**"
    if field["default"] is None:
        return "absent"
    return f"`{json.dumps(field['default'])}`"


def contract_fields() -> str:
    """Every field of the touchpoint, from the Avro schema."""
    fields = json.loads(schema_text("touchpoint.v1.avsc"))["fields"]
    rows = [(f"`{field['name']}`", type_words(field["type"]), default_words(field), field["doc"]) for field in fields]
    times = {field["name"] for field in fields if type_words(field["type"]) == "UTC milliseconds"}
    if times != TIME_FIELDS:
        raise ValueError(f"the contract's times are {sorted(times)}, the code's {sorted(TIME_FIELDS)}")
    return markdown_table(("field", "type", "when left out", "meaning"), rows)


def contract_kinds() -> str:
    """Every verb that the product gives a meaning to, by its first word; verbs that begin a contact are marked."""
    families: dict[str, list[str]] = {}
    for kind in sorted(KINDS):
        mark = " ←" if kind in CONTACT_KINDS else ""
        families.setdefault(kind.split(".")[0], []).append(f"`{kind}`{mark}")
    return markdown_table(("about", "verbs"), [(family, ", ".join(kinds)) for family, kinds in families.items()])


def identity_namespaces() -> str:
    """Identity namespaces in order of strength."""
    return markdown_table(("namespace", "class"), [(f"`{name}`", kind.value) for name, kind in NAMESPACES.items()])


def dead_letter_reasons() -> str:
    """Every reason a record can be refused for, with what to do."""
    return markdown_table(("reason", "meaning, and what to do"), [(f"`{key}`", text) for key, text in REASONS.items()])


def clickhouse_errors() -> str:
    """What a worker does about ClickHouse's error codes, and what people can do."""
    does = {
        Meaning.RETRY: "tries again until it passes",
        Meaning.REFUSE: "makes the touchpoint a dead letter; stops where the row is one that it derived",
        Meaning.STOP: "stops",
    }
    rows = [
        (
            group.wrong,
            does[group.meaning],
            group.advice,
            ", ".join(f"{code} {name}" for code, name in group.codes.items()),
        )
        for group in ERROR_GROUPS
    ]
    rows.append(
        ("anything else", f"tries {MOST_UNKNOWN} times, then stops", "read the message of the server", "all others")
    )
    return markdown_table(("ClickHouse says", "the worker", "what to do", "codes"), rows)


def metrics() -> str:
    """Every metric that a worker serves."""
    rows = [(f"`{name}`", ", ".join(labels), text) for name, (labels, text) in CATALOGUE.items()]
    return markdown_table(("metric", "labels", "meaning"), rows)


def settings() -> str:
    """Every setting with its environment variable and default."""
    return markdown_table(("variable", "default", "meaning"), list(_settings_rows(Settings, "JOURNEYS_")))


def _settings_rows(model: type[BaseModel], prefix: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            rows += _settings_rows(type(default), f"{prefix}{name.upper()}__")
            continue
        is_none = isinstance(default, SecretStr) or default in (None, "", frozenset())
        shown = "none" if is_none else f"`{default}`"
        rows.append((f"`{prefix}{name.upper()}`", shown, field.description or ""))
    return rows


def friction_rules() -> str:
    """Every rule file in a line, with a link to what is said of it below."""
    rows = [
        (
            definition.catalogue,
            f"[{definition.title}](#{_anchor(definition)})",
            f"`{definition.id}`",
            ", ".join(f"`{variant.name}` {variant.base}" for variant in definition.variants),
        )
        for definition in definitions()
    ]
    return markdown_table(("no", "pattern", "rule", "fires as, base severity"), rows)


def friction_definitions() -> str:
    """Every rule file: what it finds and what keeps it silent, with its numbers, where they come from, and examples."""
    return "\n".join(_friction_section(definition) for definition in definitions())


def _anchor(definition: RuleDefinition) -> str:
    """How a page of GitHub calls the section of a rule."""
    return re.sub(r"[^\w\- ]", "", _heading(definition).lower()).replace(" ", "-")


def _heading(definition: RuleDefinition) -> str:
    return " ".join(filter(None, (definition.catalogue, definition.title)))


def _friction_section(definition: RuleDefinition) -> str:
    patterns = [pattern_words(pattern) for pattern in definition.patterns]
    guards = [*definition.guards, *(guard for pattern in definition.patterns for guard in pattern.guards)]
    told = {guard.says: f" (else base severity {guard.base})" if guard.base else "" for guard in guards}
    parts = {
        "Fires when": patterns or [_python_words(definition)],
        "Only if": [f"{says}{base}" for says, base in told.items()],
        "Minutes": [f"{posting.name}: {minutes_words(posting)}" for posting in definition.minutes],
        "Fires, for example": [_example_words(example) for example in definition.examples if example.fires],
        "Stays silent, for example": [_example_words(example) for example in definition.examples if not example.fires],
    }
    lines = [f"### {_heading(definition)}", "", f"`{definition.id}`. {' '.join(definition.source.split())}", ""]
    for name, items in parts.items():
        if len(items) == 1:
            lines.append(f"- **{name}**: {items[0]}")
        elif items:
            lines += [f"- **{name}**:", *(f"  - {item}" for item in items)]
    return "\n".join(lines) + "\n"


def _example_words(example: Example) -> str:
    return (
        f"{example.says} → {', '.join(f'`{variant}`' for variant in example.fires)}" if example.fires else example.says
    )


def _python_words(definition: RuleDefinition) -> str:
    told = ", ".join(f"{name} {value}" for name, value in definition.parameters.items())
    return f"in Python{f': {told}' if told else ''}"


def data_dictionary() -> str:
    """Every view and every table with its columns: types and meanings."""
    entries = dictionary()
    parts = []
    for heading, is_view in (("Views", True), ("Tables", False)):
        parts.append(f"## {heading}\n")
        parts += [_dictionary_section(entry) for entry in entries.values() if entry.is_view is is_view]
    return "\n".join(parts)


def _dictionary_section(entry: Entry) -> str:
    rows = [(f"`{column.name}`", column.type, column.comment) for column in entry.columns]
    parameters = "".join(f"- parameter `{name}`: {type_}\n" for name, type_ in entry.parameters)
    lines = [f"### {entry.name}\n", f"{entry.comment}\n", *([parameters] if parameters else [])]
    return "\n".join([*lines, markdown_table(("column", "type", "meaning"), rows)])


def alert_week() -> str:
    """Messages that one team gets of a made-up week, by policy."""
    header = ("policy", "messages", "opened", "updated", "digest", "closed", "withdrawn")
    return markdown_table(header, alert_week_rows())


TABLES: dict[str, Callable[[], str]] = {
    "alert-week": alert_week,
    "contract-fields": contract_fields,
    "contract-kinds": contract_kinds,
    "identity-namespaces": identity_namespaces,
    "data-dictionary": data_dictionary,
    "dead-letter-reasons": dead_letter_reasons,
    "clickhouse-errors": clickhouse_errors,
    "friction-rules": friction_rules,
    "friction-definitions": friction_definitions,
    "metrics": metrics,
    "settings": settings,
}


def regenerated(text: str) -> str:
    """A page with its marked tables made anew.

    Raises:
        KeyError: a mark names a table that nobody makes.

    """
    return _BLOCK.sub(lambda block: f"{block[1]}\n{TABLES[block['name']]()}\n{block[3]}", text)


def main() -> None:
    """Rewrite every page whose tables have changed, and say which."""
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        new = regenerated(text)
        if new != text:
            page.write_text(new, encoding="utf-8")
            print(f"wrote {page.name}")


if __name__ == "__main__":
    main()
