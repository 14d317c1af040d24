"""Features: what they mean, that they respect time and consent, and what a batch of them costs."""

from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from learners.models import Enrolment, PlanStep
from signals.features.refresh import refresh, refresh_enrolments
from signals.models import EnrolmentMark, Event, FeatureRow, Risk, RiskChange, Verb
from signals.xapi.keys import activity_key
from tests.support.knowledge import day, enrolled, features_of, make_event, make_result
from tests.support.signals import make_credential, send, statement

pytestmark = pytest.mark.django_db


def add_step(enrolment: Enrolment, number: int, *, due_day: int) -> int:
    """A step of the plan; returns the key under which events hold its activity."""
    iri = f"https://lms.example.com/step/{number}"
    PlanStep.objects.create(course=enrolment.course, activity_iri=iri, name=f"Step {number}", due_day=due_day)
    return activity_key(iri)


def test_it_counts_inactivity_from_the_last_activity() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(4))

    values = features_of(enrolment, now=day(10))

    assert values["days_inactive"] == pytest.approx(6)
    assert values["last_active_at"] == "2026-01-09T00:00:00+00:00"
    assert values["started_at"] == "2026-01-05T00:00:00+00:00"


def test_it_counts_inactivity_from_the_start_for_somebody_who_never_came() -> None:
    assert features_of(enrolled(), now=day(10))["days_inactive"] == pytest.approx(10)


def test_it_knows_no_inactivity_before_the_start() -> None:
    values = features_of(enrolled(), now=day(-3))

    assert values["days_inactive"] is None
    assert values["started_at"] is not None


def test_it_does_not_hold_time_before_the_start_against_anybody() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(-20))

    assert features_of(enrolment, now=day(1))["days_inactive"] == pytest.approx(1)


def test_it_takes_the_mean_of_the_last_five_scores() -> None:
    enrolment = enrolled()
    for number, scaled in enumerate([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]):
        make_result(enrolment, day(number), scaled=scaled)
    make_result(enrolment, day(7), success=True)

    values = features_of(enrolment, now=day(10))

    assert values["mastery"] == pytest.approx(0.6)
    assert values["results"] == 7
    assert values["fail_rate"] == pytest.approx(2 / 7)


def test_it_knows_no_mastery_without_a_score() -> None:
    values = features_of(enrolled(), now=day(10))

    assert (values["mastery"], values["fail_rate"], values["pace"], values["usual_gap_days"]) == (None,) * 4
    assert (values["results"], values["failures_in_a_row"], values["amount_7"]) == (0, 0, 0)


def test_it_counts_single_answers_only_where_there_is_no_whole_assessment() -> None:
    enrolment = enrolled()
    make_result(enrolment, day(1), scaled=0.0, is_item=True)
    assert features_of(enrolment, now=day(2))["mastery"] == 0

    make_result(enrolment, day(2), scaled=0.9)
    assert features_of(enrolment, now=day(3))["mastery"] == pytest.approx(0.9)


def test_it_counts_failures_in_a_row_from_the_latest_back() -> None:
    enrolment = enrolled()
    for number, scaled in enumerate([0.1, 0.9, 0.2, 0.3]):
        make_result(enrolment, day(number), scaled=scaled)

    assert features_of(enrolment, now=day(10))["failures_in_a_row"] == 2


def test_it_takes_the_median_gap_only_from_three_gaps_on() -> None:
    enrolment = enrolled()
    for number in (0, 1, 3):
        make_event(enrolment, day(number))
    assert features_of(enrolment, now=day(10))["usual_gap_days"] is None

    make_event(enrolment, day(9))
    assert features_of(enrolment, now=day(10))["usual_gap_days"] == 2


def test_it_counts_recent_days_and_amounts() -> None:
    enrolment = enrolled()
    for number, amount in ((0, 100), (10, 10), (30, 5), (36.5, 3)):
        make_event(enrolment, day(number), amount=amount)

    values = features_of(enrolment, now=day(36.6))

    assert (values["amount_7"], values["amount_30"], values["active_days_14"]) == (8, 18, 2)


def test_it_compares_what_is_done_with_the_plan() -> None:
    enrolment = enrolled()
    steps = [add_step(enrolment, number, due_day=due) for number, due in enumerate((2, 4, 6, 20, 30))]
    make_result(enrolment, day(1), scaled=0.9, activity=steps[0])
    make_event(enrolment, day(8), verb=Verb.COMPLETED, activity=steps[1])

    values = features_of(enrolment, now=day(10))

    assert (values["late"], values["missing"]) == (1, 1)
    assert values["pace"] == pytest.approx(2 / 3)
    assert values["next_due_at"] == "2026-01-25T23:59:59+00:00"


def test_it_takes_the_end_of_the_course_as_due_where_there_is_no_plan() -> None:
    enrolment = enrolled()
    Enrolment.objects.filter(pk=enrolment.pk).update(due_on=date(2026, 2, 1))

    assert features_of(enrolment, now=day(1))["next_due_at"] == "2026-02-01T23:59:59+00:00"


def test_it_takes_a_clock_a_little_ahead_for_now() -> None:
    enrolment = enrolled()
    make_result(enrolment, day(5) + timedelta(minutes=9), scaled=0.5)

    values = features_of(enrolment, now=day(5))

    assert (values["mastery"], values["days_inactive"]) == (0.5, 0)


def test_statements_give_the_same_features_in_any_order_and_however_late() -> None:
    statements = [
        statement(
            "experienced", f"https://lms.example.com/page/{number % 3}", at=day(number / 2), count=number + 1
        )
        for number in range(12)
    ] + [
        statement("scored", f"https://lms.example.com/quiz/{number}", at=day(number), scaled=0.2 * number)
        for number in range(5)
    ]
    values = []
    for name, order in (("person-0001", 0), ("person-0002", 1), ("person-0003", 2)):
        enrolment = enrolled(name)
        credential = make_credential("all", name=f"lms {name}").credential
        own = [
            {
                **item,
                "id": f"{order:08d}{item['id'][8:]}",
                "actor": {"account": {**item["actor"]["account"], "name": name}},
            }
            for item in statements
        ]
        Random(order).shuffle(own) if order else None
        for at, batch in ((day(6), own[: 5 + order]), (day(7), own[5 + order :])):
            send(*batch, credential=credential, now=at)
            refresh(now=at)
        values.append(features_of(enrolment, now=day(8)))
        refresh_enrolments([enrolment.pk], now=day(8))
        values[-1] = FeatureRow.objects.get(pk=enrolment.pk).values

    assert values[0] == values[1] == values[2]
    assert values[0]["results"] == 5


def test_it_takes_back_what_a_voided_statement_said() -> None:
    enrolment = enrolled()
    credential = make_credential().credential
    wrong = statement("scored", at=day(1), scaled=0.0)
    send(wrong, credential=credential, now=day(1))
    assert features_of(enrolment, now=day(2))["mastery"] == 0

    voiding = {
        **statement("http://adlnet.gov/expapi/verbs/voided", course=None),
        "object": {"objectType": "StatementRef", "id": wrong["id"]},
    }
    send(voiding, credential=credential, now=day(2))

    assert features_of(enrolment, now=day(3))["mastery"] is None


def test_it_works_only_on_what_changed() -> None:
    first, second = enrolled("person-0001"), enrolled("person-0002")
    assert refresh(now=day(1)) == 2
    assert refresh(now=day(1)) == 0

    make_event(first, day(2))

    assert refresh(now=day(3)) == 1
    assert FeatureRow.objects.get(pk=first.pk).as_of == day(3)
    assert FeatureRow.objects.get(pk=second.pk).as_of == day(1)


def test_it_claims_the_longest_waiting_first() -> None:
    first, second = enrolled("person-0001"), enrolled("person-0002")
    EnrolmentMark.objects.filter(pk=first.pk).update(dirty_since=day(2))
    EnrolmentMark.objects.filter(pk=second.pk).update(dirty_since=day(1))

    refresh(now=day(3), limit=1)

    assert list(FeatureRow.objects.values_list("pk", flat=True)) == [second.pk]


def test_it_remembers_how_much_was_known() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))
    make_event(enrolment, day(2))

    refresh(now=day(3))

    assert FeatureRow.objects.get(pk=enrolment.pk).known_seq == 2
    assert Risk.objects.get(pk=enrolment.pk).known_seq == 2


@pytest.mark.slow
def test_a_batch_costs_the_same_number_of_queries_whatever_its_size() -> None:
    def queries_for(names: list[str]) -> int:
        for name in names:
            make_result(enrolled(name), day(1), scaled=0.5)
        with CaptureQueriesContext(connection) as context:
            assert refresh(now=day(2)) == len(names)
        return len(context)

    queries_for(["person-0000"])  # makes the model version
    few = queries_for([f"person-{number:04d}" for number in range(1, 3)])
    many = queries_for([f"person-{number:04d}" for number in range(10, 30)])

    assert few == many


def test_it_computes_nothing_for_somebody_who_refused() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))
    record.withdraw(subject=enrolment.learner_id, scope=Scope.PROFILE, by=SYSTEM, now=day(1))

    refresh(now=day(2))

    assert not FeatureRow.objects.exists()
    assert not Risk.objects.exists()
    assert refresh(now=day(2)) == 0


def test_it_catches_up_when_somebody_agrees_again() -> None:
    enrolment = enrolled()
    record.withdraw(subject=enrolment.learner_id, scope=Scope.PROFILE, by=SYSTEM, now=day(1))
    make_event(enrolment, day(2))
    refresh(now=day(3))

    record.grant(subject=enrolment.learner_id, scope=Scope.PROFILE, by=SYSTEM, now=day(4))

    assert features_of(enrolment, now=day(5))["days_inactive"] == pytest.approx(3)


def test_it_has_no_risk_for_an_enrolment_that_ended() -> None:
    enrolment = enrolled()
    refresh(now=day(1))
    assert Risk.objects.exists()
    Enrolment.objects.filter(pk=enrolment.pk).update(state="completed", ended_at=day(2))

    refresh(now=day(3))

    assert not Risk.objects.exists()
    assert FeatureRow.objects.exists()


def test_it_looks_again_when_time_alone_has_changed_something() -> None:
    enrolment = enrolled()
    make_result(enrolment, day(1), scaled=0.5)
    refresh(now=day(2))
    before = Risk.objects.get(pk=enrolment.pk)
    assert before.review_at is not None
    assert refresh(now=before.review_at - timedelta(seconds=1)) == 0

    assert refresh(now=before.review_at) == 1

    after = Risk.objects.get(pk=enrolment.pk)
    assert before.value is not None and after.value is not None
    assert after.value - before.value == pytest.approx(0.05)
    assert after.unread_since == before.review_at
    assert RiskChange.objects.filter(enrolment=enrolment).count() == 2


def test_it_looks_again_on_the_day_an_enrolment_starts() -> None:
    enrolment = enrolled()

    refresh(now=day(-3))

    assert Risk.objects.get(pk=enrolment.pk).review_at == datetime(2026, 1, 5, tzinfo=UTC)


def test_it_reads_events_of_their_own_enrolment_only() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))
    Event.objects.update(enrolment_id=None)

    assert features_of(enrolment, now=day(2))["last_active_at"] is None


def test_it_refreshes_what_it_is_asked_for() -> None:
    first, second = enrolled("person-0001"), enrolled("person-0002")
    refresh(now=day(1))

    assert refresh_enrolments([second.pk], now=day(2)) == 1

    assert FeatureRow.objects.get(pk=first.pk).as_of == day(1)
    assert FeatureRow.objects.get(pk=second.pk).as_of == day(2)
