"""An open page listens for one word, which changes when somebody it may show withdraws."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from redis.exceptions import RedisError

from coaching import open_pages
from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from tests.support.coaching import NOW, Circle, make_circle

pytestmark = pytest.mark.django_db


@pytest.fixture
def circle() -> Circle:
    return make_circle()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A cache of the test's own."""
    words: dict[str, str] = {}
    monkeypatch.setattr(cache, "get", lambda key, default=None: words.get(key, default))
    monkeypatch.setattr(cache, "set_many", lambda said, timeout: words.update(said))
    yield words


def names(circle: Circle) -> list[str]:
    of_role = open_pages.of_role
    return [open_pages.of_learner(circle.learner.pk), of_role("managers"), of_role("coaches")]


def test_its_word_changes_for_the_person_for_managers_and_for_coaches(
    circle: Circle, kept: dict[str, str], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    stranger = open_pages.of_learner(make_circle().learner.pk)
    before = [open_pages.word(name) for name in names(circle)]

    with django_capture_on_commit_callbacks(execute=True):
        record.withdraw(subject=circle.learner.pk, scope=Scope.MANAGER, by=SYSTEM, now=NOW)

    after = [open_pages.word(name) for name in names(circle)]
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert open_pages.word(stranger) == open_pages.NEVER


def test_nothing_changes_before_the_withdrawal_is_committed_or_by_a_yes(
    circle: Circle, kept: dict[str, str], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    record.withdraw(subject=circle.learner.pk, scope=Scope.NUDGE, by=SYSTEM, now=NOW)
    assert not kept

    with django_capture_on_commit_callbacks(execute=True):
        record.grant(subject=circle.learner.pk, scope=Scope.NUDGE, by=SYSTEM, now=NOW)

    assert not kept


def test_it_asks_no_database_even_for_somebody_who_is_signed_in(
    client: Client, circle: Circle, kept: dict[str, str], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    name = open_pages.of_learner(circle.learner.pk)
    kept[f"open-pages:{name}"] = "changed"

    with django_assert_num_queries(0):
        answer = client.get(f"/open-pages/{name}/")  # the page's script sends no cookie

    assert answer.content == b"changed"
    assert answer.headers["Cache-Control"] == "no-store"


def test_it_says_nothing_where_the_cache_cannot_be_asked(
    client: Client, circle: Circle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise RedisError

    monkeypatch.setattr(cache, "get", lost)
    monkeypatch.setattr(cache, "set_many", lost)

    answer = client.get(f"/open-pages/{open_pages.of_role('coaches')}/")
    open_pages.on_withdrawn(subject=circle.learner.pk)

    assert (answer.status_code, answer.content) == (204, b"")


def test_only_the_pages_that_may_show_the_card_may_ask_from_elsewhere(
    client: Client, kept: dict[str, str], settings: Any
) -> None:
    settings.CARD_ORIGINS = ["https://lms.example"]

    said = [
        client.get("/open-pages/x/", headers={"Origin": origin}).headers.get("Access-Control-Allow-Origin")
        for origin in ("https://lms.example", "https://elsewhere.example")
    ]

    assert said == ["https://lms.example", None]


@pytest.mark.parametrize(("path", "who"), [("/me/", "account"), ("/team/", "manager"), ("/inbox/", "coach")])
def test_a_page_carries_what_it_listens_to(client: Client, circle: Circle, path: str, who: str) -> None:
    client.force_login(getattr(circle, who))

    page = client.get(path).content.decode()

    expected = dict(zip(("account", "manager", "coach"), names(circle), strict=True))[who]
    assert f'data-listens-to="/open-pages/{expected}/"' in page
    assert 'data-heard="' in page
