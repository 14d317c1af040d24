"""How fast statements are taken in over HTTP: stored and normalised, client and database on this machine.

    python -m tests.bench.ingest --batch 500 50 1 --json ingest.json

Starts gunicorn (gthread, 2 workers of 8 threads) on a free port, on the database that DATABASE_URL names, with
learners, a course and enrolments of its own, and sends batches from several threads that keep their connections.
Between the runs the same statements are written by plain COPY.
"""

import argparse
import base64
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bench import plain_copy
from tests.bench.keep_alive import Client, request, send_all

LEARNERS = 1000
COURSE = "https://bench.example.com/course/1"
HOME = "https://bench.example.com"
USUAL_RATE = {500: 8000, 50: 5000, 1: 300}  # statements a second: how many a run of some seconds needs
LIVE_DAYS = 1 / 24  # what systems send as it happens; a backlog is spread over more
VERBS = ["experienced", "experienced", "experienced", "interacted", "scored", "completed"]


def prepare() -> str:
    """The Authorization header of a credential, after making sure the bench's people exist."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from django.db import connection
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
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # what autovacuum does on a live system
    made = credentials.create(name="bench", permissions=["write", "read", "bulk"], now=now)
    return "Basic " + base64.b64encode(f"{made.key}:{made.secret}".encode()).decode()


def _account(name: str) -> dict[str, Any]:
    return {"account": {"homePage": HOME, "name": name}}


def batches(count: int, size: int, seed: int, *, days: float = LIVE_DAYS) -> list[bytes]:
    """The bodies to send: learning in a course in the last so many days."""
    draw = random.Random(seed)
    now = datetime.now(UTC)
    if size == 1:
        return [json.dumps(_statement(draw, now, days)).encode() for _ in range(count)]
    return [json.dumps([_statement(draw, now, days) for _ in range(size)]).encode() for _ in range(count)]


def _statement(draw: random.Random, now: datetime, days: float) -> dict[str, Any]:
    verb, activity = draw.choice(VERBS), draw.randrange(5000)
    out: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "actor": {"objectType": "Agent", **_account(f"bench-{draw.randrange(LEARNERS):08d}")},
        "verb": {"id": f"http://adlnet.gov/expapi/verbs/{verb}", "display": {"en": verb}},
        "object": {
            "id": f"https://bench.example.com/activity/{activity}",
            "definition": {
                "type": "http://adlnet.gov/expapi/activities/module",
                "name": {"en": f"Unit {activity}"},
            },
        },
        "timestamp": (now - timedelta(seconds=draw.random() * days * 86400)).isoformat(),
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
    parser.add_argument("--batch", type=int, nargs="+", default=[500, 50, 1])
    parser.add_argument("--seconds", type=float, default=8, help="about how long each measurement takes")
    parser.add_argument("--runs", type=int, default=3, help="the best of so many is the rate")
    parser.add_argument("--clients", type=int, default=0, help="default: 4 for batches, 16 for single posts")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument(
        "--days", type=float, default=LIVE_DAYS, help="over how many days timestamps are spread"
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bulk", action="store_true", help="send the header X-Rekindle-Intake: bulk")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    authorization = prepare()
    headers = {
        "Authorization": authorization,
        "X-Experience-API-Version": "1.0.3",
        "Content-Type": "application/json",
        **({"X-Rekindle-Intake": "bulk"} if options.bulk else {}),
    }
    figures = []
    with serve(port=options.port, workers=options.workers, threads=options.threads) as (port, server):
        for size in options.batch:
            figures.append(_measure(size, port, server, headers, options))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


def _measure(
    size: int, port: int, server: int, headers: dict[str, str], options: argparse.Namespace
) -> dict[str, Any]:
    """The figures of one size of batch: the best of several runs, and COPY between them."""
    clients = options.clients or (4 if size > 1 else 16)
    count = max(int(USUAL_RATE.get(size, 100 * size) * options.seconds / options.runs / size), clients)
    best: dict[str, Any] = {}
    copied: list[float] = []
    for _ in range(options.runs):
        # The bodies are made before the clock starts: making them is not what is measured.
        bodies = batches(count, size, seed=time.time_ns(), days=options.days)
        requests = [request("POST", "/xapi/statements", headers, body) for body in bodies]
        before = time.process_time(), _cpu_of_group(server), _cpu_of_database()
        seconds, took = send_all(requests, port, clients)
        after = time.process_time(), _cpu_of_group(server), _cpu_of_database()
        sent = count * size
        client, served, database = ((new - old) / sent * 1e6 for new, old in zip(after, before, strict=True))
        copied.append(plain_copy.measure(bodies))
        if sent / seconds > best.get("rate", 0):
            best = {
                "batch": size,
                "clients": clients,
                "rate": sent / seconds,
                "p50_ms": took[len(took) // 2] * 1000,
                "p95_ms": took[int(len(took) * 0.95)] * 1000,
                "client_us": client,
                "gunicorn_us": served,
                "postgresql_us": database,
            }
    best |= {"copy": max(copied), "load": os.getloadavg()[0]}
    # Seconds of processor are the same whatever else runs here: what two free cores could do follows from them.
    total = best["client_us"] + best["gunicorn_us"] + best["postgresql_us"]
    print(
        f"batches of {size}, {clients} clients: {best['rate']:,.0f} statements/s (best of {options.runs});"
        f" p50 {best['p50_ms']:.0f} ms, p95 {best['p95_ms']:.0f} ms a request;"
        f" plain COPY {best['copy']:,.0f} rows/s, share {best['rate'] / best['copy']:.2f}\n"
        f"  processor a statement: client {best['client_us']:.0f} µs, gunicorn {best['gunicorn_us']:.0f} µs,"
        f" PostgreSQL {best['postgresql_us']:.0f} µs; two free cores would do {2e6 / total:,.0f} statements/s;"
        f" load average {best['load']:.1f}",
        flush=True,
    )
    return best


@contextlib.contextmanager
def serve(*, port: int = 0, workers: int = 2, threads: int = 8) -> Iterator[tuple[int, int]]:
    """The port and process id of a gunicorn that runs while the block does."""
    if not port:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}",
         "--worker-class", "gthread", "--workers", str(workers), "--threads", str(threads), "--keep-alive", "30",
         "--log-level", "warning"],
    )  # fmt: skip
    try:
        _await(port, workers)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait(10)


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


def _await(port: int, workers: int) -> None:
    """Returns when every worker has surely answered: their start is not what is measured."""
    about = request("GET", "/xapi/about", {"Connection": "close"})
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if Client(port).send(about)[0] == 200:
                time.sleep(2)
                for _ in range(10 * workers):
                    Client(port).send(about)
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("gunicorn did not answer within 30 s")


if __name__ == "__main__":
    main()
