"""How soon a new policy counts in every worker: from the commit that puts it in force to the first decision by it.

    DATABASE_URL=postgres://…/bench REDIS_URL=… python -m tests.bench.policy_change [--workers 4] [--changes 20]

Each worker process decides about a person of its own, again and again, as evaluate does. The policy is changed so many
times; each time every worker must decide by the new version before the next change. Use a database of its own.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from typing import Any


def main() -> int:
    parser = argparse.ArgumentParser(description="A policy change and the workers.")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--at-most", type=float, default=2.0, help="seconds until the last worker")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    enrolments = _people(options.workers)
    context = multiprocessing.get_context("spawn")
    seen, stop = context.Queue(), context.Event()
    workers = [context.Process(target=work, args=(pk, seen, stop)) for pk in enrolments]
    for one in workers:
        one.start()
    try:
        for _ in workers:  # each has decided by the policy that is in force now
            seen.get(timeout=60)
        took = [_change(seen, options.workers) for _ in range(options.changes)]
    finally:
        stop.set()
        for one in workers:
            one.join(10)
    told = {
        "workers": options.workers,
        "changes": options.changes,
        "median_s": round(sorted(took)[len(took) // 2], 3),
        "longest_s": round(max(took), 3),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(told))
    return 0 if max(took) <= options.at_most else 1


def work(enrolment_id: int, seen: Any, stop: Any) -> None:
    """Decides again and again; says the version of each policy it meets, once."""
    import django

    django.setup()
    from django.db import transaction
    from django.utils import timezone

    from interventions.evaluate import evaluate_enrolments

    latest = 0
    while not stop.is_set():
        with transaction.atomic():
            (decision,) = evaluate_enrolments([enrolment_id], now=timezone.now())
        if decision.policy.version != latest:
            latest = decision.policy.version
            seen.put((latest, time.time()))
        time.sleep(0.02)


def _people(number: int) -> list[int]:
    from django.core.management import call_command

    from interventions.models import Watch
    from tests.support.coaching import make_circle

    call_command("migrate", verbosity=0)
    enrolments = [make_circle().enrolment.pk for _ in range(number)]
    Watch.objects.bulk_create([Watch(pk=pk) for pk in enrolments], ignore_conflicts=True)
    return enrolments


def _change(seen: Any, workers: int) -> float:
    """Puts the same policy in force again as a new version; seconds until every worker has decided by it."""
    from django.utils import timezone

    from interventions.models import Policy
    from interventions.policy import store

    live = store.live()
    last = Policy.objects.order_by("-version")[0].version
    draft = Policy.objects.create(
        version=last + 1, document=live.document, state="draft", created_at=timezone.now()
    )
    store.go_live(policy=draft, by=None, now=timezone.now(), reason="Measured by a bench")
    committed, latest = time.time(), 0.0
    for _ in range(workers):
        version, at = seen.get(timeout=60)
        if version != draft.version:
            raise SystemExit(f"A worker decided by policy {version} after {draft.version} was in force.")
        latest = max(latest, at)
    return latest - committed


if __name__ == "__main__":
    sys.exit(main())
