"""The embedded card: a pass for one learner, for ten minutes, from the pages that may."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from time_machine import travel

from consent import audit, record
from consent.actors import SYSTEM
from consent.scopes import Scope
from interventions import tokens
from interventions.models import Answer, ApiToken, Approval
from tests.coaching.api.conftest import Api, asking
from tests.support.coaching import NOW, Circle, make_card, make_circle, make_decision

pytestmark = pytest.mark.django_db
Make = Callable[..., Api]
LMS = "https://lms.example"


@pytest.fixture
def card(client: Client, api: Make, circle: Circle) -> Api:
    """The learner's browser, with a pass that the LMS's server got."""
    made = api("card")("card-passes/", {"learner": str(circle.learner.pk)})
    assert made.status_code == 201
    return asking(client, made.json()["token"])


def test_it_shows_the_learners_suggestions_in_their_language(card: Api, circle: Circle) -> None:
    circle.learner.language = "de"
    circle.learner.save(update_fields=["language"])
    make_card(make_decision(circle.enrolment))
    make_card(make_decision(make_circle().enrolment))

    told = card("card/").json()

    assert len(told["suggestions"]) == 1
    assert told["words"]["not_now"] == "Jetzt nicht"
    assert audit.about(circle.learner.pk).filter(action="api.read.card").exists()


@pytest.mark.parametrize(("was_approved", "told"), [(True, "Ein Mensch hat"), (False, "Das ging von selbst")])
def test_it_tells_whether_a_person_looked_at_it_before(
    card: Api, circle: Circle, was_approved: bool, told: str
) -> None:
    circle.learner.language = "de"
    circle.learner.save(update_fields=["language"])
    decision = make_decision(circle.enrolment)
    make_card(decision)
    if was_approved:
        Approval.objects.create(decision=decision, asked_at=NOW, state="approved", answered_at=NOW)

    assert card("card/").json()["suggestions"][0]["looked_at"].startswith(told)


def test_it_keeps_an_answer(card: Api, circle: Circle) -> None:
    decision = make_decision(circle.enrolment)
    make_card(decision)

    answer = card(f"card/{decision.pk}/answer/", {"kind": "did_it"})

    assert answer.status_code == 200
    assert Answer.objects.get().kind == "did_it"


def test_it_reaches_nobody_elses_suggestion_and_nothing_else(card: Api, circle: Circle) -> None:
    other = make_decision(make_circle().enrolment)
    make_card(other)

    assert card(f"card/{other.pk}/answer/", {"kind": "did_it"}).status_code == 404
    assert card(f"learners/{circle.learner.pk}/suggestions/").status_code == 401


def test_a_token_is_no_pass(api: Make) -> None:
    assert api("card")("card/").status_code == 401


def test_it_ends_after_ten_minutes(card: Api) -> None:
    with travel(NOW + timedelta(minutes=10), tick=False):
        assert card("card/").status_code == 401


def test_it_ends_with_the_token_it_was_made_with(card: Api) -> None:
    tokens.revoke(name=ApiToken.objects.get().name, by=SYSTEM, now=NOW)

    assert card("card/").status_code == 401


def test_it_is_empty_at_once_where_the_learner_refuses(card: Api, circle: Circle) -> None:
    make_card(make_decision(circle.enrolment))
    record.withdraw(subject=circle.learner.pk, scope=Scope.NUDGE, by=SYSTEM, now=NOW)

    answer = card("card/")

    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:rekindle:problem:consent-refused"


def test_it_answers_pages_of_the_listed_origins_only(card: Api, settings: Any) -> None:
    settings.CARD_ORIGINS = [LMS]

    assert card("card/", Origin=LMS).headers["Access-Control-Allow-Origin"] == LMS
    assert "Access-Control-Allow-Origin" not in card("card/", Origin="https://evil.example").headers
    assert "Origin" in card("card/", Origin=LMS).headers["Vary"]


def test_a_browser_may_ask_beforehand_without_a_pass(client: Client, settings: Any) -> None:
    settings.CARD_ORIGINS = [LMS]

    answer = client.options(
        "/api/v1/card/",
        headers={
            "Origin": LMS,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization",
        },
    )

    assert answer.status_code == 204
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"]


def test_nothing_else_of_the_api_answers_another_page(api: Make, settings: Any) -> None:
    settings.CARD_ORIGINS = [LMS]

    assert "Access-Control-Allow-Origin" not in api("policy:read")("policy/", Origin=LMS).headers


@pytest.mark.parametrize(("origins", "allowed"), [([], "'none'"), ([LMS], LMS)])
def test_its_frame_says_who_may_frame_it(
    client: Client, settings: Any, origins: list[str], allowed: str
) -> None:
    settings.CARD_ORIGINS = origins

    answer = client.get("/embed/card/")

    assert answer.headers["Content-Security-Policy"].endswith(f"frame-ancestors {allowed}")
    assert "X-Frame-Options" not in answer.headers
    assert client.get("/sign-in/").headers["X-Frame-Options"] == "DENY"


def test_a_pass_is_for_somebody_who_is_here(api: Make) -> None:
    ask = api("card")

    assert ask("card-passes/", {"learner": "00000000-0000-4000-8000-000000000000"}).status_code == 404
    assert ask("card-passes/", {"learner": "robin"}).status_code == 400
