"""What a coach decides, and what follows from it."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from coaching import casework
from coaching.models import Case, DismissReason, Note, Verdict
from consent import gate
from consent.models import AuditEntry
from consent.scopes import Scope
from interventions.models import Approval, Delivery, Episode, Suppression, Watch
from signals.models import Label
from tests.support.coaching import NOW, Circle, make_approval_case, make_circle, make_escalation_case

pytestmark = pytest.mark.django_db


@pytest.fixture
def circle() -> Circle:
    return make_circle()


def reload(case: Case) -> Case:
    return Case.objects.for_reading().get(pk=case.pk)


def test_it_sends_what_was_approved(circle: Circle) -> None:
    case = make_approval_case(circle)

    casework.approve(case=case, by=circle.coach.pk, version=1, now=NOW)

    assert reload(case).state == Case.State.CLOSED
    assert Approval.objects.get().state == Approval.State.APPROVED
    assert Delivery.objects.filter(decision=case.decision).exists()
    assert Verdict.objects.get().kind == Verdict.Kind.APPROVE


def test_it_takes_another_route(circle: Circle) -> None:
    case = make_approval_case(circle)

    casework.change_route(case=case, action="lesson", by=circle.coach.pk, version=1, now=NOW)

    assert Approval.objects.get(pk=case.decision_id).state == Approval.State.CHANGED
    assert Delivery.objects.get(channel="card").decision.action == "lesson"


def test_it_refuses_a_route_that_needs_a_failed_attempt_and_changes_nothing(circle: Circle) -> None:
    case = make_approval_case(circle)

    with pytest.raises(casework.NotNow):
        casework.change_route(case=case, action="coach", by=circle.coach.pk, version=1, now=NOW)

    assert (reload(case).state, reload(case).version) == (Case.State.OPEN, 1)


def dismiss(case: Case, reason: DismissReason, by: UUID, **more: object) -> None:
    casework.dismiss(case=case, reason=reason, by=by, version=1, now=NOW, **more)  # type: ignore[arg-type]


def test_not_at_risk_becomes_a_label_and_ends_the_episode_without_a_recovery(circle: Circle) -> None:
    case = make_approval_case(circle)

    dismiss(case, DismissReason.NOT_AT_RISK, circle.coach.pk)

    label = Label.objects.get()
    assert (label.value, label.definition, label.as_of) == (False, "needed_help@1", case.decision.at)
    assert Episode.objects.get().end == Episode.End.NOT_NEEDED
    assert Approval.objects.get().state == Approval.State.DECLINED


def test_handled_elsewhere_declines_and_labels_nothing(circle: Circle) -> None:
    case = make_approval_case(circle)

    dismiss(case, DismissReason.HANDLED, circle.coach.pk)

    assert Suppression.objects.get().reason == "declined"
    assert not Label.objects.exists()
    assert Episode.objects.get().closed_at is None


def test_away_looks_at_nothing_until_the_day(circle: Circle) -> None:
    case = make_approval_case(circle)
    until = NOW + timedelta(days=12)

    dismiss(case, DismissReason.AWAY, circle.coach.pk, until=until)

    assert Watch.objects.get(pk=circle.enrolment.pk).review_at == until
    assert Approval.objects.get().state == Approval.State.DECLINED


def test_away_needs_a_day(circle: Circle) -> None:
    case = make_approval_case(circle)

    with pytest.raises(casework.NotNow):
        dismiss(case, DismissReason.AWAY, circle.coach.pk)

    assert reload(case).state == Case.State.OPEN


def test_wrong_data_asks_for_an_identity_review(circle: Circle) -> None:
    case = make_approval_case(circle)

    dismiss(case, DismissReason.WRONG_DATA, circle.coach.pk)

    assert AuditEntry.objects.filter(action="case.identity_review", target_uuid=circle.learner.pk).exists()
    assert Approval.objects.get().state == Approval.State.DECLINED


def test_not_worth_it_keeps_that_the_flag_was_right(circle: Circle) -> None:
    case = make_approval_case(circle)

    dismiss(case, DismissReason.NOT_WORTH_IT, circle.coach.pk)

    assert Label.objects.get().value is True
    assert Verdict.objects.get().flag_was_right is True


def test_asked_to_stop_withdraws_the_consent_to_nudges(circle: Circle) -> None:
    case = make_approval_case(circle)

    dismiss(case, DismissReason.ASKED_TO_STOP, circle.coach.pk)

    assert not gate.allows(circle.learner.pk, Scope.NUDGE)
    assert gate.allows(circle.learner.pk, Scope.COACH)


def test_dismissing_an_escalation_ends_the_episode(circle: Circle) -> None:
    case = make_escalation_case(circle)

    dismiss(case, DismissReason.HANDLED, circle.coach.pk)

    assert Episode.objects.get().end == Episode.End.SETTLED


def test_it_refuses_an_unknown_reason(circle: Circle) -> None:
    case = make_approval_case(circle)

    with pytest.raises(casework.NotNow):
        casework.dismiss(case=case, reason="", by=circle.coach.pk, version=1, now=NOW)


def test_it_shows_the_name_once_accepted_and_audits_that(circle: Circle) -> None:
    case = make_escalation_case(circle)
    assert case.called(circle.coach.pk) == circle.learner.pseudonym

    casework.accept(case=case, by=circle.coach.pk, version=1, now=NOW)

    assert reload(case).called(circle.coach.pk) == circle.learner.name
    assert reload(case).called(circle.manager.pk) == circle.learner.pseudonym
    assert AuditEntry.objects.filter(action="case.name_revealed", actor_uuid=circle.coach.pk).count() == 1


def test_taking_on_a_waiting_step_means_it_is_not_sent(circle: Circle) -> None:
    case = make_approval_case(circle)

    casework.accept(case=case, by=circle.coach.pk, version=1, now=NOW)

    assert Approval.objects.get().state == Approval.State.DECLINED
    assert reload(case).state == Case.State.ACCEPTED


def test_closing_answers_two_questions_apart(circle: Circle) -> None:
    case = make_escalation_case(circle)
    casework.accept(case=case, by=circle.coach.pk, version=1, now=NOW)

    casework.close(
        case=reload(case),
        by=circle.coach.pk,
        version=2,
        now=NOW,
        flag_was_right=True,
        action_helped=False,
        recovered=False,
    )

    verdict = Verdict.objects.get(kind="close")
    assert (verdict.flag_was_right, verdict.action_helped) == (True, False)
    assert Label.objects.get().value is True
    assert Episode.objects.get().end == Episode.End.SETTLED


@pytest.mark.parametrize("days", [-1, 0, 31])
def test_it_snoozes_thirty_days_at_most(circle: Circle, days: int) -> None:
    case = make_approval_case(circle)

    with pytest.raises(casework.NotNow):
        casework.snooze(case=case, until=NOW + timedelta(days=days), by=circle.coach.pk, version=1, now=NOW)


def test_the_second_of_two_coaches_changes_nothing_and_is_told(circle: Circle) -> None:
    case = make_approval_case(circle)
    other = make_circle().coach
    casework.accept(case=case, by=other.pk, version=1, now=NOW)

    with pytest.raises(casework.StaleVersion) as stale:
        casework.approve(case=case, by=circle.coach.pk, version=1, now=NOW + timedelta(minutes=1))

    assert stale.value.verdict is not None
    assert (stale.value.verdict.by, stale.value.verdict.kind) == (other.pk, "accept")
    assert Verdict.objects.count() == 1


def test_a_note_is_kept_without_a_version(circle: Circle) -> None:
    case = make_approval_case(circle)

    casework.note(case=case, text="  Called, nobody there. ", by=circle.coach.pk, now=NOW)

    assert Note.objects.get().text == "Called, nobody there."


def test_the_database_holds_one_open_case_per_learner_and_course(circle: Circle) -> None:
    case = make_approval_case(circle)

    with pytest.raises(IntegrityError, match="one_open_case_per_learner_and_course"), transaction.atomic():
        Case.objects.create(
            enrolment=case.enrolment,
            episode=case.episode,
            decision=case.decision,
            is_escalation=False,
            opened_at=NOW,
            due_at=NOW,
        )


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"state": "closed"}, "a_case_closes_at_a_time"),
        ({"state": "snoozed"}, "a_snoozed_case_comes_back"),
    ],
)
def test_the_database_refuses_half_a_state(circle: Circle, change: dict[str, str], constraint: str) -> None:
    case = make_approval_case(circle)

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Case.objects.filter(pk=case.pk).update(**change)


def test_the_database_refuses_a_dismissal_without_reason(circle: Circle) -> None:
    case = make_approval_case(circle)

    with pytest.raises(IntegrityError, match="a_dismissal_has_one_of_the_six_reasons"), transaction.atomic():
        Verdict.objects.create(case=case, kind="dismiss", by=circle.coach.pk, at=NOW)
