"""How many mails a second go out: claimed, checked again, handed to a real SMTP server, and told to the record.

    DATABASE_URL=postgres://…/bench REDIS_URL=… python -m tests.bench.delivery --mails 2000 --workers 2

Makes so many learners with one due mail each, and starts so many worker processes that run the delivering stage until
nothing is due. The server listens on 127.0.0.1 in a process of its own and keeps nothing. At the end every mail must
have gone out exactly once. Run it on a database of its own: it fills it.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.mail import smtp_server

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)  # a Monday, outside quiet hours


def serve(port: Any, stop: Any, counted: Any) -> None:
    """The mail server; at the end tells how often each message came."""
    import logging

    logging.disable(logging.INFO)
    with smtp_server() as mailbox:
        port.put(mailbox.port)
        stop.wait()
        counted.put(Counter(str(mail["Message-ID"]) for mail in mailbox.messages))


def set_up(mails: int) -> None:
    """A learner, an enrolment, an open episode, a decision, its slot and a due mail, so many times."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
    from django.db.models import Q

    from interventions import limits
    from interventions.models import AlertSlot, Decision, Delivery, Episode
    from interventions.policy import store
    from learners.models import Course, Enrolment, Learner

    call_command("migrate", verbosity=0)
    Delivery.objects.filter(Q(state="queued") | Q(state="sending")).update(state="cancelled")
    policy, run = store.live(), uuid.uuid4().hex[:8]
    course = Course.objects.create(iri=f"https://bench.example.com/course/{run}", name="Delivery")
    learners = Learner.objects.bulk_create(
        [Learner(name=f"Person {n}", email=f"person-{run}-{n}@bench.example.com") for n in range(mails)]
    )
    enrolments = Enrolment.objects.bulk_create(
        [
            Enrolment(
                learner=one,
                course=course,
                starts_on=(NOW - timedelta(days=60)).date(),
                enrolled_at=NOW - timedelta(days=60),
            )
            for one in learners
        ]
    )
    episodes = Episode.objects.bulk_create(
        [
            Episode(enrolment=one, triggers=["inactivity"], ladder="normal", opened_at=NOW, signal_at=NOW)
            for one in enrolments
        ]
    )
    decisions = Decision.objects.bulk_create(
        [
            Decision(
                enrolment=one.enrolment,
                episode=one,
                step=0,
                policy=policy,
                action="nudge",
                reasons=[],
                snapshot={},
                known_seq=0,
                at=NOW,
            )
            for one in episodes
        ]
    )
    AlertSlot.objects.bulk_create(
        [
            AlertSlot(
                kind="learner",
                learner=one.enrolment.learner,
                holder=limits.holder("learner", one.enrolment.learner_id),
                place=1,
                during=DateTimeTZRange(NOW, NOW + timedelta(hours=168)),
                decision=one,
            )
            for one in decisions
        ]
    )
    Delivery.objects.bulk_create(
        [
            Delivery(
                decision=one,
                learner=one.enrolment.learner,
                channel="email",
                subject="Pick up where you left",
                body="Ten minutes are enough.",
                due_at=NOW,
                expires_at=NOW + timedelta(hours=72),
            )
            for one in decisions
        ]
    )


def work(ready: Any, begin: Any) -> None:
    """Delivers until nothing is due, as a worker does."""
    import django

    django.setup()
    from interventions import deliver

    deliver.deliver(now=NOW - timedelta(days=1))  # nothing is due: everything is imported and connected
    ready.put(1)
    begin.wait()
    while deliver.deliver(now=NOW):
        pass


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--at-least", type=float, default=100.0, help="mails a second")
    options = parser.parse_args(arguments)
    context = multiprocessing.get_context("spawn")
    port, counted, ready = context.Queue(), context.Queue(), context.Queue()
    stop, begin = context.Event(), context.Event()
    server = context.Process(target=serve, args=(port, stop, counted))
    server.start()
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["EMAIL_URL"] = f"smtp://127.0.0.1:{port.get(timeout=30)}"
    set_up(options.mails)
    workers = [context.Process(target=work, args=(ready, begin)) for _ in range(options.workers)]
    for one in workers:
        one.start()
    for _ in workers:
        ready.get(timeout=60)
    begun = time.monotonic()
    begin.set()
    for one in workers:
        one.join(180)
    seconds = time.monotonic() - begun
    stop.set()
    came: Counter[str] = counted.get(timeout=60)
    server.join(10)
    told = {
        "mails": options.mails,
        "workers": options.workers,
        "seconds": round(seconds, 2),
        "mails_a_second": round(options.mails / seconds, 1),
        "arrived": len(came),
        "twice": sum(number > 1 for number in came.values()),
    }
    print(json.dumps(told))
    is_good = told["arrived"] == options.mails and not told["twice"]
    return 0 if is_good and options.mails / seconds >= options.at_least else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
