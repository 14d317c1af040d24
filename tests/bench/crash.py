"""Kills the server, a worker and PostgreSQL with -9 in the middle of a load; then looks for what was acknowledged.

    python -m tests.bench.crash --seconds 60

Starts everything itself and apart from all else: an embedded PostgreSQL and Valkey of their own (durable, as in the
demo), gunicorn, a Celery worker with its beat. Four clients post batches that overlap; every few seconds one of the
three is killed. In the end every statement acknowledged with 200 must be stored, once, with one event, numbered without
a gap; otherwise this ends with 1.
"""

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from config.embedded.leases import Lease, remove_data
from config.embedded.places import Places
from tests.bench.conformance import free_port

COURSE = "https://bench.example.com/course/crash"
BATCH = 50


def prepare() -> str:
    """The Authorization header of a credential; makes a course with people in it."""
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
    course = Course.objects.create(iri=COURSE, name="Crash")
    for number in range(20):
        learner = Learner.objects.create()
        canonical = canonical_identifier(_agent(number)) or ""
        Identifier.objects.create(
            learner=learner, kind="account", hash=identifier_hash(canonical), value=canonical
        )
        Enrolment.objects.create(learner=learner, course=course, starts_on=now.date(), enrolled_at=now)
    made = credentials.create(name="crash", permissions=["write"], now=now)
    return "Basic " + base64.b64encode(f"{made.key}:{made.secret}".encode()).decode()


def _agent(number: int) -> dict[str, Any]:
    return {"account": {"homePage": "https://bench.example.com", "name": f"crash-{number:04d}"}}


def _statement(draw: random.Random) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "actor": _agent(draw.randrange(20)),
        "verb": {"id": "http://adlnet.gov/expapi/verbs/experienced"},
        "object": {"id": f"https://bench.example.com/page/{draw.randrange(100)}"},
        "context": {"contextActivities": {"parent": [{"id": COURSE}]}},
    }


class Client(threading.Thread):
    """Posts batches, each overlapping the last, and again until each is acknowledged or the time is over."""

    def __init__(self, number: int, port: int, authorization: str, until: float) -> None:
        super().__init__()
        self.draw = random.Random(number)
        self.port, self.until = port, until
        self.headers = {
            "Authorization": authorization,
            "X-Experience-API-Version": "1.0.3",
            "Content-Type": "application/json",
        }
        self.acknowledged: set[str] = set()
        self.failures = 0

    def run(self) -> None:
        last: list[dict[str, Any]] = []
        while time.monotonic() < self.until:
            batch = last[BATCH // 2 :] + [_statement(self.draw) for _ in range(BATCH // 2)]
            body = json.dumps(batch).encode()
            while time.monotonic() < self.until:
                if self._post(body):
                    self.acknowledged.update(item["id"] for item in batch)
                    break
                self.failures += 1
                time.sleep(0.2)
            last = batch

    def _post(self, body: bytes) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", "/xapi/statements", body, self.headers)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Server:
    """A process that is started again whenever it was killed."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.command, self.environment = command, environment
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = self._start()

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def kill_postgres(places: Places) -> None:
    """Its postmaster; the embedded services' keeper starts it again."""
    (pid_file,) = places.root.rglob("postmaster.pid")
    os.kill(int(pid_file.read_text().split("\n", 1)[0]), signal.SIGKILL)


def verify(acknowledged: set[str], *, wait_s: float = 60) -> list[str]:
    """What is not as it should be."""
    from django.db import OperationalError, connection
    from django.utils import timezone

    for _ in range(int(wait_s)):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            break
        except OperationalError:
            connection.close()
            time.sleep(1)
    from config.stages import run_all

    run_all(now=timezone.now())
    faults: list[str] = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM unnest(%s::uuid[]) a(id)"
            " WHERE NOT EXISTS (SELECT 1 FROM signals_statement s WHERE s.id = a.id)",
            [sorted(acknowledged)],
        )
        if missing := cursor.fetchone()[0]:
            faults.append(f"{missing} acknowledged statements are not stored")
        cursor.execute(
            "SELECT count(*) FROM signals_statement s LEFT JOIN"
            " (SELECT statement_id, count(*) AS number FROM signals_event GROUP BY 1) e ON e.statement_id = s.id"
            " WHERE e.number IS DISTINCT FROM 1"
        )
        if uneven := cursor.fetchone()[0]:
            faults.append(f"{uneven} statements have none or several events")
        cursor.execute(
            "SELECT count(*) FROM (SELECT e.enrolment_id FROM signals_event e"
            " JOIN signals_enrolmentmark m ON m.enrolment_id = e.enrolment_id GROUP BY e.enrolment_id, m.known_seq"
            " HAVING count(*) <> max(e.known_seq) OR count(DISTINCT e.known_seq) <> count(*)"
            " OR max(e.known_seq) <> m.known_seq) t"
        )
        if gaps := cursor.fetchone()[0]:
            faults.append(f"{gaps} enrolments are numbered with gaps")
        cursor.execute(
            "SELECT coalesce(sum(r.events), 0), (SELECT count(*) FROM signals_event) FROM signals_dailyrollup r"
        )
        rolled, events = cursor.fetchone()
        if rolled != events:
            faults.append(f"the rollups count {rolled} events, there are {events}")
        cursor.execute("SELECT count(*) FROM signals_statement")
        print(f"{len(acknowledged)} acknowledged, {cursor.fetchone()[0]} stored, {events} events")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--every", type=float, default=4.0, help="seconds between kills")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    places = Places("crash")
    remove_data(places)  # of a run that was itself killed
    try:
        with Lease(places) as lease:
            wanted = {
                key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL")
            }
            os.environ |= lease.environment(wanted)
            faults = _load(places, options.seconds, options.every)
    finally:
        remove_data(places)
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


def _load(places: Places, seconds: int, every: float) -> list[str]:
    authorization = prepare()
    port = free_port()
    environment = dict(os.environ)
    web = Server(
        [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread",
         "--workers", "2", "--threads", "4"],
        environment,
    )  # fmt: skip
    worker = Server(
        [sys.executable, "-m", "celery", "-A", "config", "worker", "-B", "-Q", "path,delivery,upkeep", "-c", "2",
         "-s", str(Path(places.root) / "beat")],
        environment,
    )  # fmt: skip
    until = time.monotonic() + seconds
    clients = [Client(number, port, authorization, until) for number in range(4)]
    kills = {"server": 0, "worker": 0, "PostgreSQL": 0}
    draw = random.Random(1)
    try:
        for client in clients:
            client.start()
        while time.monotonic() + every < until:
            time.sleep(every)
            name = draw.choice([*kills])
            kills[name] += 1
            if name == "server":
                web.kill()
            elif name == "worker":
                worker.kill()
            else:
                kill_postgres(places)
        for client in clients:
            client.join()
    finally:
        web.stop()
        worker.stop()
    acknowledged = set().union(*(client.acknowledged for client in clients))
    print(f"killed {kills}; {sum(client.failures for client in clients)} requests failed and were sent again")
    return verify(acknowledged)


if __name__ == "__main__":
    main()
