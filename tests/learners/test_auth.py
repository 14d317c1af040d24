"""Signing in by a name that is stored only encrypted and hashed."""

from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client

from learners.auth import HashedLoginBackend
from learners.models import Role, User
from tests.support.learners import make_user

pytestmark = pytest.mark.django_db


def test_it_finds_the_user_however_the_name_is_typed() -> None:
    user = make_user(login="Ada@example.test", password="correct horse")

    assert authenticate(username=" ADA@Example.test ", password="correct horse") == user


@pytest.mark.parametrize(
    ("login", "password"), [("ada@example.test", "wrong"), ("eve@example.test", "right"), ("", "right")]
)
def test_it_refuses_a_wrong_name_or_password(login: str, password: str) -> None:
    make_user(login="ada@example.test", password="right")

    assert authenticate(username=login, password=password) is None


def test_it_refuses_whoever_is_not_active_or_has_no_password() -> None:
    make_user(login="gone@example.test", password="right", is_active=False)
    make_user(login="invited@example.test")

    assert authenticate(username="gone@example.test", password="right") is None
    assert authenticate(username="invited@example.test", password="") is None


@pytest.mark.parametrize("login", ["known@example.test", "unknown@example.test"])
def test_it_hashes_one_password_whether_or_not_the_name_is_known(
    login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_user(login="known@example.test", password="right")
    hashed: list[Any] = []
    encode = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, *args: Any, **kwargs: Any) -> str:
        hashed.append(1)
        return encode(self, *args, **kwargs)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)

    HashedLoginBackend().authenticate(None, username=login, password="wrong")

    assert len(hashed) == 1


def test_it_ends_the_session_of_whoever_is_deactivated(client: Client) -> None:
    user = make_user(Role.ADMIN, password="right")
    client.force_login(user)
    User.objects.filter(pk=user.pk).update(is_active=False)

    assert HashedLoginBackend().get_user(user.pk) is None
    assert client.get("/admin/").status_code == 302
