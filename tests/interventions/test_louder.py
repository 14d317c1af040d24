"""Which change of a policy is louder, and which is not: pure."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interventions.policy import louder as module
from interventions.policy.document import Document, differences, flat, with_changes
from interventions.policy.louder import Reason, louder, needs_second, touches_critical

COURSE = "https://lms.example/a"


@pytest.mark.parametrize(
    ("place", "quieter", "loud"),
    [
        ("bands.medium", 0.5, 0.4),
        ("bands.high", 0.8, 0.7),
        ("bands.hysteresis", 0.02, 0.1),
        ("bands.min_coverage", 0.6, 0.4),
        ("bands.high_needs_signals", 3, 1),
        ("triggers.mastery.below", 0.5, 0.62),
        ("triggers.mastery.with_days_inactive", 9, 5),
        ("triggers.inactivity.days", 9, 5),
        ("triggers.inactivity.times_usual_gap", 4, 2),
        ("ladder.normal_hours", 96, 60),
        ("ladder.fast_hours", 60, 24),
        ("ladder.rearm_days", 5, 1),
        ("ladder.episode_days", 20, 40),
        ("limits.out_of_slots", 3, 1),
        ("limits.declined_days", 21, 7),
        ("costs.coach", 60, 30),
        ("value.elevated", 1.5, 3),
        ("value.lifts.nudge.mean", 0.005, 0.02),
        ("limits.quiet_from", "17:00", "20:00"),
        ("limits.quiet_to", "09:00", "07:00"),
        ("triggers.pace.below", 0.6, 0.75),
        ("triggers.pace.steps_due", 4, 2),
        ("triggers.deadline.days", 4, 7),
        ("triggers.failures.in_a_row", 3, None),
        ("triggers.min_signals", 2, None),
        ("triggers.inactivity.repeat", "first", "every"),
        ("triggers.combine", "all", None),
        ("value.least_probability", 0.7, 0.4),
        ("limits.working_from", "10:00", "08:00"),
        ("limits.working_to", "16:00", "18:00"),
        ("first_action.critical", 0, 24),
        ("timings.nudge", "next_working_morning", None),
        ("matrix.standard.medium.1", "nudge", "coach"),
        ("matrix.elevated.high.0", "nudge", None),
    ],
)
def test_it_knows_which_way_is_louder(place: str, quieter: Any, loud: Any) -> None:
    assert louder(Document(), with_changes(Document(), {place: quieter})) == []
    if loud is not None:
        found = louder(Document(), with_changes(Document(), {place: loud}))
        assert [reason.place for reason in found] in ([place], ["limits.quiet_from"])
        assert found[0].why


@pytest.mark.parametrize(
    "place",
    [
        "triggers.mastery.enabled",
        "triggers.inactivity.enabled",
        "triggers.composite.enabled",
        "automation.nudge",
    ],
)
def test_it_is_louder_to_switch_something_on(place: str) -> None:
    off, on = with_changes(Document(), {place: False}), with_changes(Document(), {place: True})

    assert [reason.place for reason in louder(off, on)] == [place]
    assert louder(on, off) == []


def test_it_is_louder_to_write_at_weekends() -> None:
    loud = with_changes(Document(), {"limits.quiet_weekends": False})

    assert [reason.why for reason in louder(Document(), loud)] == [module.LESS_QUIET]
    assert louder(loud, Document()) == []


def test_it_sees_quiet_hours_that_only_moved() -> None:
    """As long as before, but somebody hears from us at an hour that was quiet."""
    moved = with_changes(
        Document(),
        {"limits.quiet_from": "20:00", "limits.quiet_to": "10:00", "limits.quiet_weekends": True},
    )

    assert [reason.place for reason in louder(Document(), moved)] == ["limits.quiet_from"]


@pytest.mark.parametrize(
    ("before", "after", "is_louder"),
    [
        ((), (COURSE,), False),
        ((COURSE,), (), True),
        ((COURSE,), (COURSE, "https://lms.example/b"), True),
        ((COURSE, "https://lms.example/b"), (COURSE,), False),
    ],
)
def test_it_is_louder_in_more_courses(before: Any, after: Any, is_louder: bool) -> None:
    one, other = (with_changes(Document(), {"pilot_courses": list(courses)}) for courses in (before, after))

    assert bool(louder(one, other)) is is_louder


def test_it_is_louder_to_trust_another_model() -> None:
    named = with_changes(Document(), {"model": "composite-1"})

    # A composite that is named comes into force with the policy, so this too may let other people in.
    assert [reason.place for reason in louder(Document(), named)] == ["model"]
    assert [reason.place for reason in louder(named, Document())] == ["model"]


def test_it_counts_what_nobody_has_sorted_as_louder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FALLS", {})

    found = louder(Document(), with_changes(Document(), {"bands.medium": 0.5}))

    assert found == [Reason("bands.medium", module.UNSORTED)]


def test_it_has_sorted_every_place() -> None:
    sorted_places = {
        *module._FALLS,
        *module._RISES,
        *module._ON,
        *module._NEITHER,
        *module._QUIET,
        *module._OTHERWISE,
    }
    places = {place for place, _ in flat(Document()) if not place.startswith("matrix.")}

    assert not places - sorted_places, (
        "say in interventions/policy/louder.py in which direction these are louder"
    )
    assert not sorted_places - places, "these are no places of a policy any more: remove them"


def test_it_asks_for_a_second_yes_wherever_critical_roles_are_concerned() -> None:
    quieter = with_changes(Document(), {"matrix.critical.medium.2": "manager", "value.critical": 3})

    assert louder(Document(), quieter) == []
    assert [reason.place for reason in touches_critical(Document(), quieter)] == [
        "matrix.critical.medium.2",
        "value.critical",
    ]
    assert needs_second(Document(), quieter) == touches_critical(Document(), quieter)


@given(
    st.dictionaries(
        st.sampled_from(["bands.medium", "costs.coach", "ladder.normal_hours", "triggers.inactivity.days"]),
        st.sampled_from([-0.01, 0.01]),
        max_size=4,
    )
)
def test_it_gives_a_reason_for_each_loud_change_and_none_for_its_way_back(steps: dict[str, float]) -> None:
    values = dict(flat(Document()))
    changed = with_changes(Document(), {place: values[place] + step for place, step in steps.items()})

    there, back = louder(Document(), changed), louder(changed, Document())

    assert {r.place for r in there} | {r.place for r in back} == {
        change.place for change in differences(Document(), changed)
    }
    assert not {r.place for r in there} & {r.place for r in back}
