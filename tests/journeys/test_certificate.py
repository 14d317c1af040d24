"""A certificate comes near its end: from the statement to what is sent, and what ends it."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from interventions import approvals
from interventions.models import Approval, Decision, Delivery, Episode, Suppression
from interventions.policy import store as policies
from interventions.policy.document import with_changes
from interventions.rules import starter
from interventions.rules import store as rules
from interventions.snapshot import restore
from learners.models import Competency, CompetencyItem
from signals.certificates import EXPIRES
from tests.support.interventions import make_admin, make_policy, make_rule
from tests.support.journey import ADL, HOME, MONDAY, Journey

pytestmark = pytest.mark.django_db
LICENCE = "https://authority.example/licences/forklift"


def earn(journey: Journey, *, days: int) -> dict[str, Any]:
    """The learner is given a licence that holds for so many days."""
    made = journey.statement()
    made["verb"] = {"id": "http://id.tincanapi.com/verb/earned"}
    made["object"] = {"id": LICENCE}
    made["context"] = {"extensions": {EXPIRES: (journey.now + timedelta(days=days)).date().isoformat()}}
    journey.send(made)
    return made


def take_back(journey: Journey, sent: dict[str, Any]) -> None:
    journey.send(
        {
            "id": str(uuid4()),
            "actor": {"account": {"homePage": HOME, "name": "registrar"}},
            "verb": {"id": ADL + "voided"},
            "object": {"objectType": "StatementRef", "id": sent["id"]},
        }
    )


def only_certificates() -> None:
    """A policy in which nothing but the end of a certificate opens an episode."""
    document = with_changes(
        policies.document(policies.live()),
        {
            "triggers.certificate.enabled": True,
            "triggers.mastery.enabled": False,
            "triggers.inactivity.enabled": False,
            "triggers.composite.enabled": False,
        },
    )
    draft = make_policy(document=document)
    type(draft).objects.filter(state="live").update(state="retired")
    type(draft).objects.filter(pk=draft.pk).update(state="live", live_at=draft.created_at)


def say_yes(journey: Journey) -> Decision:
    approval = Approval.objects.select_related("decision__enrolment__course", "decision__episode").get(
        state="waiting"
    )
    approvals.approve(decision=approval.decision, by=journey.coach.pk, now=journey.now)
    return approval.decision


def wait_for_one(journey: Journey) -> int:
    """Days until a step waits for a yes; nothing is sent or done meanwhile."""
    for days in range(1, 60):
        journey.tick(days=1)
        if Approval.objects.filter(state="waiting").exists():
            return days
    raise AssertionError("nothing was ever decided")


def test_time_alone_brings_it_up_and_it_is_sent() -> None:
    only_certificates()
    journey = Journey()
    earn(journey, days=40)
    journey.tick(minutes=1)
    assert not Episode.objects.exists()

    days = wait_for_one(journey)
    decision = say_yes(journey)
    journey.tick(minutes=1)

    assert days == 10  # at ten in the morning, thirty days before the last one
    assert (decision.action, decision.episode and decision.episode.triggers) == ("nudge", ["certificate"])
    assert {delivery.state for delivery in Delivery.objects.all()} == {"sent"}
    assert decision.snapshot is not None
    assert len(restore(decision.snapshot).seen.certificates) == 1


def test_a_renewal_ends_it_before_anything_is_sent() -> None:
    only_certificates()
    journey = Journey()
    earn(journey, days=20)
    journey.tick(minutes=1)
    decision = Approval.objects.get(state="waiting").decision

    journey.now += timedelta(days=1)
    earn(journey, days=400)
    journey.tick(minutes=1)

    episode = Episode.objects.get()
    assert episode.end == "recovered"
    assert Suppression.objects.get(decision=decision).reason == "recovered"
    assert not Delivery.objects.filter(state="sent").exists()
    journey.tick(days=30)
    assert Episode.objects.count() == 1


def test_a_renewal_that_is_taken_back_leaves_the_one_that_ends() -> None:
    only_certificates()
    journey = Journey()
    earn(journey, days=20)
    journey.now += timedelta(hours=1)
    renewal = earn(journey, days=400)
    journey.tick(minutes=1)
    assert not Episode.objects.exists()

    take_back(journey, renewal)
    journey.tick(minutes=1)

    assert Episode.objects.get().triggers == ["certificate"]


def test_taking_it_back_ends_it() -> None:
    only_certificates()
    journey = Journey()
    sent = earn(journey, days=20)
    journey.tick(minutes=1)
    assert Episode.objects.get().closed_at is None

    take_back(journey, sent)
    journey.tick(minutes=1)

    assert Episode.objects.get().closed_at is not None
    assert not Approval.objects.filter(state="waiting").exists()


def the_rule() -> None:
    shipped = next(one for one in starter.RULES if one.key == "recertification")
    rule = rules.draft(
        key=shipped.key,
        when=shipped.when,
        by=None,
        now=MONDAY,
        owner=make_admin(),
        expires_on=(MONDAY + timedelta(days=365)).date(),
    )
    rules.go_live(rule=rule, by=None, now=MONDAY)
    phishing = Competency.objects.get(lessons__key="spotting-phishing")
    CompetencyItem.objects.create(competency=phishing, iri=LICENCE, name="Licence")


def test_the_rule_we_ship_gives_a_lesson_that_refreshes_it() -> None:
    the_rule()
    journey = Journey()
    earn(journey, days=33)
    journey.tick(minutes=1)
    assert not Decision.objects.exclude(action="monitor").exists()

    journey.does()
    journey.tick(days=4)
    decision = say_yes(journey)
    journey.tick(minutes=1)

    assert decision.lesson is not None and decision.lesson.key == "spotting-phishing"
    subjects = {delivery.subject for delivery in Delivery.objects.filter(state="sent")}
    assert any(subject.startswith("Before your certificate ends:") for subject in subjects)


def test_the_rule_we_ship_says_nothing_once_it_has_been_renewed() -> None:
    the_rule()
    journey = Journey()
    earn(journey, days=20)
    journey.tick(minutes=1)
    decision = say_yes(journey)

    journey.now += timedelta(minutes=1)
    earn(journey, days=400)
    journey.tick(minutes=1)

    assert Suppression.objects.get(decision=decision).reason == "recovered"


def test_what_was_completed_elsewhere_is_heard_at_once() -> None:
    journey = Journey()
    journey.tick(minutes=1)
    make_rule(
        key="onboarded",
        acts_alone=True,
        when={"clauses": [{"fact": "completed", "op": "lately", "value": 14, "what": "urn:onboarding"}]},
    )
    done = journey.statement("completed")
    done["object"] = {"id": "urn:onboarding"}
    done.pop("context")

    journey.send(done)
    journey.tick(minutes=1)

    assert Decision.objects.get(rule__key="onboarded").action == "nudge"
