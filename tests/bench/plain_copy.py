"""What PostgreSQL alone does with the same statements: COPY into a table with a primary key and four indexes.

The table holds clear text and nothing is checked, derived or encrypted; every batch is one durable transaction.
"""

import json
import os
import threading
from typing import Any

import psycopg

from tests.bench.keep_alive import at_once

TABLE = """
DROP TABLE IF EXISTS bench_plain_copy;
CREATE TABLE bench_plain_copy (
    id uuid PRIMARY KEY, stored timestamptz NOT NULL, actor text NOT NULL, verb text NOT NULL, activity text NOT NULL,
    body text NOT NULL
);
CREATE INDEX ON bench_plain_copy (stored, id);
CREATE INDEX ON bench_plain_copy (actor, stored);
CREATE INDEX ON bench_plain_copy (verb, stored);
CREATE INDEX ON bench_plain_copy (activity, stored);
"""


def measure(bodies: list[bytes], connections: int = 1) -> float:
    """Rows a second, the same batches as were posted."""
    url = os.environ["DATABASE_URL"]
    batches = [_rows(body) for body in bodies]
    count = sum(number for number, _ in batches)
    waiting = iter([data for _, data in batches])
    lock = threading.Lock()
    with psycopg.connect(url, autocommit=True) as made:
        made.execute(TABLE)

    def work() -> None:
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            while True:
                with lock:
                    data = next(waiting, None)
                if data is None:
                    return
                with cursor.copy("COPY bench_plain_copy FROM STDIN") as copy:
                    copy.write(data)
                connection.commit()

    try:
        return count / at_once(work, connections)
    finally:
        with psycopg.connect(url, autocommit=True) as made:
            made.execute("DROP TABLE bench_plain_copy")


def _rows(body: bytes) -> tuple[int, bytes]:
    found = json.loads(body)
    items = found if isinstance(found, list) else [found]
    return len(items), "".join(_row(item) for item in items).encode()


def _row(item: dict[str, Any]) -> str:
    account = item["actor"]["account"]
    text = json.dumps(item).replace("\\", "\\\\")
    return (
        f"{item['id']}\t{item['timestamp']}\t{account['homePage']} {account['name']}\t{item['verb']['id']}"
        f"\t{item['object']['id']}\t{text}\n"
    )
