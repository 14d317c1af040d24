"""How long it takes to compute enrolments anew: rollups of their dirty days, features and risk, in one transaction.

    python -m tests.bench.refresh --changed 1000 --events 300

Makes people of its own on the database that DATABASE_URL names, each with a history of that many events and ten
scores, then marks two days of each as stale and times one refresh. The first refresh of a process also compiles
the features; both times are printed.
"""

import argparse
import os
import time
import uuid
from datetime import datetime, timedelta

DAYS = 60


def prepare(changed: int, events: int, now: datetime) -> list[int]:
    """The ids of new enrolments with a history."""
    from django.db import connection

    from learners.models import Course, Enrolment, Learner, PlanStep
    from signals import partitions
    from signals.xapi.keys import activity_key

    course = Course.objects.create(iri=f"https://bench.example.com/{uuid.uuid4()}", name="Bench")
    iris = [f"{course.iri}/step/{number}" for number in range(10)]
    PlanStep.objects.bulk_create(
        [
            PlanStep(course=course, activity_iri=iri, name="Step", due_day=6 * number)
            for number, iri in enumerate(iris)
        ]
    )
    learners = Learner.objects.bulk_create([Learner() for _ in range(changed)])
    starts = now - timedelta(days=DAYS)
    enrolments = Enrolment.objects.bulk_create(
        [
            Enrolment(learner=learner, course=course, starts_on=starts.date(), enrolled_at=starts)
            for learner in learners
        ]
    )
    partitions.ensure({partitions.month_of(starts + timedelta(days=number)) for number in range(DAYS + 1)})
    ids = [enrolment.pk for enrolment in enrolments]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO signals_event (occurred_at, statement_id, learner_id, enrolment_id, known_at, known_seq, verb,
                                       activity, amount)
            SELECT at, gen_random_uuid(), e.learner_id, e.id, at, n, 3, n %% 40, 1 + n %% 5
            FROM learners_enrolment e, generate_series(1, %s) n,
                 LATERAL (SELECT %s + (e.id %% 997 + n * 3600 * 24.0 * %s / %s) * interval '1 second' AS at) t
            WHERE e.id = ANY(%s)
            """,
            [events, starts, DAYS - 1, events, ids],
        )
        cursor.execute(
            """
            INSERT INTO signals_assessmentresult (statement_id, learner_id, enrolment_id, occurred_at, known_seq,
                                                  activity, scaled, success, is_item)
            SELECT gen_random_uuid(), e.learner_id, e.id, %s + n * interval '5 days', n, (%s::bigint[])[n],
                   ((e.id + n) %% 10) / 10.0, NULL, false
            FROM learners_enrolment e, generate_series(1, 10) n WHERE e.id = ANY(%s)
            """,
            [starts, [activity_key(iri) for iri in iris], ids],
        )
        cursor.execute(
            """
            UPDATE signals_enrolmentmark SET known_seq = %s, dirty_since = %s, dirty_days =
                ARRAY(SELECT (%s::date + n) FROM generate_series(0, %s) n)
            WHERE enrolment_id = ANY(%s)
            """,
            [events, now - timedelta(days=400), starts.date(), DAYS, ids],
        )
        cursor.execute(
            "ANALYZE signals_event, signals_assessmentresult, learners_enrolment, signals_enrolmentmark"
        )
    return ids


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--changed", type=int, default=1000, help="enrolments that changed")
    parser.add_argument("--events", type=int, default=300, help="events of each")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from signals.features.refresh import refresh
    from signals.models import EnrolmentMark

    call_command("migrate", verbosity=0)
    now = timezone.now()
    ids = prepare(options.changed, options.events, now)
    started = time.perf_counter()
    assert refresh(now=now, limit=options.changed) == options.changed
    print(f"first, with {DAYS} days of each and compiling: {time.perf_counter() - started:6.2f} s")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE signals_dailyrollup")
    for number in range(options.rounds):
        days = [(now - timedelta(days=back)).date() for back in (number + 1, number + 20)]
        EnrolmentMark.objects.filter(pk__in=ids).update(
            dirty_days=days, dirty_since=now - timedelta(days=400)
        )
        started = time.perf_counter()
        assert refresh(now=now, limit=options.changed) == options.changed
        seconds = time.perf_counter() - started
        print(f"{options.changed} changed enrolments computed and scored:  {seconds:6.2f} s")


if __name__ == "__main__":
    main()
