"""From the HTTP response to the committed decision, "do nothing" included, on the services of a running demo.

    bin/demo --port 8000 &
    bin/manage shell -c "import runpy; runpy.run_path('tests/bench/decision_latency.py', run_name='__main__')"

Posts 20 statements a second for 30 seconds for learners drawn by hash, watches the decision table every 20 ms, and
prints p50, p95 and the longest wait in seconds. Talks to 127.0.0.1 only and stops by itself.
"""

import base64
import json
import os
import threading
import time
import urllib.request
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID, uuid4

from django.db import connection

from learners.models import Enrolment, Identifier
from signals.xapi import credentials

PORT = int(os.environ.get("PORT", "8000"))
RATE, SECONDS, PATIENCE = 20, 30, 60


def main() -> None:
    made = credentials.create(name="bench", permissions=["write"], now=datetime.now(tz=UTC))
    people = _people()
    sent: dict[UUID, float] = {}
    seen: dict[UUID, float] = {}
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(sent, seen, stop))
    watcher.start()
    began = time.perf_counter()
    for number in range(RATE * SECONDS):
        time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        home, name, course = people[int(sha256(str(number).encode()).hexdigest(), 16) % len(people)]
        statement_id = uuid4()
        _post(made.key, made.secret, _statement(statement_id, home, name, course))
        sent[statement_id] = time.perf_counter()
    deadline = time.perf_counter() + PATIENCE
    while len(seen) < len(sent) and time.perf_counter() < deadline:
        time.sleep(0.1)
    stop.set()
    watcher.join()
    waits = sorted(seen[pk] - sent[pk] for pk in seen)
    if not waits:
        raise SystemExit("No decision was seen: is the demo's worker running?")
    print(
        f"{len(seen)} of {len(sent)} statements decided upon; seconds from response to committed decision: "
        f"p50 {waits[len(waits) // 2]:.2f}, p95 {waits[int(len(waits) * 0.95)]:.2f}, longest {waits[-1]:.2f}"
    )


def _watch(sent: dict[UUID, float], seen: dict[UUID, float], stop: threading.Event) -> None:
    """Notes when a decision first knows of each statement."""
    started = datetime.now(tz=UTC)
    while not stop.is_set():
        waiting = [pk for pk in list(sent) if pk not in seen]
        if waiting:
            with connection.cursor() as cursor:
                cursor.execute(
                    """
                    SELECT event.statement_id FROM signals_event AS event
                    WHERE event.statement_id = ANY(%s) AND event.occurred_at >= %s::timestamptz - interval '1 minute'
                      AND EXISTS (SELECT FROM interventions_decision AS decision
                                  WHERE decision.enrolment_id = event.enrolment_id
                                    AND decision.known_seq >= event.known_seq AND decision.at >= %s)
                    """,
                    [waiting, started, started],
                )
                moment = time.perf_counter()
                for (statement_id,) in cursor.fetchall():
                    seen[statement_id] = moment
        time.sleep(0.02)


def _people() -> list[tuple[str, str, str]]:
    rows = Enrolment.objects.active().select_related("course").order_by("pk")[:200]
    names = {
        identifier.learner_id: identifier.value.partition("|")
        for identifier in Identifier.objects.filter(
            learner__in=[row.learner_id for row in rows], kind="account"
        )
    }
    return [
        (names[row.learner_id][0], names[row.learner_id][2], row.course.iri)
        for row in rows
        if row.learner_id in names
    ]


def _statement(statement_id: UUID, home: str, name: str, course: str) -> bytes:
    return json.dumps(
        {
            "id": str(statement_id),
            "actor": {"account": {"homePage": home, "name": name}},
            "verb": {"id": "http://adlnet.gov/expapi/verbs/experienced"},
            "object": {"id": f"{course}/bench"},
            "context": {"contextActivities": {"parent": [{"id": course}]}},
            "timestamp": datetime.now(tz=UTC).isoformat(),
        }
    ).encode()


def _post(key: str, secret: str, body: bytes) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/xapi/statements",
        data=body,
        headers={
            "Authorization": "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode(),
            "Content-Type": "application/json",
            "X-Experience-API-Version": "1.0.3",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        response.read()


if __name__ == "__main__":
    main()
