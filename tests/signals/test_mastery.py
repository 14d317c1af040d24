"""Mastery of competencies from single answers: the arithmetic, the fit, the estimate as of a moment."""

from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from consent import record as consent
from consent.scopes import Scope
from learners.models import Competency, CompetencyItem, Enrolment
from signals.features.refresh import refresh
from signals.mastery import estimate, fit
from signals.mastery.factors import FADING, PRIOR, Strand
from signals.mastery.factors import estimate as formula
from signals.models import AssessmentResult, Event, FeatureRow, ItemDifficulty, Mastery, MasteryFit
from signals.xapi.keys import activity_key
from tests.bench.mastery import simulated
from tests.support.consent import ADMIN
from tests.support.knowledge import day, enrolled, make_event, make_result
from tests.support.learners import make_competency, make_course, make_enrolment, make_learner

database = pytest.mark.django_db


# --- the formula ---------------------------------------------------------------------------------------------------

strands = st.builds(Strand, st.floats(-3, 3), st.floats(0, 2), st.floats(0, 2))
fadings = st.sampled_from([0.8, 0.9, 1.0])
answers = st.lists(st.floats(0, 1), max_size=30)


def value_after(given: list[float], strand: Strand, fading: float) -> float:
    right = wrong = 0.0
    for share in given:
        right, wrong = fading * right + share, fading * wrong + 1 - share
    return formula(strand, right=right, wrong=wrong).value


@given(answers, strands, fadings, st.integers(0, 30))
def test_it_is_never_lowered_by_another_right_answer(
    given: list[float], strand: Strand, fading: float, at: int
) -> None:
    before = value_after(given, strand, fading) if given else 0.0

    after = value_after([*given[:at], 1.0, *given[at:]], strand, fading)

    assert after >= before - 1e-12


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), strands, fadings, st.data())
def test_it_is_never_lowered_where_an_answer_is_better(
    given: list[float], strand: Strand, fading: float, data: Any
) -> None:
    at = data.draw(st.integers(0, len(given) - 1))
    better = [*given[:at], 1.0, *given[at + 1 :]]

    assert value_after(better, strand, fading) >= value_after(given, strand, fading) - 1e-12


@given(strands, st.floats(0.01, 500), st.floats(0, 500))
def test_it_lies_between_its_bounds(strand: Strand, right: float, wrong: float) -> None:
    found = formula(strand, right=right, wrong=wrong)

    assert 0 <= found.low <= found.value <= found.high <= 1


def test_it_says_so_however_many_answers_there_are() -> None:
    assert formula(Strand(0.0, 5.0, 0.0), right=500, wrong=0).value > 0.999999
    assert formula(Strand(0.0, 0.0, 5.0), right=0, wrong=500).value < 0.000001


def test_it_grows_surer_with_every_answer() -> None:
    few, many = formula(PRIOR, right=2, wrong=1), formula(PRIOR, right=6, wrong=3)

    assert many.high - many.low < few.high - few.low


# --- the fit -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_finds_the_parameters_back_that_made_the_answers() -> None:
    true = [Strand(-0.5, 0.25, 0.5), Strand(0.8, 0.1, 0.6)]
    made, difficulties = simulated(people=1500, answers=15, strands=true, items=20, fading=FADING, seed=3)

    found = fit.fitted_to(made, len(true), len(difficulties))

    assert found.fading == FADING
    for one, other in zip(found.strands, true, strict=True):
        assert one == pytest.approx(other, abs=0.2)
    import numpy as np

    assert np.corrcoef(found.difficulties, difficulties)[0, 1] > 0.95


@pytest.mark.slow
def test_it_foretells_people_it_has_not_seen_better_than_the_mean_of_the_last_five() -> None:
    made, difficulties = simulated(people=900, answers=10, strands=[PRIOR], items=12, fading=FADING, seed=5)
    held_out = made.people % 3 == 0

    judged = fit.judged(made.some(held_out), fit.fitted_to(made.some(~held_out), 1, len(difficulties)))

    assert judged["log_loss"] < judged["log_loss_last_five"]
    assert judged["brier"] < judged["brier_last_five"]


def test_it_stays_near_all_others_where_a_competency_has_hardly_any_answers() -> None:
    made, difficulties = simulated(
        people=400, answers=10, strands=[PRIOR, PRIOR], items=10, fading=0.9, seed=7
    )
    rare = (made.competencies == 0) | (made.people == 0)

    found = fit.fitted_to(made.some(rare), 2, len(difficulties))

    assert found.strands[1].gain == pytest.approx(found.strands[0].gain, abs=0.15)
    assert found.strands[1].loss == pytest.approx(found.strands[0].loss, abs=0.15)


# --- in the database -----------------------------------------------------------------------------------------------


class Shown:
    """A learner in a course whose items show a competency."""

    def __init__(self, items: int = 4) -> None:
        self.enrolment = enrolled()
        self.competency = make_competency()
        self.keys = [item_of(self.competency, number) for number in range(items)]

    def answer(self, at: datetime, right: bool, item: int = 0, enrolment: Enrolment | None = None) -> Event:
        whose = enrolment or self.enrolment
        return make_result(whose, at, success=right, activity=self.keys[item], is_item=True)

    def estimate(self, at: datetime, **more: Any) -> estimate.Estimate | None:
        found = estimate.as_of([(self.enrolment.pk, at)], **more)
        return found[0] if found else None


def item_of(competency: Competency, number: int) -> int:
    iri = f"urn:item:{competency.pk}:{number}"
    CompetencyItem.objects.create(competency=competency, iri=iri, name="Item")
    return activity_key(iri)


@database
def test_it_says_nothing_before_the_third_answer() -> None:
    shown = Shown()
    for number in (1, 2):
        shown.answer(day(number), True)
    assert shown.estimate(day(9)) is None

    shown.answer(day(3), True)

    found = shown.estimate(day(9))
    assert found is not None
    assert found.known == 1
    assert found.weakest == found.mean == pytest.approx(value_after([1, 1, 1], PRIOR, FADING))


@database
def test_it_takes_answers_by_when_they_were_given_whatever_order_they_come_in() -> None:
    shown = Shown()
    for number, right in ((4, True), (1, False), (3, True), (2, False)):
        shown.answer(day(number), right)

    found = shown.estimate(day(9))

    assert found is not None
    assert found.mean == pytest.approx(value_after([0, 0, 1, 1], PRIOR, FADING))


@database
def test_it_never_changes_for_a_moment_that_has_passed() -> None:
    shown = Shown()
    for number in (1, 2, 3):
        shown.answer(day(number), True)
    before = shown.estimate(day(4))
    shown.answer(day(5), False)
    late = shown.answer(day(2.5), False)  # given before, known after
    Event.objects.filter(statement_id=late.statement_id).update(known_at=day(6))

    assert shown.estimate(day(4)) == before
    assert shown.estimate(day(7)) != before


@database
def test_it_waits_for_the_return_of_marks() -> None:
    shown = Shown()
    for number in (1, 2, 3):
        shown.answer(day(number), True)

    assert shown.estimate(day(9), mark_lag_days=7) is None
    assert shown.estimate(day(10), mark_lag_days=7) is not None


@database
def test_it_takes_no_whole_assessment_nothing_voided_and_no_item_that_shows_nothing() -> None:
    shown = Shown()
    shown.answer(day(1), True)
    shown.answer(day(2), True)
    make_result(shown.enrolment, day(3), scaled=1.0, activity=shown.keys[0])
    make_result(shown.enrolment, day(4), success=True, activity=99, is_item=True)
    void = shown.answer(day(5), True)
    AssessmentResult.objects.filter(pk=void.statement_id).update(voided_seq=9)

    assert shown.estimate(day(9)) is None


@database
def test_it_knows_the_person_from_other_courses_and_speaks_of_what_this_one_asked() -> None:
    shown = Shown()
    other = make_enrolment(learner=shown.enrolment.learner, course=make_course())
    for number in (1, 2):
        shown.answer(day(number), True, enrolment=other)
    assert shown.estimate(day(9)) is None

    shown.answer(day(3), True)

    assert shown.estimate(day(9)) is not None
    assert len(estimate.as_of([(other.pk, day(9)), (shown.enrolment.pk, day(9))])) == 2


@database
def test_it_tells_the_weakest_competency_and_the_mean() -> None:
    shown, second = Shown(), make_competency()
    key = item_of(second, 1)
    for number in (1, 2, 3):
        shown.answer(day(number), True)
        make_result(shown.enrolment, day(number), success=False, activity=key, is_item=True)

    found = shown.estimate(day(9))

    assert found is not None
    assert found.known == 2
    assert found.weakest == pytest.approx(value_after([0, 0, 0], PRIOR, FADING))
    assert found.weakest < found.mean


@database
def test_a_refresh_keeps_the_current_mastery_of_whoever_changed() -> None:
    shown = Shown()
    for number in (1, 2, 3):
        shown.answer(day(number), True)
    refresh(now=day(4))
    kept = Mastery.objects.get()

    assert (kept.learner_id, kept.competency_id) == (shown.enrolment.learner_id, shown.competency.pk)
    wanted = formula(PRIOR, right=1 + FADING + FADING**2, wrong=0)
    assert (kept.value, kept.low, kept.high) == pytest.approx((wanted.value, wanted.low, wanted.high))
    assert (kept.answers, kept.last_answer_at) == (3, day(3))
    values = FeatureRow.objects.get().values
    assert values["mastery_weakest"] == pytest.approx(wanted.value)
    assert values["mastery_known"] == 1


@database
def test_it_forgets_what_no_answer_speaks_for_any_more() -> None:
    shown = Shown()
    void = shown.answer(day(1), True)
    refresh(now=day(2))
    assert Mastery.objects.exists()

    AssessmentResult.objects.filter(pk=void.statement_id).update(voided_seq=9)
    make_event(shown.enrolment, day(3))
    refresh(now=day(4))

    assert not Mastery.objects.exists()


@database
def test_it_writes_nothing_where_nothing_changed() -> None:
    shown = Shown()
    shown.answer(day(1), True)
    who = [shown.enrolment.learner_id]

    assert estimate.keep(who, now=day(2)) == 1
    assert estimate.keep(who, now=day(3)) == 0
    assert Mastery.objects.get().as_of == day(2)


@database
def test_an_older_look_does_not_overwrite_a_newer_one() -> None:
    shown = Shown()
    shown.answer(day(1), True)
    estimate.keep([shown.enrolment.learner_id], now=day(5))
    shown.answer(day(2), False)

    estimate.keep([shown.enrolment.learner_id], now=day(4))

    assert Mastery.objects.get().answers == 1


@database
def test_it_is_gone_when_somebody_refuses_and_back_when_they_agree() -> None:
    shown = Shown()
    shown.answer(day(1), True)
    refresh(now=day(2))
    who = shown.enrolment.learner_id

    consent.withdraw(subject=who, scope=Scope.PROFILE, by=ADMIN, now=day(3))
    assert not Mastery.objects.exists()

    consent.grant(subject=who, scope=Scope.PROFILE, by=ADMIN, now=day(4))
    refresh(now=day(5))
    assert Mastery.objects.exists()


@database
@pytest.mark.slow
def test_a_nightly_fit_keeps_its_parameters_difficulties_and_estimates_and_waits_for_more_answers() -> None:
    shown = Shown()
    course = shown.enrolment.course
    for person in range(60):
        enrolment = make_enrolment(learner=make_learner(), course=course)
        for item in range(4):
            # The last item is the hard one.
            shown.answer(day(item + 1), item < 3 or person % 4 == 0, item=item, enrolment=enrolment)
    refresh(now=day(9))

    learned = fit.fit(now=day(10))

    assert learned == 240
    row = MasteryFit.objects.get()
    assert (row.answers, row.learners) == (240, 60)
    assert row.metrics["log_loss"] > 0
    hard = ItemDifficulty.objects.order_by("-difficulty").first()
    assert hard is not None
    assert (hard.activity, hard.answers) == (shown.keys[3], 60)
    assert set(Mastery.objects.values_list("fit_id", flat=True)) == {row.pk}
    assert fit.fit(now=day(11)) == 0


@database
def test_it_fits_nothing_to_a_handful_of_answers_or_to_none() -> None:
    assert fit.fit(now=day(9)) == 0

    Shown().answer(day(1), True)

    assert fit.fit(now=day(9)) == 0


@database
@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("mastery_lies_between_its_bounds", {"low": 0.6}),
        ("mastery_rests_on_answers", {"answers": 0}),
    ],
)
def test_the_database_refuses_an_impossible_mastery(constraint: str, fields: dict[str, Any]) -> None:
    values = {"value": 0.5, "low": 0.4, "high": 0.6, "answers": 3, **fields}

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Mastery.objects.create(
            learner=make_learner(),
            competency=make_competency(),
            last_answer_at=day(1),
            as_of=day(1),
            **values,
        )


@database
def test_the_database_refuses_answers_that_grow_with_age() -> None:
    with pytest.raises(IntegrityError, match="answers_fade_and_never_grow"), transaction.atomic():
        MasteryFit.objects.create(
            fitted_at=day(1), fading=1.1, pooled=[0, 0, 0], strands={}, answers=1, learners=1
        )


@database
def test_a_refresh_asks_no_more_of_the_database_for_more_competencies(
    django_assert_max_num_queries: Any,
) -> None:
    shown = Shown()
    for _ in range(5):
        key = item_of(make_competency(), 1)
        make_result(shown.enrolment, day(1), success=True, activity=key, is_item=True)

    with django_assert_max_num_queries(4):
        estimate.keep([shown.enrolment.learner_id], now=day(2))

    assert Mastery.objects.count() == 5
