"""Label files: what people say is a friction.

CSV in UTF-8 with a header. Columns: `person` (`namespace:value` as producers send it, or a person key) or `touchpoint`
(`tenant/source/id`, any that belongs to the evidence), at least one of them on each line; `rule_id`, empty where
somebody looked and there is nothing; and `variant`, which may be left out.
"""

import csv
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from processors.friction.labels import Label
from schemas.outputs import touchpoint_key

_COLUMNS: Final = ("person", "touchpoint", "rule_id", "variant")


class LabelsUnusable(ValueError):
    """A label file cannot be used; the message names the line and what is expected."""


def read_labels(path: Path, rule_ids: Collection[str], person_key: Callable[[str], str]) -> list[Label]:
    """Labels of a file. `person_key` finds the key of a person by an identity.

    Raises:
        LabelsUnusable: it cannot be read, or says something that no label can.

    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            names = set(rows.fieldnames or ())
            if unknown := names - set(_COLUMNS):
                raise LabelsUnusable(f"{path}: there is no column {min(unknown)!r}; there are {', '.join(_COLUMNS)}")
            if "rule_id" not in names or names.isdisjoint(("person", "touchpoint")):
                raise LabelsUnusable(f"{path}: the header needs rule_id, and person or touchpoint")
            labels = [
                _label(path, rows.line_num, {name: (row.get(name) or "").strip() for name in _COLUMNS}, rule_ids)
                for row in rows
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelsUnusable(f"{path} cannot be read: {error}") from None
    if not any(label.rule_id for label in labels):
        raise LabelsUnusable(f"{path}: no line names a rule, so nothing can be right or wrong")
    keys = {name: person_key(name) for name in {label.person for label in labels} if name is not None}
    return [
        Label(label.line, label.person and keys[label.person], label.touchpoint, label.rule_id, label.variant)
        for label in labels
    ]


def _label(path: Path, line: int, row: dict[str, str], rule_ids: Collection[str]) -> Label:
    if row["rule_id"] and row["rule_id"] not in rule_ids:
        raise LabelsUnusable(
            f"{path}, line {line}: there is no rule {row['rule_id']}; there are {', '.join(sorted(rule_ids))}"
        )
    if not (row["person"] or row["touchpoint"]):
        raise LabelsUnusable(f"{path}, line {line}: names neither a person nor a touchpoint")
    if row["touchpoint"]:
        try:
            touchpoint_key(row["touchpoint"])
        except ValueError:
            raise LabelsUnusable(
                f"{path}, line {line}: a touchpoint is tenant/source/id, not {row['touchpoint']!r}"
            ) from None
    return Label(line, *(row[name] or None for name in _COLUMNS))
