"""How fast statements are taken in over HTTP: stored and normalised, client and database on this machine.

    python -m tests.bench.ingest --batch 500 --statements 100000

Starts gunicorn (gthread, 2 workers of 4 threads) on a free port, on the database that DATABASE_URL names, with
learners, a course and enrolments of its own, and sends batches from several threads that keep their connections.
"""

import argparse
import base64
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

LEARNERS = 1000
COURSE = "https://bench.example.com/course/1"
HOME = "https://bench.example.com"
VERBS = ["experienced", "experienced", "experienced", "interacted", "scored", "completed"]


def prepare() -> str:
    """The Authorization header of a credential, after making sure the bench's people exist."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from django.utils import timezone

    from learners.identity import canonical_identifier, identifier_hash
    from learners.models import Course, Enrolment, Identifier, Learner
    from signals.xapi import credentials

    now = timezone.now()
    course, _ = Course.objects.get_or_create(iri=COURSE, defaults={"name": "Bench"})
    names = [f"bench-{number:08d}" for number in range(LEARNERS)]
    hashes = {name: identifier_hash(canonical_identifier(_account(name)) or "") for name in names}
    there = {
        bytes(one)
        for one in Identifier.objects.filter(hash__in=hashes.values()).values_list("hash", flat=True)
    }
    new = [(name, Learner()) for name in names if hashes[name] not in there]
    Learner.objects.bulk_create([learner for _, learner in new])
    Identifier.objects.bulk_create(
        [Identifier(learner=learner, kind="account", hash=hashes[name], value=name) for name, learner in new]
    )
    starts = (now - timedelta(days=60)).date()
    Enrolment.objects.bulk_create(
        [Enrolment(learner=learner, course=course, starts_on=starts, enrolled_at=now) for _, learner in new]
    )
    made = credentials.create(name="bench", permissions=["write", "bulk"], now=now)
    return "Basic " + base64.b64encode(f"{made.key}:{made.secret}".encode()).decode()


def _account(name: str) -> dict[str, Any]:
    return {"account": {"homePage": HOME, "name": name}}


def batches(count: int, size: int, seed: int) -> list[bytes]:
    """The bodies to send: learning in a course over the last 50 days."""
    draw = random.Random(seed)
    now = datetime.now(UTC)
    return [json.dumps([_statement(draw, now) for _ in range(size)]).encode() for _ in range(count)]


def _statement(draw: random.Random, now: datetime) -> dict[str, Any]:
    verb = draw.choice(VERBS)
    out: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "actor": {"objectType": "Agent", **_account(f"bench-{draw.randrange(LEARNERS):08d}")},
        "verb": {"id": f"http://adlnet.gov/expapi/verbs/{verb}", "display": {"en": verb}},
        "object": {
            "id": f"https://bench.example.com/activity/{draw.randrange(5000)}",
            "definition": {
                "type": "http://adlnet.gov/expapi/activities/module",
                "name": {"en": f"Unit {draw.randrange(5000)}"},
            },
        },
        "timestamp": (now - timedelta(seconds=draw.randrange(50 * 86400))).isoformat(),
        "context": {
            "contextActivities": {"parent": [{"id": COURSE}]},
            "extensions": {"https://w3id.org/rekindle/xapi/count": draw.randrange(1, 30)},
        },
    }
    if verb == "scored":
        out["result"] = {"score": {"scaled": round(draw.random(), 2)}, "success": draw.random() < 0.7}
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--statements", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--bulk", action="store_true", help="send the header X-Rekindle-Intake: bulk")
    options = parser.parse_args()
    authorization = prepare()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The bodies are made before the clock starts: making them is not what is measured.
    bodies = batches(max(options.statements // options.batch, 1), options.batch, seed=time.time_ns())
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread",
         "--workers", "2", "--threads", "4", "--keep-alive", "30", "--log-level", "warning"],
    )  # fmt: skip
    try:
        _await(port)
        client_before, server_before = time.process_time(), _cpu_of_group(server.pid)
        seconds, took = _run(bodies, port, authorization, options.clients, bulk=options.bulk)
        client = time.process_time() - client_before
        served = _cpu_of_group(server.pid) - server_before
        database = _cpu_of_database()
    finally:
        server.terminate()
        server.wait(10)
    took.sort()
    sent = len(bodies) * options.batch
    print(
        f"{sent} statements in {seconds:.2f} s: {sent / seconds:,.0f} statements/s; batches of {options.batch},"
        f" {options.clients} clients; p50 {took[len(took) // 2] * 1000:.0f} ms,"
        f" p95 {took[int(len(took) * 0.95)] * 1000:.0f} ms a batch"
    )
    # Seconds of processor are the same whatever else runs here: what two free cores could do follows from them.
    each = [part / sent * 1e6 for part in (client, served, database)]
    print(
        "processor time a statement: client {:.0f} µs, gunicorn {:.0f} µs, PostgreSQL {:.0f} µs".format(*each)
        + f"; two free cores would do {2e6 / sum(each):,.0f} statements/s"
    )


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cpu_of_group(parent: int) -> float:
    """The processor time so far of a process and its children (Linux; elsewhere 0)."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    own = [int(pid) for pid in children.read_text().split()] if children.exists() else []
    return sum(_cpu_of(pid) for pid in (parent, *own))


def _cpu_of_database() -> float:
    """The processor time of the connections gunicorn has opened, where the server's processes can be seen."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return sum(_cpu_of(pid) for (pid,) in cursor.fetchall())


def _await(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/xapi/about")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("gunicorn did not answer within 30 s")


def _run(
    bodies: list[bytes], port: int, authorization: str, clients: int, *, bulk: bool
) -> tuple[float, list[float]]:
    headers = {
        "Authorization": authorization,
        "X-Experience-API-Version": "1.0.3",
        "Content-Type": "application/json",
        **({"X-Rekindle-Intake": "bulk"} if bulk else {}),
    }
    waiting = iter(bodies)
    lock = threading.Lock()
    took: list[float] = []
    wrong: list[str] = []

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not wrong:
            with lock:
                body = next(waiting, None)
            if body is None:
                return
            start = time.perf_counter()
            connection.request("POST", "/xapi/statements", body, headers)
            answer = connection.getresponse()
            content = answer.read()
            took.append(time.perf_counter() - start)
            if answer.status != 200:
                wrong.append(f"{answer.status}: {content[:500]!r}")

    threads = [threading.Thread(target=work) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise SystemExit(f"refused: {wrong[0]}")
    return time.perf_counter() - start, took


if __name__ == "__main__":
    main()
