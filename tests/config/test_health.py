"""`/healthz` and `/readyz`: what machines ask before they send people here."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client

from config import health
from config.env import env

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def real_cache(settings: Any) -> Iterator[None]:
    """The Redis that the tests were given, in the place of the tests' own cache."""
    url = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
    yield from use_cache(settings, url)


@pytest.fixture
def no_cache(settings: Any) -> Iterator[None]:
    """A Redis that is not there."""
    yield from use_cache(settings, "unix:///nonexistent/valkey.sock")


def use_cache(settings: Any, url: str) -> Iterator[None]:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}}
    yield
    caches["default"].close()


@pytest.fixture
def no_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "STAGES", {})


def test_it_lives_without_asking_the_database(client: Client) -> None:
    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.content == b"ok\n"


@pytest.mark.django_db
def test_it_is_ready_when_database_and_redis_answer(
    client: Client, real_cache: None, no_stages: None
) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "database": "ok", "redis": "ok", "oldest_waiting_seconds": {}}


@pytest.mark.django_db
def test_it_is_not_ready_without_redis(client: Client, no_cache: None) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "database": "ok", "redis": "does not answer"}


@pytest.mark.django_db
def test_it_is_not_ready_without_the_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError

    monkeypatch.setattr(connection, "cursor", refuse)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["database"] == "does not answer"


def test_it_says_how_long_each_stage_has_kept_its_oldest_row(
    monkeypatch: pytest.MonkeyPatch, no_stages: None
) -> None:
    health.stage("features")(lambda now: now - timedelta(seconds=90))
    health.stage("deliver")(lambda now: None)

    assert health.waiting(now=NOW) == {"features": 90.0, "deliver": None}


def test_it_refuses_other_methods(client: Client) -> None:
    assert client.post("/healthz").status_code == 405
    assert client.post("/readyz").status_code == 405


@pytest.mark.django_db
def test_it_says_what_to_do_with_an_empty_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.health._known", set())
    monkeypatch.setattr("config.health.unmigrated", lambda: True)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "bin/manage migrate" in answer.json()["database"]


@pytest.mark.django_db
def test_it_refuses_to_tick_on_an_empty_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.management.commands.tick.unmigrated", lambda: True)

    with pytest.raises(CommandError, match="bin/manage migrate"):
        call_command("tick")
