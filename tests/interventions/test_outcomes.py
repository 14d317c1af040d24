"""What came of a step: a learner was active again only by what they did themselves."""

from datetime import timedelta

import pytest

from interventions.models import Answer, Episode, Outcome
from interventions.outcomes import ACTIVE_7D, ANSWERED_72H, RECOVERED_14D, judge, measure
from learners.models import Enrolment
from signals.models import Label, Verb
from tests.support.interventions import NOW, make_attempt, make_contents, make_delivery
from tests.support.knowledge import make_event

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("verb", "active"), [(Verb.EXPERIENCED, 1.0), (Verb.WAS_RATED, 0.0), (Verb.MEASURED, 0.0)]
)
def test_it_does_not_take_what_others_say_for_the_learners_activity(verb: Verb, active: float) -> None:
    make_contents()
    attempt = make_attempt()
    make_event(attempt.decision.enrolment, NOW + timedelta(days=1), verb=verb)

    measure(now=attempt.reached_at + timedelta(days=8))

    assert Outcome.objects.get(measure=ACTIVE_7D).value == active


@pytest.mark.parametrize(("end", "value"), [("not_needed", None), ("settled", 0.0), ("recovered", 1.0)])
def test_it_does_not_take_a_wrong_flag_for_a_recovery_nor_for_the_want_of_one(
    end: str, value: float | None
) -> None:
    make_contents()
    attempt = make_attempt()
    Episode.objects.update(closed_at=NOW + timedelta(days=1), end=end)

    measure(now=attempt.reached_at + timedelta(days=15))

    assert Outcome.objects.get(measure=RECOVERED_14D).value == value
    assert Label.objects.get(definition="recovered_14d@1").value == (None if value is None else value == 1)


def test_it_counts_answers_for_a_response_and_no_openings() -> None:
    make_contents()
    opened, answered = make_attempt(), make_attempt()
    make_delivery(decision=opened.decision, state="sent", read_at=NOW)
    Answer.objects.create(decision=answered.decision, kind="not_now", at=NOW + timedelta(hours=1))

    measure(now=NOW + timedelta(days=4))

    found = dict(Outcome.objects.filter(measure=ANSWERED_72H).values_list("decision_id", "value"))
    assert found == {opened.decision_id: 0.0, answered.decision_id: 1.0}


@pytest.mark.parametrize(
    ("end", "state", "days", "value"),
    [
        ("course_ended", "completed", 3, 1.0),
        ("course_ended", "completed", 16, 0.0),
        ("course_ended", "failed", 3, 0.0),
        ("course_ended", "withdrawn", 3, None),
        ("consent", "active", 3, None),
        ("consent", "active", 16, 0.0),
        ("expired", "active", 3, 0.0),
    ],
)
def test_it_counts_a_completed_course_for_a_recovery_and_nothing_of_who_left(
    end: str, state: str, days: int, value: float | None
) -> None:
    """As it is counted for those whom nobody treated, or the two could not be compared."""
    make_contents()
    attempt = make_attempt()
    ended_at = NOW + timedelta(days=days)
    Episode.objects.update(closed_at=ended_at, end=end)
    if state != "active":
        Enrolment.objects.update(state=state, ended_at=ended_at)

    measure(now=attempt.reached_at + timedelta(days=17))

    assert Outcome.objects.get(measure=RECOVERED_14D).value == value
    assert Label.objects.get(definition="recovered_14d@1").value == (None if value is None else value == 1)


def test_a_step_helped_whoever_completed_the_course_in_its_window() -> None:
    make_contents()
    attempt = make_attempt()
    Episode.objects.update(closed_at=NOW + timedelta(days=1), end="course_ended")
    Enrolment.objects.update(state="completed", ended_at=NOW + timedelta(days=1))

    judge(now=attempt.window_ends_at)

    attempt.refresh_from_db()
    assert attempt.verdict == "improved"
