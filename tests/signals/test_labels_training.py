"""What a model learns from: labels as of a date, from facts and from reports, and nothing of what came later."""

from datetime import date, datetime
from itertools import count
from typing import Any

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from consent import record as consent
from consent.scopes import Scope
from learners.models import CompetencyItem, Enrolment, Learner
from signals import labels
from signals.models import RiskChange
from signals.risk.score import live_model
from signals.xapi.keys import activity_key
from tests.support.consent import ADMIN
from tests.support.knowledge import day, enrolled, make_result
from tests.support.learners import make_competency, make_enrolment

pytestmark = pytest.mark.django_db

_names = count(1)
DUE = date(2026, 3, 6)  # sixty days after the start
SEEN = day(14)
LATER = day(365)


def label(
    enrolment: Enrolment,
    definition: str = "passed_by_end@1",
    *,
    at: datetime = SEEN,
    now: datetime = LATER,
) -> labels.LabelRow:
    (row,) = labels.for_training(label=definition, points=[(enrolment.pk, at)], now=now)
    return row


def value(*args: Any, **more: Any) -> bool | None:
    return label(*args, **more).value


def ended(state: str, at: datetime, **more: Any) -> Enrolment:
    enrolment = enrolled(f"person-{next(_names):04}")
    Enrolment.objects.filter(pk=enrolment.pk).update(state=state, ended_at=at, due_on=DUE, **more)
    return enrolment


def running() -> Enrolment:
    enrolment = enrolled(f"person-{next(_names):04}")
    Enrolment.objects.filter(pk=enrolment.pk).update(due_on=DUE)
    return enrolment


@pytest.mark.parametrize(("state", "passed"), [("completed", True), ("failed", False), ("withdrawn", False)])
def test_it_knows_who_passed_by_the_end(state: str, passed: bool) -> None:
    assert value(ended(state, day(60))) is passed


def test_it_does_not_know_yet_while_the_course_runs() -> None:
    assert value(running(), now=day(59)) is None
    assert value(running(), now=day(61)) is None  # the result may still be on its way


def test_it_counts_who_is_overdue_as_not_passed() -> None:
    assert value(running(), now=day(92)) is False


def test_it_counts_a_pass_that_came_long_after_the_due_date_as_it_did_before_it_came() -> None:
    assert value(ended("completed", day(200))) is False
    assert value(ended("completed", day(80))) is True


def test_it_uses_nothing_that_happened_after_now() -> None:
    enrolment = ended("completed", day(50))

    assert value(enrolment, now=day(49)) is None
    assert value(enrolment, now=day(50)) is True


def test_it_refuses_a_point_ahead_of_now() -> None:
    with pytest.raises(labels.LabelTooEarly, match="nothing is known"):
        label(running(), at=day(15), now=day(14))


def test_it_has_no_answer_outside_of_the_enrolment() -> None:
    enrolment = ended("withdrawn", day(10))

    assert value(enrolment, at=day(10)) is None
    assert value(enrolment, at=day(-100)) is None
    assert value(enrolment, at=day(9)) is False


def test_it_names_an_enrolment_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="There is no enrolment 4711"):
        labels.for_training(label="pass_30d@1", points=[(4711, day(1))], now=LATER)


def test_it_names_the_definitions_where_one_is_unknown() -> None:
    with pytest.raises(labels.UnknownDefinition, match="passed_by_end@1"):
        labels.for_training(label="passed_by_end@9", points=[], now=LATER)


def test_it_learns_nothing_of_people_who_refuse_or_whose_record_was_merged() -> None:
    refusing, merged = ended("failed", day(60)), ended("failed", day(60))
    consent.withdraw(subject=refusing.learner_id, scope=Scope.PROFILE, by=ADMIN, now=day(70))
    Learner.objects.filter(pk=merged.learner_id).update(
        merged_into=enrolled(f"person-{next(_names):04}").learner_id
    )

    assert value(refusing) is None
    assert value(merged) is None


@pytest.mark.parametrize(
    ("state", "at", "expected"),
    [
        ("completed", 44, True),
        ("completed", 44.01, False),
        ("failed", 30, False),
        ("withdrawn", 30, None),
        ("withdrawn", 50, False),
    ],
)
def test_it_watches_thirty_days_for_a_pass(state: str, at: float, expected: bool | None) -> None:
    enrolment = ended(state, day(at))

    assert value(enrolment, "pass_30d@1") is expected
    assert value(enrolment, "pass_30d@1", now=day(43.9)) is None


def change(enrolment: Enrolment, at: datetime, after: float) -> None:
    RiskChange.objects.create(enrolment=enrolment, after=after, at=at, model_version=live_model(now=at))


def test_it_sees_a_recovery_only_of_somebody_in_difficulty() -> None:
    enrolment, calm = running(), running()
    change(enrolment, day(10), 0.6)
    change(enrolment, day(20), 0.3)
    change(calm, day(10), 0.2)

    assert value(enrolment, "recovered_14d@1") is True
    assert value(enrolment, "recovered_14d@1", at=day(10), now=day(23)) is None
    assert value(calm, "recovered_14d@1") is None


def test_it_sees_no_recovery_where_the_risk_stayed() -> None:
    enrolment = running()
    change(enrolment, day(10), 0.6)
    change(enrolment, day(20), 0.4)

    assert value(enrolment, "recovered_14d@1") is False


@pytest.mark.parametrize(("later", "gained"), [(0.5, True), (0.49, False), (None, None)])
def test_it_measures_the_gain_of_the_weakest_competency(later: float | None, gained: bool | None) -> None:
    enrolment = running()
    for name, before, after in (("weak", 0.4, later), ("strong", 0.9, 0.2)):
        competency = make_competency()
        CompetencyItem.objects.create(competency=competency, iri=f"urn:item:{name}", name=name)
        key = activity_key(f"urn:item:{name}")
        make_result(enrolment, day(10), scaled=before, activity=key)
        if after is not None:
            make_result(enrolment, day(30), scaled=after, activity=key)

    assert value(enrolment, "skill_gain_10pt@1") is gained


@pytest.mark.parametrize(("start", "expected"), [(20, True), (60, False), (10, False)])
def test_it_sees_another_course_begun_within_the_horizon(start: int, expected: bool) -> None:
    enrolment = running()
    make_enrolment(learner=enrolment.learner, starts_on=day(start).date(), enrolled_at=day(start))

    assert value(enrolment, "next_course_45d@1") is expected


def test_it_cannot_tell_of_somebody_who_left_the_organisation() -> None:
    enrolment = running()
    Learner.objects.filter(pk=enrolment.learner_id).update(left_on=day(30).date())

    assert value(enrolment, "next_course_45d@1") is None


@pytest.mark.parametrize("definition", ["accepted_and_passed@1", "needed_help@1"])
def test_it_takes_what_only_people_can_say_from_their_reports(definition: str) -> None:
    enrolment = ended("completed", day(30))

    assert value(enrolment, definition) is None

    report(enrolment, definition, value=False)
    assert value(enrolment, definition) is False


def report(enrolment: Enrolment, definition: str, **more: Any) -> None:
    horizon = labels.DEFINITIONS[definition].horizon_days
    labels.record(
        **{
            "enrolment_id": enrolment.pk,
            "as_of": day(14),
            "definition": definition,
            "horizon_days": horizon or 0,
            "treated": False,
            "propensity": None,
            "now": day(100),
            **more,
        }
    )


def test_it_prefers_what_was_recorded() -> None:
    enrolment = ended("completed", day(30))
    report(enrolment, "pass_30d@1", value=False, treated=True, propensity=0.25)

    assert label(enrolment, "pass_30d@1")[2:] == (False, True, 0.25)
    assert label(enrolment, "pass_30d@1", now=day(99))[2:] == (True, False, None)  # not recorded yet


def test_it_says_who_was_treated_within_the_horizon_and_how_likely_that_was() -> None:
    enrolment = ended("failed", day(60))
    report(enrolment, "recovered_14d@1", as_of=day(20), value=False, treated=True, propensity=0.8)

    assert label(enrolment)[2:] == (False, True, 0.8)
    assert label(enrolment, at=day(21))[2:] == (False, False, None)  # that was before
    assert label(enrolment, "recovered_14d@1", at=day(5))[3:] == (
        False,
        None,
    )  # day 20 lies beyond its horizon


@pytest.mark.parametrize("definition", sorted(labels.DEFINITIONS))
def test_it_keeps_the_order_and_asks_no_more_for_more_points(
    definition: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    enrolments = [running() for _ in range(3)]
    points = [(row.pk, day(number)) for number in (9, 3, 6) for row in reversed(enrolments)]

    with django_assert_max_num_queries(8):
        rows = labels.for_training(label=definition, points=points, now=LATER)

    assert [(row.enrolment_id, row.as_of) for row in rows] == points


def test_it_gives_every_definition_a_kind_and_reasons() -> None:
    assert {d.kind for d in labels.DEFINITIONS.values()} == set(labels.Kind)
    assert all(d.question and d.censoring and d.rationale for d in labels.DEFINITIONS.values())
