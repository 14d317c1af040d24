"""Lets clients that people really use talk to the record store: @xapi/xapi, tincanjs, and a bulk writer posting gzip.

    (cd tests/bench/clients && npm install) && python -m tests.bench.clients.run

Starts gunicorn on a free port of 127.0.0.1, on the database that DATABASE_URL names. (PyPI's tincan is part of the
tests: tests/signals/test_xapi_clients.py.)
"""

import gzip
import json
import os
import subprocess
import sys
import urllib.request
import uuid
from base64 import b64encode
from pathlib import Path
from typing import Any

from tests.bench.conformance import free_port, prepare, serve

HERE = Path(__file__).parent


def bulk_write(endpoint: str, key: str, secret: str) -> None:
    """A writer as event pipelines have them: arrays, compressed, one request after another."""
    token = b64encode(f"{key}:{secret}".encode()).decode()
    for _ in range(5):
        sent = [_statement() for _ in range(1000)]
        request = urllib.request.Request(
            f"{endpoint}/statements",
            gzip.compress(json.dumps(sent).encode()),
            {
                "Authorization": f"Basic {token}",
                "X-Experience-API-Version": "1.0.3",
                "Content-Type": "application/json",
                "Content-Encoding": "gzip",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer) == [item["id"] for item in sent]
    print("a bulk writer posting gzip: 5 × 1,000 statements, all acknowledged in order")


def _statement() -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "actor": {"account": {"homePage": "https://lms.example.com", "name": "client-bulk"}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/experienced"},
        "object": {"id": "https://lms.example.com/page/1"},
    }


def main() -> None:
    key, secret = prepare()
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}/xapi"
    failed = 0
    with serve(port, os.environ):
        bulk_write(endpoint, key, secret)
        for script in (["xapi_js.cjs", "1.0.3"], ["xapi_js.cjs", "2.0.0"], ["tincan_js.cjs"]):
            name, *version = script
            ran = subprocess.run(
                ["node", HERE / name, endpoint, key, secret, *version], cwd=HERE, timeout=120, check=False
            )
            failed += ran.returncode != 0
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
