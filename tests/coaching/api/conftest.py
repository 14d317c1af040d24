"""Systems with tokens, and whom they ask about."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol
from uuid import uuid4

import pytest
from django.test import Client
from time_machine import travel

from consent.actors import SYSTEM
from interventions import tokens
from tests.support.coaching import NOW, Circle, make_circle


class Api(Protocol):
    def __call__(self, path: str, body: Any = None, **headers: str) -> Any: ...


@pytest.fixture(autouse=True)
def now_is() -> Iterator[None]:
    with travel(NOW, tick=False):
        yield


@pytest.fixture
def circle() -> Circle:
    return make_circle(name="Robin Fielding")


@pytest.fixture
def api(client: Client) -> Callable[..., Api]:
    """``api("risk:read")``: asks with a token of these scopes. A body makes it a POST."""

    def with_scopes(*scopes: str, **fields: Any) -> Api:
        made = tokens.create(name=f"LMS {uuid4()}", scopes=scopes, by=SYSTEM, now=NOW, **fields)
        return asking(client, made.text)

    return with_scopes


def asking(client: Client, text: str) -> Api:
    """Asks with this token or pass."""

    def ask(path: str, body: Any = None, **headers: str) -> Any:
        given = {"Authorization": f"Bearer {text}", **headers}
        if body is None:
            return client.get(f"/api/v1/{path}", headers=given)
        return client.post(f"/api/v1/{path}", body, content_type="application/json", headers=given)

    return ask
