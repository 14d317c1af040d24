"""A route earns going out without a person's yes, is judged wrong, and loses it again."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from coaching import own
from coaching.why_not import why_not
from interventions import answers, automation, deliver, earning
from interventions.models import Approval, AutomaticRoute, Decision, Delivery, Suppression
from interventions.policy import store
from learners.models import Preferences
from learners.zones import zone_of
from tests.signals.test_refresh_meeting import Elsewhere
from tests.support.interventions import make_admin, make_approval, make_contents, make_decision
from tests.support.journey import Journey

MAY_EARN = {f"automation.{action}": True for action in ("nudge", "lesson", "lesson_nudge")}


def let_it_earn(journey: Journey) -> None:
    draft = store.draft_from_live(by=None, now=journey.now, changes=MAY_EARN)
    store.go_live(policy=draft, by=None, now=journey.now, reason="Let it earn")


def coaches_say(answer: str, *, journey: Journey, times: int) -> None:
    """So many steps of the route were answered so, about other people."""
    for number in range(times):
        at = journey.now - timedelta(minutes=number)
        decision = make_decision(at=at)
        make_approval(decision=decision, asked_at=at, state=answer, answered_at=at, answered_by=uuid4())


@pytest.fixture(autouse=True)
def no_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether an episode is drawn hangs on its number; tests/interventions/test_automation.py tests the draw."""
    monkeypatch.setattr(automation, "_is_drawn", lambda snapshot, one_in: False)


@pytest.mark.django_db
def test_it_goes_out_without_a_person_once_it_was_right_often_enough_until_it_is_wrong() -> None:
    journey, other = Journey(), Journey()
    let_it_earn(journey)
    for one in (journey, other):
        one.does()
    coaches_say("approved", journey=journey, times=30)
    journey.tick(minutes=1)

    journey.tick(days=8)
    other.tick(days=8, minutes=1)

    decision = Decision.objects.get(enrolment=journey.enrolment, action="nudge")
    assert decision.reasons[-1] == "by_itself"
    assert not Approval.objects.filter(decision=decision).exists()
    assert {d.channel for d in Delivery.objects.filter(decision=decision, state="sent")} == {"card", "email"}
    [card] = own.suggestions(journey.learner, now=journey.now)
    assert card.why.looked_at.startswith("This was sent by itself")

    answers.answer(decision=decision, kind="wrong", now=journey.now)
    coaches_say("declined", journey=journey, times=8)
    journey.tick(minutes=1)

    assert AutomaticRoute.objects.get().lost_because == "precision"
    third = Journey(now=journey.now)
    third.does()
    third.tick(minutes=1)
    third.tick(days=8)
    decision = Decision.objects.get(enrolment=third.enrolment, action="nudge")
    assert decision.reasons == ["matrix:standard:medium:0"]
    assert Approval.objects.get(decision=decision).state == "waiting"
    assert not Delivery.objects.filter(decision=decision).exists()


@pytest.mark.django_db
def test_it_asks_a_person_where_the_policy_says_no_whatever_was_earned() -> None:
    journey = Journey()
    journey.does()
    coaches_say("approved", journey=journey, times=60)
    journey.tick(minutes=1)

    journey.tick(days=8)

    assert Approval.objects.get(decision__enrolment=journey.enrolment).state == "waiting"
    assert not AutomaticRoute.objects.exists()


@pytest.mark.django_db
def test_an_administrator_sees_it_and_asks_a_person_again() -> None:
    journey = Journey(now=timezone.now())  # the page shows what counts today
    let_it_earn(journey)
    coaches_say("approved", journey=journey, times=30)
    earning.assess(now=journey.now)
    row = AutomaticRoute.objects.get()
    client = Client()
    client.force_login(make_admin())

    page = client.get("/admin/interventions/automaticroute/").content.decode()
    assert "Nudge, medium risk, standard role" in page
    assert "30 of 30, 100% (89% to 100%)" in page
    assert client.get(f"/admin/interventions/automaticroute/{row.pk}/ask-again/").status_code == 405
    said = client.post(f"/admin/interventions/automaticroute/{row.pk}/ask-again/", follow=True)

    assert "a person is asked again from now on" in said.content.decode()
    assert "An administrator wants a person to be asked again" in said.content.decode()
    row.refresh_from_db()
    assert row.lost_because == "by_a_person"
    assert earning.assess(now=journey.now) == 0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_let_it_earn_once() -> None:
    make_contents()
    journey = Journey()
    let_it_earn(journey)
    coaches_say("approved", journey=journey, times=30)

    workers = [Elsewhere(lambda: earning.assess(now=journey.now)) for _ in range(2)]

    assert sorted(worker.done() for worker in workers) == [0, 1]
    assert AutomaticRoute.objects.count() == 1


def decided_by_itself(journey: Journey, *, held_until: timedelta) -> Decision:
    """A step that goes out by itself, and waits for its hour."""
    let_it_earn(journey)
    journey.does()
    coaches_say("approved", journey=journey, times=30)
    journey.tick(minutes=1)
    zone = zone_of(journey.learner)
    night = (journey.now + timedelta(days=8)).astimezone(zone)
    Preferences.objects.create(
        learner=journey.learner,
        quiet_from=(night - timedelta(hours=1)).time(),
        quiet_to=(night + held_until).time(),
        changed_at=journey.now,
    )
    journey.tick(days=8)
    decision = Decision.objects.get(enrolment=journey.enrolment, action="nudge")
    assert decision.reasons[-1] == "by_itself"
    assert {one.state for one in decision.deliveries.all()} == {"queued"}
    return decision


@pytest.mark.django_db
def test_what_waits_is_decided_anew_and_asks_as_soon_as_a_person_wants_to_be_asked() -> None:
    journey = Journey()
    decision = decided_by_itself(journey, held_until=timedelta(hours=2))

    earning.ask_again(row=AutomaticRoute.objects.get(), by=uuid4(), now=journey.now)

    assert Suppression.objects.get(decision=decision).reason == "ask_first"
    assert {one.state for one in decision.deliveries.all()} == {"cancelled"}
    journey.tick(minutes=1)
    anew = Decision.objects.exclude(pk=decision.pk).get(enrolment=journey.enrolment, action="nudge")
    assert Approval.objects.get(decision=anew).state == "waiting"
    journey.tick(hours=3)
    assert not Delivery.objects.filter(learner=journey.learner, state="sent").exists()
    told = why_not(journey.learner, at=journey.now, language="en")
    assert any(one.key == "ask_first" for one in told.before)


@pytest.mark.django_db
def test_what_waits_is_asked_about_too_where_a_policy_takes_the_route_back() -> None:
    """Before the stage that says so has run: the claim looks for itself."""
    journey = Journey()
    decision = decided_by_itself(journey, held_until=timedelta(minutes=30))
    draft = store.draft_from_live(by=None, now=journey.now, changes={"automation.nudge": False})
    store.go_live(policy=draft, by=None, now=journey.now, reason="Look again")

    journey.now += timedelta(minutes=40)
    deliver.deliver(now=journey.now)

    assert Suppression.objects.get(decision=decision).reason == "ask_first"
    assert not Delivery.objects.filter(learner=journey.learner, state="sent").exists()


@pytest.mark.django_db
def test_what_waits_still_goes_out_while_its_route_stands() -> None:
    journey = Journey()
    decision = decided_by_itself(journey, held_until=timedelta(minutes=30))

    journey.tick(minutes=40)

    assert {one.state for one in decision.deliveries.all()} == {"sent"}
