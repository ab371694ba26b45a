"""What docs/contract.md and docs/delivery.md say of the contract is what the contract says."""

import json
from pathlib import Path

import pytest

from docs.generate import TABLES
from schemas.json_form import touchpoint_from_json
from schemas.log import REASONS
from schemas.touchpoint import TOUCHPOINT_FIELDS
from schemas.vocabulary import CONTACT_KINDS, KINDS, NAMESPACES

DOCS = Path(__file__).parents[2] / "docs"
CONTRACT = (DOCS / "contract.md").read_text()


def block(page: str, name: str) -> str:
    """The generated table between its marks."""
    return page.split(f"<!-- generated: {name} -->\n", 1)[1].split("<!-- end generated -->", 1)[0].strip() + "\n"


@pytest.mark.parametrize("name", ["contract-fields", "contract-kinds", "identity-namespaces"])
def test_a_table_of_the_contract_page_is_what_the_code_says(name: str) -> None:
    assert block(CONTRACT, name) == TABLES[name](), "run make docs"


def test_every_field_has_one_row_in_order_with_a_meaning() -> None:
    rows = [line.split(" | ") for line in block(CONTRACT, "contract-fields").splitlines()[2:]]
    assert tuple(row[0].strip("| `") for row in rows) == TOUCHPOINT_FIELDS
    assert all(len(row[3].strip(" |")) > 5 for row in rows)


def test_every_verb_and_namespace_is_named() -> None:
    verbs = block(CONTRACT, "contract-kinds")
    assert all(f"`{kind}`" in verbs for kind in KINDS)
    assert all(f"`{kind}` ←" in verbs for kind in CONTACT_KINDS)
    assert all(f"`{name}`" in block(CONTRACT, "identity-namespaces") for name in NAMESPACES)


def test_every_dead_letter_reason_is_explained() -> None:
    table = block((DOCS / "delivery.md").read_text(), "dead-letter-reasons")
    assert table == TABLES["dead-letter-reasons"](), "run make docs"
    assert table.count("\n") == len(REASONS) + 2


@pytest.mark.parametrize("example", [part.split("```")[0] for part in CONTRACT.split("```json\n")[1:]])
def test_every_example_is_a_touchpoint(example: str) -> None:
    touchpoint = touchpoint_from_json(json.loads(example))
    assert touchpoint.identities == ("customer_no:4711",)
    assert touchpoint.kind in KINDS
