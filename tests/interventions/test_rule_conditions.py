"""What a rule can ask, how it is answered, and what it never takes for an answer. Pure."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interventions.rules import condition
from interventions.rules.condition import FACTS, Clause, When, WhenFault
from interventions.rules.proxies import listed
from interventions.rules.starter import RULES
from interventions.snapshot import Did
from tests.interventions.test_triggers import DAY, NOW, mask, snapshot


def when(*clauses: Clause) -> When:
    made = When(clauses)
    condition.check(made)
    return made


ONBOARDED = "https://lms.example/onboarding"


@pytest.mark.parametrize(
    ("clause", "seen", "holds"),
    [
        (Clause("mastery", "below", 0.7), {"mastery": 0.69}, True),
        (Clause("mastery", "below", 0.7), {"mastery": 0.7}, False),
        (Clause("failures_on_one", "at_least", 2), {"open_concepts": 1, "repeated_failures": 2}, True),
        (Clause("failures_on_one", "at_least", 2), {"open_concepts": 0, "repeated_failures": 2}, False),
        (Clause("days_inactive", "at_least", 7), {"days": 7}, True),
        (Clause("days_inactive", "at_least", 7), {"days": 6.9}, False),
        (Clause("progress", "below", 0.6), {"steps": 10, "steps_done": 5}, True),
        (Clause("days_to_due", "below", 5), {"due_at": NOW + 4 * DAY}, True),
        (Clause("days_to_due", "below", 5), {"due_at": NOW - DAY}, False),
        (Clause("engagement", "below", 0.5), {"active_days": mask(7, 10, 14, 17)}, True),
        (Clause("video_share", "below", 0.5), {"video_share": 0.4}, True),
        (Clause("days_since_recovery", "below", 3), {"recovered_at": NOW - 2 * DAY}, True),
        (Clause("days_since_recovery", "below", 3), {"recovered_at": NOW - 3 * DAY}, False),
        (Clause("impact", "is", "critical"), {"impact": "critical"}, True),
        (Clause("course", "is", "https://lms.example/other"), {}, False),
        (Clause("completed", "lately", 14, ONBOARDED), {"did": (Did(ONBOARDED, NOW - 14 * DAY),)}, True),
        (Clause("completed", "lately", 14, ONBOARDED), {"did": (Did(ONBOARDED, NOW - 15 * DAY),)}, False),
        (Clause("completed", "lately", 14, ONBOARDED), {"did": (Did("urn:other", NOW),)}, False),
    ],
)
def test_it_answers_a_clause_at_its_bound(clause: Clause, seen: dict[str, Any], holds: bool) -> None:
    assert condition.holds(when(clause), snapshot(**seen)) is holds


def test_it_asks_for_all_clauses() -> None:
    both = when(Clause("days_inactive", "at_least", 7), Clause("mastery", "below", 0.6))

    assert condition.holds(both, snapshot(days=8, mastery=0.5))
    assert not condition.holds(both, snapshot(days=8, mastery=0.6))


@given(
    fact=st.sampled_from([key for key, fact in FACTS.items() if fact.unit not in ("choice", "event")]),
    op=st.sampled_from(["below", "at_least"]),
    share=st.floats(0, 1),
)
def test_an_unknown_never_makes_it_true(fact: str, op: Any, share: float) -> None:
    nothing_known = snapshot()
    bound = FACTS[fact].least + share * (FACTS[fact].most - FACTS[fact].least)

    if FACTS[fact].read(nothing_known) is None:
        assert not condition.holds(When((Clause(fact, op, bound),)), nothing_known)


def test_it_says_when_time_alone_makes_it_true() -> None:
    quiet = when(Clause("days_inactive", "at_least", 7), Clause("mastery", "below", 0.6))
    soon = when(Clause("days_to_due", "below", 5))

    assert condition.next_at(quiet, snapshot(days=5, mastery=0.5)) == NOW + timedelta(days=2, seconds=1)
    assert condition.next_at(quiet, snapshot(days=5, mastery=0.9)) is None
    assert condition.next_at(soon, snapshot(due_at=NOW + 8 * DAY)) == NOW + timedelta(days=3, seconds=1)


@pytest.mark.parametrize(
    ("clause", "says"),
    [
        (Clause("weather", "below", 1), "nothing is known"),
        (Clause("mastery", "below", 7), "between 0 and 1"),
        (Clause("mastery", "is", "low"), "compare a number"),
        (Clause("impact", "is", "royal"), "none of"),
        (Clause("completed", "lately", 14), "what was completed"),
        (Clause("days_inactive", "at_least", "long"), "write a number"),
    ],
)
def test_it_says_which_clause_cannot_be_asked(clause: Clause, says: str) -> None:
    with pytest.raises(WhenFault, match=says):
        condition.check(When((clause,)))


def test_it_refuses_a_rule_without_or_with_very_many_conditions() -> None:
    with pytest.raises(WhenFault):
        condition.check(When(()))
    with pytest.raises(WhenFault):
        condition.check(When((Clause("mastery", "below", 0.5),) * 5))


def test_it_reads_back_what_it_wrote_and_says_it_in_words() -> None:
    for starter in RULES:
        assert condition.load(condition.dump(starter.when)) == starter.when
    assert condition.sentence(RULES[3].when) == "mastery of the weakest competency below 70 %"


def test_it_names_what_goes_with_a_protected_attribute_and_why() -> None:
    touched = {starter.key: listed(starter.when) for starter in RULES}

    assert [key for key, reasons in touched.items() if reasons] == ["first-lesson"]
    assert "goes with age" in touched["first-lesson"][0]
