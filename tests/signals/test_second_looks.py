"""Second looks: a bounded draw from those about whom we are not sure, one at a time, and what an answer leaves."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from learners.models import Enrolment, Learner, OrgUnit, User
from signals import privacy, second_looks
from signals.models import Label, ModelVersion, Risk, SecondLook, SecondLookBudget
from signals.risk.score import live_model
from tests.support.coaching import NOW, allow
from tests.support.learners import make_coach, make_enrolment, make_learner

pytestmark = pytest.mark.django_db

COACH = "c0ac0000-0000-4000-8000-000000000001"


def unsure(*, value: float | None = None, **fields: Any) -> Enrolment:
    """An enrolment of which too little is known, of somebody who lets a coach look."""
    learner: Learner = make_learner(**fields)
    allow(learner)
    enrolment = make_enrolment(learner=learner)
    Risk.objects.create(
        enrolment=enrolment,
        value=value,
        coverage=0.3,
        known_signals=1,
        model_version=live_model(now=NOW),
        as_of=NOW,
        known_seq=1,
    )
    return enrolment


def make_look(enrolment: Enrolment | None = None, **fields: Any) -> SecondLook:
    made: dict[str, Any] = {"enrolment": enrolment or unsure(), "kind": "not_sure", "asked_at": NOW}
    return SecondLook.objects.create(**{**made, **fields})


@pytest.fixture
def budget() -> Iterator[SecondLookBudget]:
    yield SecondLookBudget.objects.create(unit=None, per_week=2)


def test_it_draws_as_many_as_the_week_allows(budget: SecondLookBudget) -> None:
    for _ in range(5):
        unsure()

    assert second_looks.draw(now=NOW) == 2
    assert second_looks.draw(now=NOW + timedelta(hours=1)) == 0
    assert {look.chance for look in SecondLook.objects.all()} == {0.4}


def test_it_draws_anew_next_week_and_others(budget: SecondLookBudget) -> None:
    for _ in range(5):
        unsure()
    second_looks.draw(now=NOW)

    assert second_looks.draw(now=NOW + timedelta(days=7)) == 2
    assert SecondLook.objects.values("enrolment").distinct().count() == 4


def test_it_draws_the_same_again() -> None:
    for _ in range(9):
        unsure()
    second_looks.draw(now=NOW)
    first = set(SecondLook.objects.values_list("enrolment", flat=True))
    SecondLook.objects.all().delete()

    second_looks.draw(now=NOW + timedelta(minutes=5))

    assert len(first) == second_looks.PER_WEEK
    assert set(SecondLook.objects.values_list("enrolment", flat=True)) == first


def test_a_unit_has_its_own_number_or_that_of_the_unit_above(budget: SecondLookBudget) -> None:
    plant = OrgUnit.objects.create(code="P", name="Plant")
    hall = OrgUnit.objects.create(code="H", name="Hall", parent=plant)
    SecondLookBudget.objects.create(unit=plant, per_week=1)
    for _ in range(3):
        unsure(unit=hall)
        unsure()

    second_looks.draw(now=NOW)

    drawn = SecondLook.objects.all()
    assert drawn.filter(enrolment__learner__unit=hall).count() == 1
    assert drawn.filter(enrolment__learner__unit=None).count() == 2


def test_nobody_is_drawn_whose_risk_is_known() -> None:
    unsure(value=0.2)

    assert second_looks.draw(now=NOW) == 0


@pytest.mark.parametrize("scope", [Scope.RECORD, Scope.PROFILE, Scope.COACH])
def test_nobody_is_drawn_who_does_not_want_it(scope: Scope) -> None:
    enrolment = unsure()
    record.withdraw(subject=enrolment.learner_id, scope=scope, by=SYSTEM, now=NOW)

    assert second_looks.draw(now=NOW) == 0


def test_nobody_is_drawn_who_has_finished() -> None:
    enrolment = unsure()
    Enrolment.objects.filter(pk=enrolment.pk).update(state="completed", ended_at=NOW)

    assert second_looks.draw(now=NOW) == 0


def test_nobody_is_asked_about_twice_at_once() -> None:
    enrolment = unsure()

    assert second_looks.ask([enrolment.pk], kind="disagreement", now=NOW) == 1
    assert second_looks.ask([enrolment.pk], kind="disagreement", now=NOW) == 0
    assert second_looks.ask([enrolment.pk], kind="audit", now=NOW) == 1


def test_what_nobody_answered_in_time_is_called_off() -> None:
    look = make_look(asked_at=NOW - timedelta(days=15))

    second_looks.draw(now=NOW)

    look.refresh_from_db()
    assert (look.answer, look.answered_by, look.answered_at) == ("nobody", None, NOW)


@pytest.mark.parametrize(("says", "value"), [("needs_help", True), ("does_not", False)])
def test_an_answer_becomes_a_label_of_the_day_it_was_asked(says: str, value: bool) -> None:
    look = make_look()

    second_looks.answer(
        look=look, says=says, by=make_coach().pk, now=NOW + timedelta(days=1), note=" Spoke. "
    )

    label = Label.objects.get()
    assert (label.definition, label.value, label.as_of) == ("needed_help@1", value, NOW)
    look.refresh_from_db()
    assert (look.answer, look.note) == (says, "Spoke.")


def test_no_label_comes_of_not_being_able_to_tell() -> None:
    second_looks.answer(look=make_look(), says="cannot_tell", by=make_coach().pk, now=NOW)

    assert not Label.objects.exists()


def test_the_second_of_two_answers_is_refused() -> None:
    look, coach = make_look(), make_coach()
    second_looks.answer(look=look, says="does_not", by=coach.pk, now=NOW)

    with pytest.raises(second_looks.AlreadyAnswered):
        second_looks.answer(look=look, says="needs_help", by=coach.pk, now=NOW)
    assert Label.objects.get().value is False


def test_it_knows_three_answers() -> None:
    with pytest.raises(second_looks.NoSuchAnswer):
        second_looks.answer(look=make_look(), says="nobody", by=make_coach().pk, now=NOW)


def test_a_note_is_encrypted() -> None:
    from django.db import connection

    look = make_look(note="Has a new shift")
    with connection.cursor() as cursor:
        cursor.execute("SELECT note::text FROM signals_secondlook WHERE id = %s", [look.pk])
        assert "shift" not in str(cursor.fetchone())


def test_it_goes_with_the_persons_data() -> None:
    look = make_look(answer="does_not", answered_by=COACH, answered_at=NOW, note="Fine")
    subject = look.enrolment.learner_id

    assert privacy.export(subject)["second_looks"][0]["note"] == "Fine"
    assert privacy.erase(subject, now=NOW)["second_looks"] == 1


@pytest.mark.parametrize("scope", [Scope.PROFILE, Scope.COACH])
def test_a_withdrawal_takes_the_open_question_and_leaves_the_answered(scope: Scope) -> None:
    enrolment = unsure()
    make_look(enrolment)
    make_look(enrolment, kind="audit", answer="does_not", answered_by=COACH, answered_at=NOW)

    record.withdraw(subject=enrolment.learner_id, scope=scope, by=SYSTEM, now=NOW)

    assert [look.kind for look in SecondLook.objects.all()] == ["audit"]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"answer": "needs_help"}, "a_second_look_is_answered_by_somebody_at_a_time"),
        ({"answered_at": NOW}, "a_second_look_is_answered_by_somebody_at_a_time"),
        (
            {"answer": "nobody", "answered_at": NOW, "answered_by": COACH},
            "a_second_look_is_answered_by_somebody_at_a_time",
        ),
        ({"chance": 0.0}, "the_chance_of_a_second_look_is_a_positive_share"),
        ({"chance": 1.5}, "the_chance_of_a_second_look_is_a_positive_share"),
    ],
)
def test_the_database_refuses_half_an_answer(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        make_look(**fields)


def test_the_database_keeps_one_open_look_of_a_kind() -> None:
    enrolment = unsure()
    make_look(enrolment)

    with (
        pytest.raises(IntegrityError, match="one_open_second_look_per_enrolment_and_kind"),
        transaction.atomic(),
    ):
        make_look(enrolment)


def test_the_database_keeps_one_budget_for_everybody_else(budget: SecondLookBudget) -> None:
    with pytest.raises(IntegrityError, match="one_second_look_budget_per_unit"), transaction.atomic():
        SecondLookBudget.objects.create(unit=None, per_week=9)
    with pytest.raises(IntegrityError, match="a_second_look_budget_is_bounded"), transaction.atomic():
        SecondLookBudget.objects.filter(pk=budget.pk).update(per_week=500)


def test_the_database_keeps_one_open_fault_of_a_model() -> None:
    version: ModelVersion = live_model(now=NOW)
    version.faults.create(says="Why", noticed_at=NOW, scored_with="other")

    with pytest.raises(IntegrityError, match="one_open_fault_per_model"), transaction.atomic():
        version.faults.create(says="Why", noticed_at=NOW, scored_with="other")
    with pytest.raises(IntegrityError, match="a_fault_is_over_after"), transaction.atomic():
        version.faults.update(over_at=NOW - timedelta(days=1))


def test_a_coach_sees_those_in_their_care_only() -> None:
    coach: User = make_coach()
    mine = make_look(unsure(coach=coach))
    make_look(unsure(coach=make_coach()))

    assert list(SecondLook.objects.visible_to(coach, now=NOW)) == [mine]
