"""How fast statements are read back over HTTP: every filter and their combinations, on a million statements.

    python -m tests.bench.query --statements 1000000 --rounds 40 --json query.json

Fills the database that DATABASE_URL names: 200,000 through the record store's own endpoint, the rest as copies of them
under other ids and earlier moments, made in the database. Then asks with values drawn anew for every request, limit
100, one client. Times are of whole requests, decryption included.
"""

import argparse
import json
import os
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.bench.ingest import COURSE, HOME, LEARNERS, VERBS, batches, prepare, serve
from tests.bench.keep_alive import Client, request, send_all

Draw = random.Random
VERB = "http://adlnet.gov/expapi/verbs/"
POSTED = 200_000
COPIES = """
INSERT INTO signals_statement (id, stored, credential_id, verb, actor, search_keys, digest, body, parked)
SELECT gen_random_uuid(), stored - make_interval(days => %(days)s), credential_id, verb, actor, search_keys, digest,
    body, parked
FROM signals_statement WHERE stored > (SELECT max(stored) FROM signals_statement) - interval '1 day'
ORDER BY stored LIMIT %(most)s
"""
RARE = f"{VERB}voided-by-nobody"


def agent(draw: Draw) -> dict[str, str]:
    name = f"bench-{draw.randrange(LEARNERS):08d}"
    return {"agent": json.dumps({"account": {"homePage": HOME, "name": name}})}


def verb(draw: Draw) -> dict[str, str]:
    return {"verb": VERB + draw.choice(VERBS)}


def rare_verb(draw: Draw) -> dict[str, str]:
    return {"verb": RARE}


def activity(draw: Draw) -> dict[str, str]:
    return {"activity": f"https://bench.example.com/activity/{draw.randrange(5000)}"}


def since(draw: Draw) -> dict[str, str]:
    return {"since": (datetime.now(UTC) - timedelta(seconds=draw.randrange(60, 3600))).isoformat()}


def until(draw: Draw) -> dict[str, str]:
    return {"until": (datetime.now(UTC) - timedelta(seconds=draw.randrange(1, 60))).isoformat()}


def registration(draw: Draw) -> dict[str, str]:
    return {"registration": str(registration_of(draw.randrange(LEARNERS)))}


def course(draw: Draw) -> dict[str, str]:
    return {"activity": COURSE, "related_activities": "true"}


def related_agent(draw: Draw) -> dict[str, str]:
    return {**agent(draw), "related_agents": "true"}


def ascending(draw: Draw) -> dict[str, str]:
    return {"ascending": "true"}


QUESTIONS: dict[str, tuple[Callable[[Draw], dict[str, str]], ...]] = {
    "agent": (agent,),
    "verb": (verb,),
    "verb nobody used": (rare_verb,),
    "activity": (activity,),
    "since": (since,),
    "since, ascending": (since, ascending),
    "until": (until,),
    "registration": (registration,),
    "agent, verb": (agent, verb),
    "agent, activity": (agent, activity),
    "verb, activity": (verb, activity),
    "agent, since": (agent, since),
    "verb, since": (verb, since),
    "activity, since": (activity, since),
    "agent, verb, activity, since": (agent, verb, activity, since),
    "agent, ascending": (agent, ascending),
    "verb, ascending": (verb, ascending),
    "course and all in it": (course,),
    "agent, course and all in it": (agent, course),
    "agent, related too": (related_agent,),
    "nothing": (),
}


def registration_of(learner: int) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://bench.example.com/registration/{learner}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--statements", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40, help="requests of each kind and form")
    parser.add_argument("--forms", nargs="+", default=["exact", "ids", "canonical"])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    authorization = prepare()
    headers = {"Authorization": authorization, "X-Experience-API-Version": "1.0.3"}
    figures: list[dict[str, Any]] = []
    with serve(port=options.port) as (port, _):
        _fill(options.statements, port, headers)
        client = Client(port)
        draw = random.Random(1)
        for name, parts in QUESTIONS.items():
            for form in options.forms:
                took = []
                rows = 0
                for _ in range(options.rounds):
                    parameters = {"limit": "100", "format": form}
                    for part in parts:
                        parameters |= part(draw)
                    data = request("GET", f"/xapi/statements?{urlencode(parameters)}", headers)
                    seconds, content = _timed(client, data)
                    took.append(seconds * 1000)
                    rows += len(json.loads(content)["statements"])
                took.sort()
                figure = {
                    "question": name,
                    "form": form,
                    "rows": rows / options.rounds,
                    "p50_ms": took[len(took) // 2],
                    "p95_ms": took[int(len(took) * 0.95)],
                }
                figures.append(figure)
                print(
                    f"{name:32} {form:10} {figure['rows']:6.0f} rows  p50 {figure['p50_ms']:6.1f} ms"
                    f"  p95 {figure['p95_ms']:6.1f} ms",
                    flush=True,
                )
    worst = max(figures, key=lambda figure: figure["p95_ms"])
    print(
        f"slowest: {worst['question']} ({worst['form']}), p95 {worst['p95_ms']:.1f} ms; load {os.getloadavg()[0]:.1f}"
    )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


def _timed(client: Client, data: bytes) -> tuple[float, bytes]:
    import time

    start = time.perf_counter()
    status, content = client.send(data)
    seconds = time.perf_counter() - start
    if status != 200:
        raise SystemExit(f"refused: {status} {content[:300]!r}")
    return seconds, content


def _fill(wanted: int, port: int, headers: dict[str, str]) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM signals_statement")
        there = cursor.fetchone()[0]
        if there < min(wanted, POSTED):
            send_all(_posts(min(wanted, POSTED) - there, headers), port, clients=3)
        for days in range(1, 100):
            cursor.execute("SELECT count(*) FROM signals_statement")
            there = cursor.fetchone()[0]
            if there >= wanted:
                break
            cursor.execute(COPIES, {"days": days, "most": wanted - there})
        cursor.execute("VACUUM ANALYZE signals_statement")  # as autovacuum does


def _posts(count: int, headers: dict[str, str]) -> Iterator[bytes]:
    """Posts of 500, made as they are sent; three quarters with a registration."""
    headers = {**headers, "Content-Type": "application/json"}
    for number in range(-(-count // 500)):
        (body,) = batches(1, 500, seed=number)
        items = json.loads(body)
        for item in items:
            learner = int(item["actor"]["account"]["name"].removeprefix("bench-"))
            if learner % 4:
                item["context"]["registration"] = str(registration_of(learner))
        yield request("POST", "/xapi/statements", headers, json.dumps(items).encode())


if __name__ == "__main__":
    main()
