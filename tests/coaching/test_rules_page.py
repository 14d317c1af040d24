"""The review board's page about rules that look at something close to a protected attribute."""

from typing import Any

import pytest
from django.test import Client

from interventions.models import Rule
from learners.models import Role
from tests.support.interventions import make_rule
from tests.support.learners import make_user

pytestmark = pytest.mark.django_db
JOINED = {"clauses": [{"fact": "days_since_joining", "op": "below", "value": 30}]}
WORDS = "days since starting to work here below 30"


@pytest.fixture
def reviewer(client: Client) -> Client:
    client.force_login(make_user(Role.REVIEWER))
    return client


def waiting(**fields: Any) -> Rule:
    Rule.objects.filter(state="draft").delete()
    return make_rule(
        state="draft", when=JOINED, needs_review=True, review_reasons=["It goes with age."], **fields
    )


def test_it_shows_what_waits_and_why(reviewer: Client) -> None:
    waiting()

    page = reviewer.get("/review/rules/").content.decode()

    assert WORDS in page
    assert "It goes with age." in page
    assert "The board says yes" in page


def test_it_records_the_yes(reviewer: Client) -> None:
    rule = waiting()

    reviewer.post(f"/review/rules/{rule.pk}/", {"words": WORDS})

    rule.refresh_from_db()
    assert rule.reviewed_by is not None
    assert "No rule waits for the board" in reviewer.get("/review/rules/").content.decode()


def test_it_takes_no_yes_to_what_was_changed_meanwhile(reviewer: Client) -> None:
    rule = waiting()

    reviewer.post(f"/review/rules/{rule.pk}/", {"words": "something else"})

    rule.refresh_from_db()
    assert rule.reviewed_at is None


def test_it_takes_no_yes_from_the_author(client: Client) -> None:
    author = make_user(Role.REVIEWER)
    client.force_login(author)
    rule = waiting(created_by=author.pk)

    assert "You wrote it" in client.get("/review/rules/").content.decode()
    client.post(f"/review/rules/{rule.pk}/", {"words": WORDS})

    rule.refresh_from_db()
    assert rule.reviewed_at is None


@pytest.mark.parametrize("role", [Role.ADMIN, Role.COACH, Role.MANAGER, Role.LEARNER])
def test_it_is_the_boards_alone(client: Client, role: str) -> None:
    client.force_login(make_user(role))
    rule = waiting()

    assert client.get("/review/rules/").status_code == 403
    assert client.post(f"/review/rules/{rule.pk}/", {"words": WORDS}).status_code == 403


def test_it_is_not_said_by_reading(reviewer: Client) -> None:
    assert reviewer.get(f"/review/rules/{waiting().pk}/").status_code == 405
