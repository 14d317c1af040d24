"""What every test can rely on: no network, no broker, an empty cache, quick passwords."""

import socket
from collections.abc import Generator, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import caches
from pytest_django.plugin import blocking_manager_key

from config.celery import app as celery_app
from signals.xapi import rate

LOOPBACK = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "")


class NetworkRefused(RuntimeError):
    """A test tried to leave this machine."""


def pytest_configure(config: pytest.Config) -> None:
    # The real hashers are slow by design, and nothing here is worth cracking.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Messages go nowhere: a test that wants a stage to run calls it. Kill tests start their own worker.
    celery_app.conf.update(broker_url="memory://")
    # Each process has its own: in a shared one, what one test stored would change what another sees.
    settings.RATE_LIMIT_URL = "memory://"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """Forgets what the test stored in the cache, and how often it asked."""
    yield
    caches["default"].clear()
    rate.forget()


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    return marker is not None and bool(marker.kwargs.get("transaction"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Puts back what a test with real commits emptied: a worker with nothing left to do takes over tests that come
    before it in the order. After the last one the test database is gone."""
    result = yield
    if nextitem is not None and _commits(item):
        with item.config.stash[blocking_manager_key].unblock():
            _fill()
    return result


@pytest.fixture(autouse=True)
def starter_contents(request: pytest.FixtureRequest) -> Iterator[None]:
    """Puts back what migrations put there (scopes, verbs, policy, lessons): tests with real commits empty it all."""
    if not _commits(request.node):
        yield
        return
    request.getfixturevalue("transactional_db")
    from django.db import connection

    _fill()
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE signals_event")  # unmanaged, so Django leaves its rows to the next test


def _fill() -> None:
    from django.apps import apps

    if apps.get_model("interventions", "Lesson").objects.exists():
        return
    for migration, fill in (
        ("consent.migrations.0003_scopes", "install"),
        ("signals.migrations.0003_verb_synonyms", "add"),
        ("signals.migrations.0030_more_verbs_and_surroundings", "add"),
        ("interventions.migrations.0003_starter", "start"),
    ):
        getattr(import_module(migration), fill)(apps, None)


def _refuse_beyond_loopback(address: Any) -> None:
    if isinstance(address, tuple) and str(address[0]) not in LOOPBACK:
        raise NetworkRefused(f"Tests have no network; this one tried to reach {address[0]}.")


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Refuses connections beyond this machine; unix sockets and loopback are allowed."""
    patch = pytest.MonkeyPatch()
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _refuse_beyond_loopback(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _refuse_beyond_loopback(address)
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_beyond_loopback((host or "",))
        return look_up(host, *args, **kwargs)

    patch.setattr(socket.socket, "connect", guarded_connect)
    patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    patch.setattr(socket, "getaddrinfo", guarded_look_up)
    yield
    patch.undo()
