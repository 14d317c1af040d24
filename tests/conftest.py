"""What every test can rely on: no network, no broker, quick passwords."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from config.celery import app as celery_app

LOOPBACK = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "")


class NetworkRefused(RuntimeError):
    """A test tried to leave this machine."""


def pytest_configure(config: pytest.Config) -> None:
    # The real hashers are slow by design, and nothing here is worth cracking.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Messages go nowhere: a test that wants a stage to run calls it. Kill tests start their own worker.
    celery_app.conf.update(broker_url="memory://")


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
