"""How soon a statement shows in somebody's risk, while a steady stream of them arrives.

    DATABASE_URL=postgres://…/bench REDIS_URL=… python -m tests.bench.freshness --rate 200 --seconds 60

Starts gunicorn, a Celery worker and its beat, and posts so many statements a second about 500 people over HTTP. A
statement is visible once its enrolment's risk was computed from at least as much as was known with it. Counted from
before it was posted; looked at ten times a second. Run it on a database of its own: it fills it.
"""

import argparse
import http.client
import json
import os
import random
import sys
import threading
import time
import uuid
from typing import Any

from tests.bench.conformance import free_port
from tests.bench.crash import Server

COURSE = f"https://bench.example.com/course/{uuid.uuid4()}"
PEOPLE = 500
BATCH = 5
CLIENTS = 4


def prepare() -> tuple[str, list[int]]:
    """The Authorization header of a credential, and the enrolments of a course made for this."""
    import base64

    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from learners.identity import canonical_identifier, identifier_hash
    from learners.models import Course, Enrolment, Identifier, Learner
    from signals.xapi import credentials

    call_command("migrate", verbosity=0)
    now = timezone.now()
    course = Course.objects.create(iri=COURSE, name="Freshness")
    ids = []
    for number in range(PEOPLE):
        learner = Learner.objects.create()
        canonical = canonical_identifier(_agent(number)) or ""
        Identifier.objects.create(
            learner=learner, kind="account", hash=identifier_hash(canonical), value=canonical
        )
        ids.append(
            Enrolment.objects.create(learner=learner, course=course, starts_on=now.date(), enrolled_at=now).pk
        )
    made = credentials.create(name=f"freshness {uuid.uuid4()}", permissions=["write"], now=now)
    return "Basic " + base64.b64encode(f"{made.key}:{made.secret}".encode()).decode(), ids


def _agent(number: int) -> dict[str, Any]:
    return {"account": {"homePage": f"{COURSE}/people", "name": f"person-{number:08d}"}}


def _statement(draw: random.Random) -> dict[str, Any]:
    return {
        "id": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
        "actor": _agent(draw.randrange(PEOPLE)),
        "verb": {"id": "http://adlnet.gov/expapi/verbs/experienced"},
        "object": {"id": f"{COURSE}/page/{draw.randrange(40)}"},
        "context": {"contextActivities": {"parent": [{"id": COURSE}]}},
    }


class Client(threading.Thread):
    """Posts its part of the stream at its pace, and notes when it began to post each statement."""

    def __init__(self, number: int, port: int, authorization: str, rate: float, until: float) -> None:
        super().__init__()
        self.draw, self.port, self.until = random.Random(number), port, until
        self.pause = BATCH / rate
        self.headers = {
            "Authorization": authorization,
            "X-Experience-API-Version": "1.0.3",
            "Content-Type": "application/json",
        }
        self.posted: dict[str, float] = {}
        self.late = 0

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        due = time.monotonic()
        while (began := time.monotonic()) < self.until:
            statements = [_statement(self.draw) for _ in range(BATCH)]
            connection.request("POST", "/xapi/statements", json.dumps(statements), self.headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                self.posted |= {row["id"]: began for row in statements}
            due += self.pause
            self.late += time.monotonic() > due
            time.sleep(max(0.0, due - time.monotonic()))
        connection.close()


def watch(ids: list[int], seen: dict[int, list[tuple[float, int]]], is_over: threading.Event) -> None:
    """Notes when each enrolment's risk came to know how much."""
    from django.db import connection

    known = dict.fromkeys(ids, -1)
    while not is_over.wait(0.1):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT enrolment_id, known_seq FROM signals_risk WHERE enrolment_id = ANY(%s)", [ids]
            )
            now = time.monotonic()
            for enrolment, number in cursor.fetchall():
                if number > known[enrolment]:
                    known[enrolment] = number
                    seen.setdefault(enrolment, []).append((now, number))
    connection.close()


def waits(posted: dict[str, float], seen: dict[int, list[tuple[float, int]]], ids: list[int]) -> list[float]:
    """Seconds from posting to being visible, of each statement; for ever where it never was."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT statement_id::text, enrolment_id, known_seq FROM signals_event WHERE enrolment_id = ANY(%s)",
            [ids],
        )
        return sorted(
            next((at for at, known in seen.get(enrolment, []) if known >= number), float("inf")) - posted[key]
            for key, enrolment, number in cursor.fetchall()
            if key in posted
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=200, help="statements a second")
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    authorization, ids = prepare()
    port = free_port()
    celery = [sys.executable, "-m", "celery", "-A", "config", "worker", "--beat", "--concurrency", "1"]
    celery += ["-Q", "path,delivery,upkeep", "--schedule", f"/tmp/beat-{uuid.uuid4().hex}"]
    gunicorn = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"]
    gunicorn += ["--workers", "2", "--threads", "4", "--worker-class", "gthread"]
    environment = dict(os.environ)
    servers = [Server(celery, environment), Server(gunicorn, environment)]
    seen: dict[int, list[tuple[float, int]]] = {}
    is_over = threading.Event()
    watcher = threading.Thread(target=watch, args=(ids, seen, is_over))
    try:
        time.sleep(20)  # both are up, and the features compiled
        watcher.start()
        until = time.monotonic() + options.seconds
        clients = [
            Client(number, port, authorization, options.rate / CLIENTS, until) for number in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        time.sleep(10)
    finally:
        is_over.set()
        for server in servers:
            server.stop()
    watcher.join()
    posted = {key: at for client in clients for key, at in client.posted.items()}
    found = waits(posted, seen, ids)
    late = sum(client.late for client in clients)
    print(f"{len(posted)} statements, {len(posted) / options.seconds:.0f}/s, {late} posts behind their time")
    print(
        "event to risk, seconds: "
        + ", ".join(
            f"p{share} {found[min(len(found) - 1, len(found) * share // 100)]:.2f}" for share in (50, 95, 99)
        )
        + f"; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
