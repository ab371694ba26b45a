from hypothesis import given
from hypothesis import strategies as st

from streams.deadlines import Deadlines, Due

PEOPLE = ("anna", "ben", "cleo")


def test_a_deadline_is_reached_when_the_watermark_equals_it() -> None:
    deadlines = Deadlines([(1000, "acme", "anna")])
    assert not deadlines.has_due(999)
    assert deadlines.has_due(1000)
    assert deadlines.take_due(1000, 10) == [Due(1000, "acme", "anna")]
    assert not deadlines.has_due(1000)


def test_the_earliest_are_taken_first_and_no_more_than_asked_for() -> None:
    deadlines = Deadlines([(3, "acme", "cleo"), (1, "acme", "anna"), (2, "acme", "ben")])
    assert [due.person_key for due in deadlines.take_due(9, 2)] == ["anna", "ben"]
    assert [due.person_key for due in deadlines.take_due(9, 2)] == ["cleo"]


def test_a_new_deadline_replaces_the_old_one_in_both_directions() -> None:
    deadlines = Deadlines([(1000, "acme", "anna")])
    deadlines.set("acme", "anna", 2000)
    assert deadlines.take_due(1999, 10) == []
    deadlines.set("acme", "anna", 500)
    assert deadlines.take_due(500, 10) == [Due(500, "acme", "anna")]
    assert deadlines.take_due(9999, 10) == []


def test_a_person_without_deadline_is_not_due() -> None:
    deadlines = Deadlines([(1000, "acme", "anna")])
    deadlines.set("acme", "anna", None)
    assert not deadlines.has_due(5000)
    assert len(deadlines) == 0


def test_memory_follows_the_number_of_persons_not_that_of_changes() -> None:
    deadlines = Deadlines()
    for change in range(100_000):
        deadlines.set("acme", PEOPLE[change % 3], 1_000_000 + change)
    assert len(deadlines) == 3
    assert deadlines.entries <= 1025


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(PEOPLE), st.one_of(st.none(), st.integers(0, 20))),
            st.integers(0, 25),
        )
    )
)
def test_deadlines_are_a_dictionary_with_an_order(steps: list[tuple[str, int | None] | int]) -> None:
    deadlines = Deadlines()
    expected: dict[str, int] = {}
    for step in steps:
        if isinstance(step, tuple):
            person, deadline = step
            deadlines.set("acme", person, deadline)
            expected.pop(person, None)
            if deadline is not None:
                expected[person] = deadline
        else:
            due = {person for person, deadline in expected.items() if deadline <= step}
            assert {found.person_key for found in deadlines.take_due(step, 10)} == due
            for person in due:
                del expected[person]
        assert len(deadlines) == len(expected)
