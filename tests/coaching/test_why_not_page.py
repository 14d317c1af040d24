"""“Why not?”: the one reason for each decision, at any moment, for those who may ask."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from time_machine import travel

from coaching import why_not
from coaching.why_not_words import CHANGES, NEVER, NOTHING, STEPS, WHY
from consent import record
from consent.actors import SYSTEM
from consent.models import AuditEntry
from consent.scopes import Scope
from interventions.models import Approval, Decision, Hold, Suppression
from interventions.policy import store
from interventions.wordlist import REASONS
from learners.models import Enrolment, Role
from signals.models import Risk
from tests.support.coaching import NOW, Circle, make_card, make_decision
from tests.support.learners import (
    make_coach,
    make_course,
    make_enrolment,
    make_learner,
    make_manager,
    make_user,
)
from tests.support.models import make_version

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now_is")]


@pytest.fixture
def now_is() -> Iterator[None]:
    with travel(NOW, tick=False):
        yield


@pytest.fixture
def coach(client: Client, circle: Circle) -> Client:
    client.force_login(circle.coach)
    return client


def page(client: Client, circle: Circle, **asked: str) -> str:
    return client.get(f"/why-not/{circle.learner.pk}/", asked).content.decode()


def looked(enrolment: Enrolment, *reasons: str, hours_ago: float = 1, **fields: Any) -> Decision:
    """A decision to do nothing."""
    return Decision.objects.create(
        enrolment=enrolment,
        policy=store.live(),
        action="monitor",
        reasons=list(reasons),
        known_seq=0,
        at=NOW - timedelta(hours=hours_ago),
        snapshot={},
        **fields,
    )


def not_sent(decision: Decision, reason: str, **fields: Any) -> None:
    Suppression.objects.create(decision=decision, reason=reason, at=decision.at, **fields)
    Decision.objects.filter(pk=decision.pk).update(lapsed_at=decision.at)


def standing(circle: Circle, *, hours_ago: float = 0) -> list[why_not.Told]:
    return why_not.why_not(circle.learner, at=NOW - timedelta(hours=hours_ago), language="en").standing


@pytest.mark.parametrize(
    ("reason", "why", "change"),
    [
        ("no_trigger", "Nothing calls for a step now.", "One of the policy"),
        ("not_in_pilot", "not part of the pilot", "take this course into the pilot"),
        ("too_little_known", "Too little is known", "More has to be known"),
        ("no_consent", "is switched off", "would have to allow"),
        ("not_worth_it", "cost more than it is likely to bring", "above the cost"),
        ("busy_week:Quarter close", "business-critical week: Quarter close.", "has to be over"),
        ("leave:", "on leave", "has to be over"),
    ],
)
def test_it_says_why_nothing_was_done_and_what_would_have_to_change(
    coach: Client, circle: Circle, reason: str, why: str, change: str
) -> None:
    looked(circle.enrolment, reason)

    shown = page(coach, circle)

    assert why in shown
    assert change in shown


def test_it_names_what_took_the_last_place(coach: Client, circle: Circle) -> None:
    winner = make_decision(
        make_enrolment(learner=circle.learner, course=make_course(name="Fire safety")), action="lesson"
    )
    not_sent(make_decision(circle.enrolment, now=NOW - timedelta(hours=1)), "outbid", lost_to=winner)

    assert "went to something worth more: Short lesson, Fire safety." in page(coach, circle)


def test_it_tells_how_a_step_stood_at_each_moment(circle: Circle) -> None:
    decision = make_decision(circle.enrolment, now=NOW - timedelta(hours=9))
    Approval.objects.create(
        decision=decision,
        state="approved",
        asked_at=NOW - timedelta(hours=9),
        answered_at=NOW - timedelta(hours=7),
        answered_by=circle.coach.pk,
    )
    Hold.objects.create(
        decision=decision,
        reason="busy_week",
        name="Stocktaking",
        since=NOW - timedelta(hours=7),
        until=NOW - timedelta(hours=4),
    )
    make_card(decision, now=NOW - timedelta(hours=2))

    def key(hours_ago: float) -> str:
        return standing(circle, hours_ago=hours_ago)[0].key

    assert [key(10), key(8), key(6), key(1)] == ["never_known", "waits_for_yes", "held", "sent"]
    assert "Stocktaking" in standing(circle, hours_ago=6)[0].why


@pytest.mark.parametrize(
    ("situation", "key"),
    [
        ("nothing", "never_known"),
        ("no_consent", "no_consent"),
        ("not_in_pilot", "not_in_pilot"),
        ("too_little_known", "too_little_known"),
        ("known", "never_looked"),
        ("no_enrolment", "no_enrolment"),
    ],
)
def test_it_says_why_nothing_was_ever_evaluated(circle: Circle, situation: str, key: str) -> None:
    if situation == "no_consent":
        record.withdraw(subject=circle.learner.pk, scope=Scope.PROFILE, by=SYSTEM, now=NOW)
    if situation == "not_in_pilot":
        wanted = {"pilot_courses": [make_course().iri]}
        draft = store.draft_from_live(by=None, now=NOW, changes=wanted)
        store.go_live(policy=draft, by=None, now=NOW, reason="One course")
    if situation in ("too_little_known", "known"):
        Risk.objects.create(
            enrolment=circle.enrolment,
            value=0.2 if situation == "known" else None,
            coverage=0.8 if situation == "known" else 0.2,
            known_signals=2,
            reasons=[],
            model_version=make_version("made-up", now=NOW),
            as_of=NOW,
            known_seq=0,
        )
    if situation == "no_enrolment":
        Enrolment.objects.all().delete()

    (told,) = standing(circle)

    assert (told.key, told.what) == (key, "Never evaluated")
    assert told.why and told.change


def test_it_tells_the_same_reason_in_a_row_once(circle: Circle) -> None:
    for hours in (1, 2, 3):
        looked(circle.enrolment, "no_trigger", hours_ago=hours)
    looked(circle.enrolment, "improving", hours_ago=4)

    before = why_not.why_not(circle.learner, at=NOW, language="en").before

    assert [(one.key, one.times) for one in before] == [("no_trigger", 3), ("improving", 1)]
    assert (before[0].at, before[0].until) == (NOW - timedelta(hours=3), NOW - timedelta(hours=1))


def test_it_shows_the_sum_to_coaches_and_not_to_learners(client: Client, circle: Circle) -> None:
    worth = {"action": "nudge", "lift": 0.01, "value": 1200, "cost": 0.5, "expected": 11.5}
    make_decision(circle.enrolment, eligible=[worth], now=NOW - timedelta(hours=1))
    total = "1.0% ± 2.0% × 1200 min − 0.5 min = 11.5 min; pays with 68% (lift: a stated prior)"

    client.force_login(circle.coach)
    assert total in page(client, circle)
    client.force_login(circle.account)
    assert "1200 min" not in client.get("/me/why-not/").content.decode()


def test_it_shows_learners_their_own_in_their_language(client: Client, circle: Circle) -> None:
    looked(circle.enrolment, "no_trigger")
    circle.learner.language = "de"
    circle.learner.save(update_fields=["language"])
    client.force_login(circle.account)

    assert "Im Moment ist nichts nötig." in client.get("/me/why-not/").content.decode()


def test_it_shows_coaches_a_pseudonym_only_and_notes_that_they_looked(coach: Client, circle: Circle) -> None:
    shown = page(coach, circle) + coach.get("/why-not/").content.decode()

    assert circle.learner.pseudonym in shown
    assert circle.learner.name not in shown
    assert {"why_not.read", "why_not.list"} <= set(AuditEntry.objects.values_list("action", flat=True))


def test_it_hides_who_is_not_in_the_coach_s_care(client: Client, circle: Circle) -> None:
    client.force_login(make_coach())

    assert client.get(f"/why-not/{circle.learner.pk}/").status_code == 404
    assert circle.learner.pseudonym not in client.get("/why-not/").content.decode()


def test_it_hides_who_does_not_let_coaches_look(coach: Client, circle: Circle) -> None:
    record.withdraw(subject=circle.learner.pk, scope=Scope.COACH, by=SYSTEM, now=NOW)

    assert coach.get(f"/why-not/{circle.learner.pk}/").status_code == 404


def test_it_is_closed_to_managers_and_learners(client: Client, circle: Circle) -> None:
    for user in (circle.manager, make_manager(), circle.account):
        client.force_login(user)

        assert client.get(f"/why-not/{circle.learner.pk}/").status_code == 403
        assert client.get("/why-not/").status_code == 403


def test_it_is_open_to_administrators(client: Client, circle: Circle) -> None:
    client.force_login(make_user(Role.ADMIN))

    assert client.get(f"/why-not/{circle.learner.pk}/").status_code == 200
    assert client.get(f"/why-not/{uuid4()}/").status_code == 404
    found = client.get("/why-not/", {"q": circle.learner.pseudonym}).content.decode()
    assert circle.learner.pseudonym in found
    assert make_learner().pseudonym not in found


def test_it_is_read_only(coach: Client, circle: Circle) -> None:
    assert coach.post(f"/why-not/{circle.learner.pk}/").status_code == 405
    assert coach.post("/why-not/").status_code == 405
    assert coach.post("/me/why-not/").status_code in (403, 405)


@pytest.mark.parametrize("at", ["soon", "2026-03-03T10:00", "0001-01-01T00:00", "9999-12-31T23:59"])
def test_it_wants_a_moment_that_has_passed(coach: Client, circle: Circle, at: str) -> None:
    assert coach.get(f"/why-not/{circle.learner.pk}/", {"at": at}).status_code == 422


def test_it_asks_the_database_equally_often_however_much_there_is(coach: Client, circle: Circle) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(coach, circle)
        return len(captured)

    def more() -> None:
        other = make_enrolment(learner=circle.learner)
        winner = make_decision(other, now=NOW - timedelta(hours=3))
        make_card(winner, now=NOW - timedelta(hours=2))
        not_sent(
            make_decision(make_enrolment(learner=circle.learner), now=NOW - timedelta(hours=1)),
            "outbid",
            lost_to=winner,
        )

    more()
    few = queries()
    for _ in range(4):
        more()

    assert queries() == few


def test_it_has_words_for_every_reason_in_both_languages() -> None:
    for words in (WHY, CHANGES, STEPS):
        assert set(words["en"]) == set(words["de"])
    assert set(NOTHING) == set(NEVER) == {"en", "de"}
    given = {reason.value for reason in Suppression.Reason}
    assert given <= set(WHY["en"]) | set(REASONS["en"])
    # Whatever keeps something from being sent says what would have to change; these are good as they are.
    fine = {"recovered", "superseded", "course_ended", "matrix", "manager_asked_before"}
    assert given - fine <= set(CHANGES["en"])
