"""The coach's inbox, as seen and used."""

from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from time_machine import travel

from coaching import casework, inbox
from coaching.models import Case, Note
from coaching.templatetags.rekindle import when
from consent import record
from consent.actors import SYSTEM
from consent.models import AuditEntry
from consent.scopes import Scope
from interventions.models import Escalation
from learners import access
from learners.models import UnitCoach
from tests.coaching.parts import HTMX, fragment, main_part
from tests.support.coaching import (
    NOW,
    Circle,
    make_approval_case,
    make_circle,
    make_decision,
    make_escalation_case,
)
from tests.support.learners import make_coach, make_unit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now_is")]


@pytest.fixture
def now_is() -> object:
    with travel(NOW + timedelta(minutes=5), tick=False):
        yield


def test_it_lists_what_needs_a_decision_under_a_pseudonym(coach: Client, circle: Circle) -> None:
    make_approval_case(circle)

    page = coach.get("/inbox/").content.decode()

    assert circle.learner.pseudonym in page
    assert "Robin Fielding" not in page
    assert "24 h left" in page
    assert "Quiet for longer than usual" in page


def test_it_tells_the_whole_story_of_a_case(coach: Client, circle: Circle) -> None:
    case = make_escalation_case(circle)

    page = coach.get(f"/inbox/{case.pk}/").content.decode()

    assert "showed no improvement" in page  # the proof
    assert "Delivered on the learner&#x27;s page" in page
    assert 'class="used"' in page  # the cell of the matrix
    assert "0 of 2 alerts used" in page
    assert f"due {when(case.due_at)}" in page


def test_it_hides_other_coaches_cases(coach: Client) -> None:
    case = make_approval_case(make_circle())

    assert coach.get(f"/inbox/{case.pk}/").status_code == 404
    assert coach.post(f"/inbox/{case.pk}/", {"decision": "approve", "version": 1}).status_code == 404
    assert Case.objects.get().state == Case.State.OPEN


def test_it_hides_a_coachs_own_case(client: Client, circle: Circle) -> None:
    case = make_approval_case(circle)
    circle.account.roles = ["learner", "coach"]
    circle.account.save()
    client.force_login(circle.account)

    assert client.get(f"/inbox/{case.pk}/").status_code == 404


def test_it_hides_who_refuses_coaches_at_once(coach: Client, circle: Circle) -> None:
    case = make_approval_case(circle)
    record.withdraw(subject=circle.learner.pk, scope=Scope.COACH, by=SYSTEM, now=NOW)

    assert coach.get(f"/inbox/{case.pk}/").status_code == 404
    assert circle.learner.pseudonym not in coach.get("/inbox/?view=done").content.decode()


def test_it_changes_nothing_without_a_case(coach: Client) -> None:
    assert coach.post("/inbox/", {"decision": "approve"}).status_code == 405


def test_it_opens_the_next_case_after_a_decision(coach: Client, circle: Circle) -> None:
    first = make_approval_case(circle)
    second = make_approval_case(make_circle(coach=circle.coach), now=NOW + timedelta(minutes=1))

    answer = coach.post(f"/inbox/{first.pk}/?view=needs", {"decision": "approve", "version": 1})

    assert answer.headers["Location"] == f"/inbox/{second.pk}/?view=needs"
    assert Case.objects.get(pk=first.pk).state == Case.State.CLOSED


def test_its_part_is_the_same_as_the_page(coach: Client, circle: Circle) -> None:
    first = make_approval_case(circle)
    make_approval_case(make_circle(coach=circle.coach), now=NOW + timedelta(minutes=1))

    answer = coach.post(f"/inbox/{first.pk}/?view=needs", {"decision": "approve", "version": 1}, headers=HTMX)
    page = coach.get(answer.headers["HX-Push-Url"])

    assert fragment(answer.content.decode()) == main_part(page.content.decode())
    assert "1 left to decide" in answer.content.decode()


def test_it_answers_a_stale_version_with_who_was_first_and_keeps_the_text(
    coach: Client, circle: Circle
) -> None:
    case = make_escalation_case(circle)
    maria = make_coach(name="Maria Keller")
    casework.accept(case=case, by=maria.pk, version=1, now=NOW)

    answer = coach.post(
        f"/inbox/{case.pk}/", {"decision": "accept", "version": 1, "note": "My own thought"}, headers=HTMX
    )

    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Maria Keller</strong> was first: took it on, Mon 2 Mar, 10:00" in page
    assert "My own thought</textarea>" in page
    assert Case.objects.get().assignee_id == maria.pk


def test_it_asks_for_a_reason_and_keeps_the_text(coach: Client, circle: Circle) -> None:
    case = make_approval_case(circle)

    answer = coach.post(f"/inbox/{case.pk}/", {"decision": "dismiss", "version": 1, "note": "Hm"})

    assert answer.status_code == 422
    assert b"one of the six reasons" in answer.content
    assert b"Hm</textarea>" in answer.content


def test_enter_in_a_field_decides_nothing(coach: Client, circle: Circle) -> None:
    """Browsers press the first button of a form then: it must not be the one that approves."""
    case = make_approval_case(circle)
    page = coach.get(f"/inbox/{case.pk}/").content.decode()
    form = page[page.index('<form class="decide"') :]

    first = form[form.index("<button") :][:80]
    answer = coach.post(f"/inbox/{case.pk}/", {"decision": "none", "version": 1})

    assert 'value="none"' in first
    assert answer.status_code == 422
    assert Case.objects.get().version == 1


def test_it_shows_the_name_after_taking_on(coach: Client, circle: Circle) -> None:
    case = make_escalation_case(circle)

    answer = coach.post(
        f"/inbox/{case.pk}/", {"decision": "accept", "version": 1, "note": "Will call"}, headers=HTMX
    )

    assert "Robin Fielding" in answer.content.decode()
    assert Note.objects.get().text == "Will call"


@pytest.mark.parametrize(("choice", "days"), [("tomorrow", 1), ("days", 3), ("week", 7)])
def test_it_snoozes(coach: Client, circle: Circle, choice: str, days: int) -> None:
    case = make_approval_case(circle)

    coach.post(f"/inbox/{case.pk}/", {"decision": "snooze", "version": 1, "snooze": choice})

    until = Case.objects.get().snoozed_until
    assert until is not None
    assert (until - NOW).days + 1 == days


def test_it_closes_with_two_answers(coach: Client, circle: Circle) -> None:
    case = make_escalation_case(circle)
    casework.accept(case=case, by=circle.coach.pk, version=1, now=NOW)

    coach.post(f"/inbox/{case.pk}/", {"decision": "close", "version": 2, "flag": "yes", "recovered": "on"})

    verdict = Case.objects.get().verdicts.get(kind="close")
    assert (verdict.flag_was_right, verdict.action_helped) == (True, None)
    assert Case.objects.get().episode.end == "recovered"


@pytest.mark.parametrize("view", ["needs", "mine", "snoozed", "working", "done", "nonsense"])
def test_it_has_something_to_say_in_every_view(coach: Client, view: str) -> None:
    assert coach.get(f"/inbox/?view={view}").status_code == 200


def test_it_audits_what_was_read_in_one_row(coach: Client, circle: Circle) -> None:
    make_approval_case(circle)
    make_approval_case(make_circle(coach=circle.coach))

    coach.get("/inbox/")

    entry = AuditEntry.objects.get(action="inbox.read")
    assert entry.actor_uuid == circle.coach.pk


def test_it_asks_the_database_the_same_number_of_times_however_long_the_list(
    coach: Client, circle: Circle
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            coach.get("/inbox/")
        return len(captured)

    make_approval_case(circle)
    few = queries()
    for number in range(6):
        make_approval_case(make_circle(coach=circle.coach), now=NOW + timedelta(minutes=number))

    assert queries() == few


class TestWhyNotSomethingElse:
    """From the case to the page that tells every decision about the learner, for whoever may open that page."""

    def link(self, circle: Circle) -> str:
        return f'href="/why-not/{circle.learner.pk}/"'

    def test_it_leads_where_the_coach_may_go(self, coach: Client, circle: Circle) -> None:
        case = make_approval_case(circle)

        assert self.link(circle) in coach.get(f"/inbox/{case.pk}/").content.decode()
        assert coach.get(f"/why-not/{circle.learner.pk}/").status_code == 200

    def test_it_leads_nowhere_for_who_refuses_coaches_but_asked_for_a_person(
        self, coach: Client, circle: Circle
    ) -> None:
        decision = make_decision(circle.enrolment, action="coach", reasons=["learner_asked"])
        assert decision.episode_id is not None
        Escalation.objects.create(
            decision=decision, episode_id=decision.episode_id, exemption="learner_asked", at=NOW
        )
        inbox.collect(now=NOW)
        case = Case.objects.get()
        record.withdraw(subject=circle.learner.pk, scope=Scope.COACH, by=SYSTEM, now=NOW)

        answer = coach.get(f"/inbox/{case.pk}/")

        assert answer.status_code == 200
        assert self.link(circle) not in answer.content.decode()
        assert coach.get(f"/why-not/{circle.learner.pk}/").status_code == 404

    def test_it_leads_nowhere_for_who_only_helps_in_the_unit(self, client: Client, circle: Circle) -> None:
        unit = make_unit()
        circle.learner.unit = unit
        circle.learner.save(update_fields=["unit"])
        helper = make_coach()
        UnitCoach.objects.create(unit=unit, user=helper)
        case = make_approval_case(circle)
        client.force_login(helper)

        answer = client.get(f"/inbox/{case.pk}/")

        assert answer.status_code == 200
        assert (self.link(circle) in answer.content.decode()) == (
            client.get(f"/why-not/{circle.learner.pk}/").status_code == 200
        )


def test_it_finds_out_once_who_is_in_the_coachs_care(
    coach: Client, circle: Circle, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_approval_case(circle)
    find = Mock(wraps=access.in_care_of)
    monkeypatch.setattr(access, "in_care_of", find)

    page = coach.get("/inbox/").content.decode()

    assert circle.learner.pseudonym in page
    assert find.call_count == 1  # a dozen queries over everybody below the coach
