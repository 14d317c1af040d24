"""What a snapshot reads beside computed features: as of now, in as many queries for many as for one."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from interventions.models import Decision
from interventions.policy.document import Document
from interventions.situation import snapshots
from interventions.snapshot import Snapshot
from learners.models import Enrolment, PlanStep
from signals.features.refresh import refresh
from signals.models import RiskChange, Verb
from signals.risk.live import live_model
from tests.support.interventions import make_enrolment, make_episode, make_rule
from tests.support.knowledge import START, day, enrolled, make_event, make_result

pytestmark = pytest.mark.django_db


def seen(enrolment: Enrolment, at: float) -> Snapshot:
    return snapshots([enrolment.pk], policy=Document(), policy_version=1, now=day(at))[enrolment.pk]


def test_it_reads_the_plan_as_of_now_and_not_as_of_the_last_event() -> None:
    enrolment = enrolled()
    PlanStep.objects.bulk_create(
        [
            PlanStep(course=enrolment.course, activity_iri=f"urn:step:{due}", name="Step", due_day=due)
            for due in (2, 4, 30)
        ]
    )
    make_event(enrolment, day(1))
    refresh(now=day(1.5))

    first, later = seen(enrolment, 1.6).seen, seen(enrolment, 6).seen

    assert (first.steps, first.steps_done, first.steps_due) == (3, 0, 0)
    assert (later.steps, later.steps_done, later.steps_due) == (3, 0, 2)
    assert later.next_step_due_at == START + timedelta(days=31) - timedelta(seconds=1)


def test_it_keeps_the_days_somebody_was_active() -> None:
    enrolment = enrolled()
    for number in (1, 3):
        make_event(enrolment, day(number))
    refresh(now=day(4))

    assert seen(enrolment, 4).seen.active_days == 0b1010
    assert seen(enrolment, 5).seen.active_days == 0b10100


def test_it_knows_nothing_of_somebody_of_whom_nothing_was_computed() -> None:
    known = seen(enrolled(), 9).seen

    assert (known.active_days, known.steps, known.open_concepts, known.video_share) == (
        None,
        None,
        None,
        None,
    )


def test_it_knows_the_video_left_last_and_forgets_one_that_was_finished() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1), verb=Verb.PROGRESSED, activity=7, progress=0.3)
    make_event(enrolment, day(2), verb=Verb.PROGRESSED, activity=8, progress=0.4)
    make_event(enrolment, day(3), verb=Verb.PROGRESSED, activity=8, progress=1.0)

    known = seen(enrolment, 4).seen

    assert (known.video_share, known.video_at) == (0.3, day(1))


def test_it_counts_failures_that_are_still_open() -> None:
    enrolment = enrolled()
    for number in (1, 2):
        make_result(enrolment, day(number), success=False, activity=5)
    refresh(now=day(3))

    known = seen(enrolment, 3).seen

    assert (known.open_concepts, known.repeated_failures, known.failures_in_a_row) == (1, 2, 2)
    assert known.last_result_at == day(2)


def test_it_remembers_how_the_last_episode_of_a_trigger_ended_and_how_far_the_risk_fell_since() -> None:
    enrolment = enrolled()
    make_episode(
        enrolment=enrolment, triggers=["composite"], opened_at=day(1), closed_at=day(5), end="expired"
    )
    model = live_model(now=day(5))
    for at, after in ((4, 0.1), (6, 0.38), (7, 0.6)):
        RiskChange.objects.create(
            enrolment=enrolment, before=0.5, after=after, model_version=model, at=day(at)
        )

    (past,) = seen(enrolment, 8).past

    assert (past.trigger, past.end, past.closed_at, past.eased) == ("composite", "expired", day(5), 0.38)


def test_it_asks_as_often_for_many_as_for_one() -> None:
    make_rule(key="alone", acts_alone=True)
    enrolments = [make_enrolment() for _ in range(6)]
    for enrolment in enrolments:
        make_event(enrolment, day(1))
        make_episode(enrolment=enrolment, closed_at=day(1), end="expired")
    refresh(now=day(2))

    counts = []
    for batch in (enrolments[:1], enrolments):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            snapshots([one.pk for one in batch], policy=Document(), policy_version=1, now=day(3))
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert not Decision.objects.exists()
