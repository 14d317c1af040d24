"""How long the preview of a draft takes on 100,000 recorded decisions, and how long on a time bound.

    bin/manage shell -c "import runpy; runpy.run_path('tests/bench/backtest.py', run_name='__main__')"

Writes 5,000 people with 20 evaluations each (drawn by hash) in a transaction, walks them once against the policy in
force and once against a draft with lower bounds, prints seconds and queries, and takes everything back.
"""

import os
import resource
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from interventions.backtest import run
from interventions.models import Decision
from interventions.policy import store
from interventions.policy.document import with_changes
from interventions.snapshot import Seen, Snapshot
from interventions.snapshot import store as stored
from learners.models import Course, Enrolment, JobRole, Learner, OrgUnit

PEOPLE = int(os.environ.get("PEOPLE", "5000"))
POINTS = 20
START = datetime(2020, 1, 6, 9, tzinfo=UTC)  # before anything real, so that nothing else is walked
STEP = timedelta(days=56) / POINTS


def main() -> None:
    with transaction.atomic():
        _people()
        policy = store.live()
        live = run.Side(policy.version, store.document(policy))
        bands = live.document.bands
        draft = run.Side(0, with_changes(live.document, {"bands.medium": bands.medium - 0.1}))
        span = run.Span(START - timedelta(days=1), START + timedelta(days=57))
        for name, reproduce in (("preview, draft beside live", False), ("command, reproducing too", True)):
            began = time.perf_counter()
            with CaptureQueriesContext(connection) as asked:
                found = run.backtest(span=span, base=live, other=draft, reproduce=reproduce)
            seconds = time.perf_counter() - began
            print(
                f"{name}: {found.told['points']:,} decisions in {seconds:.1f} s, {len(asked)} queries, "
                f"{[round(one['learner_alerts_per_week'], 1) for one in found.told['policies']]} alerts a week, "
                f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most"
            )
        until = time.perf_counter() + 3
        found = run.backtest(
            span=span, base=live, other=draft, reproduce=False, is_over=lambda: time.perf_counter() > until
        )
        print(
            f"stopped after 3 s: {found.told['people']:,} of {found.told['of_people']:,} people, "
            f"{[round(one['learner_alerts_per_week'], 1) for one in found.told['policies']]} alerts a week"
        )
        transaction.set_rollback(True)


def _people() -> None:
    units = [OrgUnit.objects.create(code=f"bench-{n}", name=f"Unit {n}") for n in range(10)]
    roles = [
        JobRole.objects.create(code=f"bench-{impact}", name=impact, impact=impact)
        for impact in ("standard", "elevated", "critical")
    ]
    course = Course.objects.create(iri="https://lms.example/courses/bench", name="Bench")
    learners = Learner.objects.bulk_create(
        [Learner(unit=units[n % 10], job_role=roles[n % 3]) for n in range(PEOPLE)]
    )
    enrolments = Enrolment.objects.bulk_create(
        [
            Enrolment(learner=learner, course=course, starts_on=START.date(), enrolled_at=START)
            for learner in learners
        ]
    )
    policy = store.live()
    reasons = [
        {"feature": f"feature_{n}", "value": 0.1, "weight": 0.2, "signal": "activity"} for n in range(8)
    ]
    for first in range(0, PEOPLE, 500):
        Decision.objects.bulk_create(
            [
                Decision(
                    enrolment=enrolment,
                    policy=policy,
                    action="monitor",
                    reasons=["no_trigger"],
                    snapshot={**stored(_snapshot(enrolment, learner, n)), "reasons": reasons},
                    known_seq=n,
                    at=START + n * STEP,
                )
                for enrolment, learner in zip(
                    enrolments[first : first + 500], learners[first : first + 500], strict=True
                )
                for n in range(POINTS)
            ]
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE interventions_decision")


def _snapshot(enrolment: Enrolment, learner: Learner, n: int) -> Snapshot:
    draw = sha256(f"{enrolment.pk}:{n}".encode()).digest()
    now = START + n * STEP
    assert learner.job_role is not None
    return Snapshot(
        now=now,
        policy_version=1,
        enrolment_id=enrolment.pk,
        learner_id=learner.pk,
        known_seq=n,
        active=True,
        in_pilot=True,
        impact=learner.job_role.impact,
        scopes=("record", "profile", "nudge", "manager", "coach"),
        reachable=True,
        seen=Seen(
            started_at=START - timedelta(days=10),
            last_active_at=now - timedelta(days=draw[0] % 12),
            usual_gap_days=1 + draw[1] % 3,
            mastery=draw[2] / 255,
            fail_rate=draw[3] / 255,
        ),
        risk=draw[4] / 255,
        coverage=0.9,
        known_signals=3,
        model="composite-1",
        risk_as_of=now,
    )


if __name__ == "__main__":
    main()
