"""A smaller run of tests/bench/cap.py: processes, SIGKILL and wrong clocks against the database's own promise."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from django.db import connection

from config.env import BASE_DIR
from learners.models import Learner
from tests.bench.cap import WINDOW, most_in_window


def database_url() -> str:
    """This test's own database, for a process of its own."""
    said = connection.settings_dict
    who = quote(str(said["USER"])) + (f":{quote(str(said['PASSWORD']))}" if said["PASSWORD"] else "")
    return f"postgres://{who}@{quote(said['HOST'], safe='')}:{said['PORT'] or 5432}/{said['NAME']}"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_holds_whoever_dies_and_whatever_their_clocks_say() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench.cap", "--triggers=400", "--workers=6", "--kills=6", "--seed=3"],
        cwd=BASE_DIR,
        env={**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["holds"] is True
    assert told["most_in_168_h"] == 2  # the places were wanted all the time, so this is no empty promise
    assert told["places_used"] > 20
    assert told["killed_from_outside"] > 0
    assert not Learner.objects.exists()  # it takes away what it made


def test_it_would_notice_a_third_alert() -> None:
    begin = datetime(2026, 1, 5, tzinfo=UTC)

    assert most_in_window([begin, begin + timedelta(hours=1), begin + WINDOW], WINDOW) == 2
    assert most_in_window([begin, begin + timedelta(hours=1), begin + timedelta(hours=167.9)], WINDOW) == 3
