"""A smaller run of tests/bench/simulation.py: weeks of an organisation, and its promises proved from the rows."""

import json
import os
import subprocess
import sys

import pytest

from config.env import BASE_DIR
from tests.interventions.test_cap_under_fire import database_url


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_every_promise_holds_whichever_worker_dies() -> None:
    options = ["--people=40", "--days=14", "--workers=2", "--kill-rounds=0.5", "--kill-sends=0.1"]
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench.simulation", *options],
        cwd=BASE_DIR,
        env={**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        timeout=400,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    told = json.loads(run.stdout)
    assert told["holds"] is True
    assert told["broken_off"] == {}
    assert told["sent"] > 0
    assert told["killed"] > 0
