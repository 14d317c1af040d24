"""What a reason rests on: who may read it, and that reading it is noted."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from time_machine import travel

from coaching import casework
from coaching.models import Case
from consent import record
from consent.actors import SYSTEM
from consent.models import AuditEntry
from consent.scopes import Scope
from learners.models import Role, User
from signals.features.refresh import refresh
from tests.support.coaching import NOW, Circle, allow, make_circle, make_escalation_case
from tests.support.journey import Journey
from tests.support.learners import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now_is")]


@pytest.fixture
def now_is() -> Iterator[None]:
    with travel(NOW + timedelta(days=1), tick=False):
        yield


@pytest.fixture
def journey() -> Journey:
    made = Journey(now=NOW)
    allow(made.learner)
    return made


@pytest.fixture
def sent(journey: Journey) -> dict[str, Any]:
    """A statement of the learner's, and what follows from it."""
    statement = journey.does("scored", score={"scaled": 0.35})
    refresh(now=NOW + timedelta(hours=1))
    return statement


@pytest.fixture
def account(journey: Journey) -> User:
    return User.objects.get(learner=journey.learner)


def case_of(journey: Journey, account: User) -> Case:
    return make_escalation_case(
        Circle(journey.learner, account, journey.manager, journey.coach, journey.enrolment)
    )


def test_a_learner_reads_what_a_reason_rests_on(
    client: Client, journey: Journey, account: User, sent: dict[str, Any]
) -> None:
    client.force_login(account)

    page = client.get(f"/me/courses/{journey.enrolment.pk}/evidence/results/?feature=mastery")

    text = page.content.decode()
    assert "Mean of the last five scores" in text and "35 %" in text
    assert "35 of 100 points" in text
    assert f"/me/statements/{sent['id']}/" in text
    assert not AuditEntry.objects.filter(action="evidence.read").exists()


def test_their_page_leads_there(
    client: Client, journey: Journey, account: User, sent: dict[str, Any]
) -> None:
    client.force_login(account)

    page = client.get("/me/").content.decode()

    assert f'href="/me/courses/{journey.enrolment.pk}/evidence/results/"' in page


def test_a_learner_reads_their_own_statement_as_it_was_sent(
    client: Client, account: User, sent: dict[str, Any]
) -> None:
    client.force_login(account)

    page = client.get(f"/me/statements/{sent['id']}/").content.decode()

    assert "adlnet.gov/expapi/verbs/scored" in page


def test_nobody_reads_anothers_evidence_as_their_own(
    client: Client, journey: Journey, sent: dict[str, Any]
) -> None:
    client.force_login(make_circle().account)

    assert client.get(f"/me/courses/{journey.enrolment.pk}/evidence/results/").status_code == 404
    assert client.get(f"/me/statements/{sent['id']}/").status_code == 404


def test_it_shows_nothing_once_the_learner_refuses(
    client: Client, journey: Journey, account: User, sent: dict[str, Any]
) -> None:
    client.force_login(account)
    record.withdraw(subject=journey.learner.pk, scope=Scope.PROFILE, by=SYSTEM, now=NOW)

    assert client.get(f"/me/courses/{journey.enrolment.pk}/evidence/results/").status_code == 404


def test_a_coach_reads_it_on_a_case_they_have_taken_on(
    client: Client, journey: Journey, account: User, sent: dict[str, Any]
) -> None:
    case = case_of(journey, account)
    casework.accept(case=case, by=journey.coach.pk, version=case.version, now=NOW)
    client.force_login(journey.coach)

    page = client.get(f"/inbox/{case.pk}/evidence/results/").content.decode()

    assert "Robin Fielding" in page and "35 of 100 points" in page
    assert sent["id"] not in page
    assert AuditEntry.objects.filter(action="evidence.read").count() == 1


def test_a_coach_reads_nothing_before_that(
    client: Client, journey: Journey, account: User, sent: dict[str, Any]
) -> None:
    case = case_of(journey, account)
    client.force_login(journey.coach)

    assert client.get(f"/inbox/{case.pk}/evidence/results/").status_code == 403


def test_another_coach_finds_nothing(client: Client, journey: Journey, account: User) -> None:
    case = case_of(journey, account)
    client.force_login(make_circle().coach)

    assert client.get(f"/inbox/{case.pk}/evidence/results/").status_code == 404


def test_a_manager_gets_sentences_only(client: Client, journey: Journey, account: User) -> None:
    case = case_of(journey, account)
    client.force_login(journey.manager)

    assert client.get(f"/inbox/{case.pk}/evidence/results/").status_code == 403
    assert client.get(f"/me/courses/{journey.enrolment.pk}/evidence/results/").status_code == 403


@pytest.mark.parametrize("signal", ["background", "nothing"])
def test_what_is_never_told_has_no_page(client: Client, journey: Journey, account: User, signal: str) -> None:
    client.force_login(account)

    assert client.get(f"/me/courses/{journey.enrolment.pk}/evidence/{signal}/").status_code == 404


def test_a_steward_reads_the_statement_and_that_is_noted(client: Client, sent: dict[str, Any]) -> None:
    client.force_login(make_user(Role.ADMIN, Role.STEWARD))

    page = client.get(f"/statements/{sent['id']}/").content.decode()

    assert "adlnet.gov/expapi/verbs/scored" in page
    assert AuditEntry.objects.filter(action="statement.read").count() == 1


@pytest.mark.parametrize("role", [Role.ADMIN, Role.COACH, Role.MANAGER])
def test_nobody_else_reads_a_statement(client: Client, sent: dict[str, Any], role: Role) -> None:
    client.force_login(make_user(role))

    assert client.get(f"/statements/{sent['id']}/").status_code == 403


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_is_for_reading_only(client: Client, journey: Journey, account: User, method: str) -> None:
    client.force_login(account)

    assert getattr(client, method)(f"/me/courses/{journey.enrolment.pk}/evidence/results/").status_code == 405
