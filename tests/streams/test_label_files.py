"""What a label file may say, and what is said of one that may not."""

from pathlib import Path

import pytest

from processors.friction.labels import Label
from streams.label_files import LabelsUnusable, read_labels

RULES = ("channel_redirect", "repeat_contact")


def read(folder: Path, text: str) -> list[Label]:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return read_labels(path, RULES, lambda name: f"key of {name}")


def test_lines_name_a_person_or_a_touchpoint(tmp_path: Path) -> None:
    text = """person,touchpoint,rule_id,variant
customer_no:1,,channel_redirect,lost
,default/crm/7,repeat_contact,
customer_no:2,,,
"""
    assert read(tmp_path, text) == [
        Label(2, "key of customer_no:1", None, "channel_redirect", "lost"),
        Label(3, None, "default/crm/7", "repeat_contact", None),
        Label(4, "key of customer_no:2", None, None, None),
    ]


def test_columns_may_be_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeffrule_id,touchpoint\nrepeat_contact,default/crm/7\n") == [
        Label(2, None, "default/crm/7", "repeat_contact", None)
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("person,rule\na,b\n", r"no column 'rule'; there are person, touchpoint, rule_id, variant"),
        ("person,variant\na,b\n", r"the header needs rule_id, and person or touchpoint"),
        ("person,rule_id\na,redirect\n", r"line 2: there is no rule redirect; there are channel_redirect, repeat"),
        ("person,rule_id\n,repeat_contact\n", r"line 2: names neither a person nor a touchpoint"),
        ("touchpoint,rule_id\n7,repeat_contact\n", r"line 2: a touchpoint is tenant/source/id, not '7'"),
        ("person,rule_id\na,\n", r"no line names a rule"),
        ("", r"the header needs rule_id"),
    ],
)
def test_what_no_label_can_say_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LabelsUnusable, match=message):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabelsUnusable, match=r"none\.csv cannot be read"):
        read_labels(tmp_path / "none.csv", RULES, str)
