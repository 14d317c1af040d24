"""What Prometheus reads."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from time_machine import travel

from learners.models import Role
from signals.models import Finding
from tests.support.learners import make_user
from tests.support.quality import MONDAY, counted_through, make_source, moment_of, put

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now_is")]
NOW = moment_of(MONDAY, 9)
TOKEN = {"Authorization": "Bearer long-and-random"}


@pytest.fixture
def now_is() -> Iterator[None]:
    with travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def token(settings: Any) -> None:
    settings.METRICS_TOKEN = "long-and-random"


def test_it_gives_each_figure_with_its_meaning(client: Client) -> None:
    source = make_source('lms "one"')
    put(source, MONDAY, statements=42, last_at=NOW - timedelta(seconds=90))
    fields = {"opened_at": NOW, "last_seen_at": NOW, "measured": 0.0, "cases": 0, "says": "", "mend": ""}
    Finding.objects.create(source=source, kind="volume", **fields)
    counted_through(NOW - timedelta(seconds=30))

    answer = client.get("/metrics", headers=TOKEN)

    text = answer.content.decode()
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    name = r'source="lms \"one\""'
    for line in (
        f'rekindle_quality_findings_open{{kind="volume",{name}}} 1',
        f"rekindle_source_statements_today{{{name}}} 42",
        f"rekindle_source_silent_seconds{{{name}}} 90.0",
        "rekindle_tally_behind_seconds 30.0",
        'rekindle_oldest_waiting_seconds{stage="refresh"} 0.0',
        "# TYPE rekindle_quarantine_waiting gauge",
    ):
        assert line in text.splitlines()


def test_it_writes_only_lines_that_prometheus_reads(client: Client) -> None:
    make_source("odd\\name\nwith a break")

    text = client.get("/metrics", headers=TOKEN).content.decode()

    sample = re.compile(r'rekindle_\w+(\{\w+="(\\.|[^"\\])*"(,\w+="(\\.|[^"\\])*")*\})? -?[\d.e+-]+')
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in text.splitlines())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic long-and-random"},
        {"Authorization": "Bearer "},
    ],
    ids=["nothing", "another token", "another scheme", "an empty token"],
)
def test_it_tells_strangers_nothing(client: Client, headers: dict[str, str]) -> None:
    answer = client.get("/metrics", headers=headers)

    assert (answer.status_code, answer.content) == (401, b"")


def test_it_needs_a_token_to_be_set(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = ""

    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401


@pytest.mark.parametrize(("role", "status"), [(Role.ADMIN, 200), (Role.COACH, 401)])
def test_it_lets_administrators_look(client: Client, role: Role, status: int) -> None:
    client.force_login(make_user(role))

    assert client.get("/metrics").status_code == status
