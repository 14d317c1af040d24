"""How long it takes to compute enrolments anew: rollups of their dirty days, mastery, features, risk and its reasons.

    python -m tests.bench.refresh --changed 1000 --events 300 [--answers 20] [--model learned] [--workers 2]

Makes people of its own on the database that DATABASE_URL names, each with a history of that many events, ten scores
and so many answers to questions, then marks two days of each as stale and times one refresh: how long it took, and how
much processor time we and PostgreSQL spent on it, which other work on the machine stretches less. PostgreSQL has to be
on this machine for that. A learned model is an additive one of all inputs, made up here; it becomes the live model of
the database. With more workers, that many processes claim the same work in the batches of the stage ("refresh"), as a
worker with that concurrency does; then the time is of all of them together.
"""

import argparse
import os
import subprocess
import sys
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path

DAYS = 60


def prepare(changed: int, events: int, answers: int, now: datetime) -> list[int]:
    """The ids of new enrolments with a history."""
    from django.db import connection

    from learners.models import Competency, CompetencyItem, Course, Enrolment, Learner, PlanStep
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
        if answers:
            items = [f"{course.iri}/question/{number}" for number in range(answers)]
            competencies = Competency.objects.bulk_create(
                [Competency(key=f"bench-{course.pk}-{number}", name="Bench") for number in range(4)]
            )
            CompetencyItem.objects.bulk_create(
                [
                    CompetencyItem(competency=competencies[number % 4], iri=iri, name="Question")
                    for number, iri in enumerate(items)
                ]
            )
            cursor.execute(
                """
                INSERT INTO signals_assessmentresult (statement_id, learner_id, enrolment_id, occurred_at, known_seq,
                                                      activity, scaled, success, is_item)
                SELECT gen_random_uuid(), e.learner_id, e.id, %s + n * interval '2 days', n, (%s::bigint[])[n],
                       NULL, (e.id + n) %% 3 > 0, true
                FROM learners_enrolment e, generate_series(1, %s) n WHERE e.id = ANY(%s)
                """,
                [starts, [activity_key(iri) for iri in items], answers, ids],
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


def go_live(model: str, now: datetime) -> None:
    """Makes the composite, or an additive model of all inputs, the one that scores."""
    import random

    import numpy as np

    from signals.features.definitions import INPUTS, VERSIONS
    from signals.models import ModelVersion
    from signals.risk.learned import Model, pack
    from signals.risk.live import live_model
    from signals.risk.parts import Linear

    composite = live_model(now=now)
    if model == "learned":
        draw = random.Random(7)
        keys = tuple(feature.key for feature in INPUTS)
        weights = np.array([[draw.uniform(-0.1, 0.1) for _ in keys] for _ in range(6)])
        nothing, ones = np.zeros(len(keys)), np.ones(len(keys))
        days = np.array([7.0, 14.0, 28.0, 56.0, 84.0, 112.0])
        part = Linear(ones, nothing, ones, 5.0, days, keys.index("day"), weights, np.zeros(6))
        made = Model("linear", keys, {key: VERSIONS[key] for key in keys}, (part,))
        composite = ModelVersion.objects.create(
            name=f"bench {uuid.uuid4()}", kind="linear", artefact=pack(made), parameters={}, created_at=now
        )
    ModelVersion.objects.filter(is_live=True).exclude(pk=composite.pk).update(is_live=False)
    ModelVersion.objects.filter(pk=composite.pk).update(is_live=True)


def _spent(backend: int) -> tuple[float, float, float]:
    """Seconds: by the clock, of this process, of PostgreSQL's process that serves it."""
    ran = Path(f"/proc/{backend}/schedstat").read_text().split()
    return time.perf_counter(), time.process_time(), int(ran[0]) / 1e9


def work() -> None:
    """A worker: waits until it is told to, then claims batches until nothing is left."""
    import django

    django.setup()
    from django.db import connection
    from django.utils import timezone

    from signals.features import serving
    from signals.features.refresh import refresh

    serving.warm()
    connection.ensure_connection()
    refresh(now=timezone.now(), limit=1)
    backend = connection.connection.info.backend_pid
    print("ready", flush=True)
    while sys.stdin.readline():
        before = _spent(backend)
        done = 0
        while made := refresh(now=timezone.now()):
            done += made
        after = _spent(backend)
        print(done, after[1] - before[1], after[2] - before[2], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--changed", type=int, default=1000, help="enrolments that changed")
    parser.add_argument("--events", type=int, default=300, help="events of each")
    parser.add_argument("--answers", type=int, default=0, help="answers to questions of each")
    parser.add_argument("--model", choices=("composite", "learned"), default="composite")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if options.work:
        return work()
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from signals.features.refresh import refresh
    from signals.models import EnrolmentMark

    call_command("migrate", verbosity=0)
    now = timezone.now()
    ids = prepare(options.changed, options.events, options.answers, now)
    go_live(options.model, now)
    started = time.perf_counter()
    assert refresh(now=now, limit=options.changed) == options.changed
    print(f"first, with {DAYS} days of each and compiling: {time.perf_counter() - started:6.2f} s")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE signals_dailyrollup, signals_featurerow, signals_risk")
    backend = connection.connection.info.backend_pid
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.refresh", "--work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(options.workers if options.workers > 1 else 0)
    ]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    for number in range(options.rounds):
        days = [(now - timedelta(days=back)).date() for back in (number + 1, number + 20)]
        EnrolmentMark.objects.filter(pk__in=ids).update(
            dirty_days=days, dirty_since=now - timedelta(days=400)
        )
        before = _spent(backend)
        if workers:
            told = []
            for worker in workers:
                assert worker.stdin is not None
                worker.stdin.write("go\n")
                worker.stdin.flush()
            for worker in workers:
                assert worker.stdout is not None
                told.append([float(one) for one in worker.stdout.readline().split()])
            wall = time.perf_counter() - before[0]
            done, ours, theirs = (sum(column) for column in zip(*told, strict=True))
        else:
            done = refresh(now=timezone.now(), limit=options.changed)
            wall, ours, theirs = (
                after - earlier for after, earlier in zip(_spent(backend), before, strict=True)
            )
        assert done >= options.changed
        print(
            f"{done:.0f} changed enrolments computed and scored: {wall:6.2f} s; processor time {ours:.2f} s ours,"
            f" {theirs:.2f} s PostgreSQL's; load {os.getloadavg()[0]:.1f}"
        )
    for worker in workers:
        worker.communicate()


if __name__ == "__main__":
    main()
