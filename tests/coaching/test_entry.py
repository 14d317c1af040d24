"""Signing in, and the way to one's own page."""

import pytest
from django.core.cache import cache
from django.test import Client

from coaching.views.entry import TRIES
from learners.models import Role
from tests.support.learners import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_tries_yet() -> None:
    cache.clear()


def test_it_signs_in_by_address_and_password(client: Client) -> None:
    make_user(Role.MANAGER, login="robin@works.example", password="right")

    answer = client.post("/sign-in/", {"login": "Robin@works.example", "password": "right"})

    assert answer.headers["Location"] == "/"
    assert client.get("/").headers["Location"] == "/team/"


def test_it_goes_where_the_person_wanted_but_never_elsewhere(client: Client) -> None:
    make_user(Role.LEARNER, login="robin@works.example", password="right")
    given = {"login": "robin@works.example", "password": "right"}

    assert client.post("/sign-in/", {**given, "next": "/me/history/"}).headers["Location"] == "/me/history/"
    assert client.post("/sign-in/", {**given, "next": "https://evil.example/"}).headers["Location"] == "/"


def test_it_says_the_same_for_a_wrong_password_and_an_unknown_address(client: Client) -> None:
    make_user(Role.LEARNER, login="robin@works.example", password="right")

    known = client.post("/sign-in/", {"login": "robin@works.example", "password": "wrong"})
    unknown = client.post("/sign-in/", {"login": "nobody@works.example", "password": "wrong"})

    assert known.status_code == unknown.status_code == 422
    assert known.context["error"] == unknown.context["error"]


def test_it_asks_for_patience_after_many_tries(client: Client) -> None:
    make_user(Role.LEARNER, login="robin@works.example", password="right")
    for _ in range(TRIES[0]):
        client.post("/sign-in/", {"login": "robin@works.example", "password": "wrong"})

    answer = client.post("/sign-in/", {"login": "robin@works.example", "password": "right"})

    assert answer.status_code == 429
    assert b"many tries" in answer.content


@pytest.mark.parametrize(
    ("roles", "home"),
    [
        ([Role.LEARNER], "/me/"),
        ([Role.MANAGER, Role.LEARNER], "/team/"),
        ([Role.MANAGER, Role.COACH], "/inbox/"),
        ([Role.ADMIN], "/admin/"),
    ],
)
def test_it_sends_each_role_to_its_page(client: Client, roles: list[Role], home: str) -> None:
    client.force_login(make_user(*roles))

    assert client.get("/").headers["Location"] == home


def test_it_tells_somebody_without_a_page(client: Client) -> None:
    client.force_login(make_user(Role.REVIEWER))

    assert client.get("/").status_code == 200


def test_it_signs_out_by_post_only(client: Client) -> None:
    client.force_login(make_user(Role.LEARNER))

    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").status_code == 302
    assert client.get("/me/").headers["Location"].startswith("/sign-in/")


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/inbox/", Role.COACH),
        ("/team/", Role.MANAGER),
        ("/me/", Role.LEARNER),
        ("/me/choices/", Role.LEARNER),
        ("/me/history/", Role.LEARNER),
        ("/me/lessons/spotting-phishing/", Role.LEARNER),
    ],
)
def test_it_refuses_every_other_role(client: Client, path: str, role: Role) -> None:
    client.force_login(make_user(*[other for other in Role if other != role]))

    answer = client.get(path)

    assert answer.status_code == 403
    assert b"not for your role" in answer.content


@pytest.mark.parametrize("path", ["/team/", "/me/", "/me/history/"])
def test_it_refuses_to_change_by_the_wrong_method(client: Client, path: str) -> None:
    client.force_login(make_user(*Role))

    assert client.post(path).status_code in (403, 405)
    assert client.delete(path).status_code in (403, 405)


def test_it_keeps_personal_pages_out_of_caches(client: Client) -> None:
    client.force_login(make_user(Role.MANAGER))

    answer = client.get("/team/")

    assert "no-store" in answer.headers["Cache-Control"]
    assert "HX-Request" in answer.headers["Vary"]
