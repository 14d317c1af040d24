"""How long it takes to decide about everybody who is due.

    DATABASE_URL=postgres://…/bench REDIS_URL=… python -m tests.bench.deciding [--due 100000] [--workers 2]

Makes so many people with features, a risk and a watch that is due; one in three has trouble enough for a step. Then
worker processes evaluate in the stage's own batches, each committed, until nobody is due. Prints seconds and what
was decided. Its people stay in the database: use one of its own.
"""

import argparse
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

CHUNK = 5_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--due", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--now", help="for the workers that this starts")
    asked = parser.parse_args()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    if asked.now:
        _decide(datetime.fromisoformat(asked.now))
        return
    from django.db.models import Count

    from interventions.models import Decision, Watch

    now = datetime.now(UTC)
    _people(asked.due, now)
    began = time.perf_counter()
    workers = [
        subprocess.Popen([sys.executable, "-m", "tests.bench.deciding", "--now", now.isoformat()])
        for _ in range(asked.workers)
    ]
    if any(worker.wait() for worker in workers):
        raise SystemExit("A worker failed; what it said stands above.")
    seconds = time.perf_counter() - began
    left = Watch.objects.filter(review_at__lte=now).count()
    decided = Decision.objects.filter(at=now)
    told = dict(decided.order_by().values_list("action").annotate(number=Count("pk")))
    print(
        f"{decided.count():,} decided by {asked.workers} workers in {seconds:.1f} s, {left} left;"
        f" load {os.getloadavg()[0]:.1f}; {told}"
    )


def _decide(now: datetime) -> None:
    from interventions.evaluate import evaluate

    empty = 0
    while empty < 3:  # another worker may hold what is left for a moment
        if evaluate(now=now):
            empty = 0
        else:
            empty += 1
            time.sleep(0.05)


def _people(number: int, now: datetime) -> None:
    import uuid

    from django.db import connection, transaction

    from consent.models import Standing
    from consent.scopes import Scope
    from interventions.models import Watch
    from learners.models import Course, Enrolment, JobRole, Learner
    from signals.features.definitions import FEATURE_SET
    from signals.models import FeatureRow, Risk
    from signals.risk.live import live_model

    course = Course.objects.create(
        iri=f"https://bench.example.com/{uuid.uuid4()}", name="Bench", length_days=120
    )
    roles = [
        JobRole.objects.get_or_create(code=f"bench-{impact}", defaults={"name": impact, "impact": impact})[0]
        for impact in ("standard", "elevated", "critical")
    ]
    model, starts = live_model(now=now), now - timedelta(days=40)
    scopes = (Scope.RECORD, Scope.PROFILE, Scope.NUDGE, Scope.MANAGER, Scope.COACH)
    for first in range(0, number, CHUNK):
        size = min(CHUNK, number - first)
        with transaction.atomic():
            learners = Learner.objects.bulk_create(
                [Learner(job_role=roles[n % 3], email=f"n{first + n}@bench.example.com") for n in range(size)]
            )
            Standing.objects.bulk_create(
                [
                    Standing(subject=one.pk, scope=scope.value, allowed=True, since=starts)
                    for one in learners
                    for scope in scopes
                ]
            )
            rows = Enrolment.objects.bulk_create(
                [
                    Enrolment(learner=one, course=course, starts_on=starts.date(), enrolled_at=starts)
                    for one in learners
                ]
            )
            FeatureRow.objects.bulk_create(
                [
                    FeatureRow(
                        enrolment=row,
                        feature_set=FEATURE_SET,
                        as_of=now,
                        known_seq=1,
                        values=_features(n, now=now, starts=starts),
                    )
                    for n, row in enumerate(rows)
                ]
            )
            Risk.objects.bulk_create(
                [
                    Risk(
                        enrolment=row,
                        value=0.6 if n % 3 == 0 else 0.2,
                        coverage=1.0,
                        known_signals=3,
                        reasons=[],
                        model_version=model,
                        as_of=now,
                        known_seq=1,
                    )
                    for n, row in enumerate(rows)
                ]
            )
            Watch.objects.bulk_create([Watch(enrolment=row, review_at=now) for row in rows])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _features(n: int, *, now: datetime, starts: datetime) -> dict[str, object]:
    quiet = 10 if n % 3 == 0 else 1
    return {
        "days_inactive": quiet,
        "last_active_at": (now - timedelta(days=quiet)).isoformat(),
        "started_at": starts.isoformat(),
        "usual_gap_days": 2.0,
        "mastery": 0.5 if n % 3 == 0 else 0.8,
        "fail_rate": 0.2,
        "results": 4,
        **{f"amount_{number}": float(n % (number + 2)) for number in range(120)},
    }


if __name__ == "__main__":
    main()
