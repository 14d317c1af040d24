"""Leave, business-critical weeks and holidays: nothing is begun, what waits is decided anew, and it says why."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from interventions import approvals, busy_periods, holds, route
from interventions.holds import Closed
from interventions.models import (
    Approval,
    Attempt,
    Decision,
    Delivery,
    Episode,
    HelpRequest,
    Hold,
    Suppression,
)
from interventions.policy import store
from learners.models import Learner, OrgUnit
from tests.support import learners
from tests.support.journey import Journey

pytestmark = pytest.mark.django_db
LONDON = ZoneInfo("Europe/London")
AT = datetime(2026, 3, 10, 10, tzinfo=UTC)


def quiet_for_eight_days() -> Journey:
    """A learner about whom a step is due: the Tuesday after next, ten o'clock."""
    journey = Journey()
    journey.does()
    journey.tick(minutes=1)
    return journey


def busy(journey: Journey, first: date, last: date, *, unit: OrgUnit | None = None) -> None:
    assert journey.learner.unit is not None
    busy_periods.declare(
        unit=unit or journey.learner.unit,
        name="Quarter close",
        first=first,
        last=last,
        source="manager",
        by=None,
        now=journey.now,
    )


def approved(journey: Journey) -> Decision:
    approval = Approval.objects.select_related("decision__enrolment__course", "decision__episode").get(
        state="waiting"
    )
    approvals.approve(decision=approval.decision, by=journey.coach.pk, now=journey.now)
    return approval.decision


@pytest.mark.parametrize("reason", ["busy_week", "leave", "holiday"])
def test_it_begins_nothing_and_looks_again_when_it_is_over(reason: str) -> None:
    journey = quiet_for_eight_days()
    today = (journey.now + timedelta(days=8)).date()
    if reason == "busy_week":
        busy(journey, today, today)
    elif reason == "leave":
        Learner.objects.update(leave_from=today, leave_until=today)
    calendar = {"leave": "", "busy_week": "", "holiday": "IE"}[reason]
    OrgUnit.objects.update(holidays=calendar)
    days = 15 if reason == "holiday" else 8  # St Patrick's Day is the 17th

    journey.tick(days=days)

    decision = Decision.objects.filter(action="monitor").latest("at")
    assert decision.reasons[0].split(":")[0] == reason
    assert not Episode.objects.exists()
    journey.tick(days=1)
    assert Approval.objects.get().decision.action == "nudge"


def test_it_names_the_week_that_holds() -> None:
    journey = quiet_for_eight_days()
    today = (journey.now + timedelta(days=8)).date()
    busy(journey, today, today)

    journey.tick(days=8)

    assert Decision.objects.latest("at").reasons == ["busy_week:Quarter close"]


def test_it_holds_what_was_approved_and_decides_it_anew_at_reopening() -> None:
    journey = quiet_for_eight_days()
    journey.tick(days=8)
    today = journey.now.date()
    busy(journey, today, today + timedelta(days=5))
    decision = approved(journey)

    journey.tick(minutes=1)

    held = Hold.objects.get(decision=decision)
    assert (held.reason, held.name) == ("busy_week", "Quarter close")
    delivery = Delivery.objects.filter(decision=decision).first()
    assert delivery is not None and delivery.state == "queued"
    assert delivery.due_at == datetime(2026, 3, 16, 8, tzinfo=UTC)
    assert delivery.expires_at == delivery.due_at + timedelta(hours=72)  # its clock stood still

    journey.now = datetime(2026, 3, 16, 8, 0, tzinfo=UTC)
    journey.tick(minutes=1)
    journey.tick(minutes=1)

    assert Suppression.objects.get(decision=decision).reason == "busy_week"
    assert not Delivery.objects.filter(state="sent").exists()
    anew = Approval.objects.get(state="waiting").decision
    assert anew.pk != decision.pk and anew.step == decision.step


def test_it_holds_what_is_on_its_way_when_the_week_begins() -> None:
    journey = quiet_for_eight_days()
    journey.tick(days=8)
    journey.now = journey.now.replace(hour=19)  # in quiet hours: it waits for tomorrow
    decision = approved(journey)
    tomorrow = journey.now.date() + timedelta(days=1)
    busy(journey, tomorrow, tomorrow + timedelta(days=1))

    journey.tick(hours=14)

    assert Hold.objects.get(decision=decision).reason == "busy_week"
    assert not Delivery.objects.filter(state="sent").exists()


def test_it_looks_at_once_when_a_week_is_taken_back() -> None:
    journey = quiet_for_eight_days()
    journey.tick(days=8)
    today = journey.now.date()
    busy(journey, today, today + timedelta(days=20))
    decision = approved(journey)
    journey.tick(minutes=1)

    assert journey.learner.unit is not None
    busy_periods.take_back(journey.learner.unit.busy_periods.get(), by=None, now=journey.now)
    journey.tick(minutes=1)

    assert Suppression.objects.get(decision=decision).reason == "busy_week"
    assert Hold.objects.get().released_at is not None
    journey.tick(minutes=1)
    assert Approval.objects.filter(state="waiting").count() == 1


def test_it_says_what_really_ended_a_held_step() -> None:
    journey = quiet_for_eight_days()
    journey.tick(days=8)
    busy(journey, journey.now.date(), journey.now.date() + timedelta(days=5))
    decision = approved(journey)
    journey.tick(minutes=1)

    journey.does()
    journey.tick(minutes=1)

    assert Suppression.objects.get(decision=decision).reason == "recovered"


def test_it_never_holds_what_a_learner_asks_for() -> None:
    journey = quiet_for_eight_days()
    today = journey.now.date()
    Learner.objects.update(leave_from=today, leave_until=today + timedelta(days=30))
    HelpRequest.objects.create(enrolment=journey.enrolment, kind="help", asked_at=journey.now)

    route.look_again([journey.enrolment.pk], at=journey.now)
    journey.tick(minutes=1)

    assert Decision.objects.filter(action="coach").exists()


def test_it_gives_a_step_its_whole_window_of_open_days() -> None:
    journey = quiet_for_eight_days()
    journey.tick(days=8)
    approved(journey)
    tomorrow = journey.now.date() + timedelta(days=1)
    Learner.objects.update(leave_from=tomorrow, leave_until=tomorrow + timedelta(days=6))

    journey.tick(minutes=1)

    attempt = Attempt.objects.get()
    assert attempt.window_ends_at - attempt.reached_at == timedelta(hours=72, days=7)


def test_it_holds_everybody_below_the_unit_and_nobody_beside_it() -> None:
    top = learners.make_unit()
    below = learners.make_unit(parent=learners.make_unit(parent=top))
    inside, outside = learners.make_learner(unit=below), learners.make_learner(unit=learners.make_unit())
    busy_periods.declare(
        unit=top,
        name="Audit",
        first=AT.date(),
        last=AT.date(),
        source="admin",
        by=None,
        now=AT,
    )

    closed = holds.closed_times([inside.pk, outside.pk], now=AT)

    assert [one.name for one in closed[inside.pk]] == ["Audit"]
    assert closed[outside.pk] == ()


def test_it_takes_days_on_the_learner_s_own_clock() -> None:
    tokyo = learners.make_learner(time_zone="Asia/Tokyo", leave_from=AT.date(), leave_until=AT.date())

    (closed,) = holds.closed_times([tokyo.pk], now=AT)[tokyo.pk]

    assert closed.begins == datetime(2026, 3, 9, 15, tzinfo=UTC)
    assert closed.ends == datetime(2026, 3, 10, 15, tzinfo=UTC)


@override_settings(ORGANISATION_HOLIDAYS="DE-BY")
def test_it_keeps_the_holidays_of_the_nearest_unit_that_names_any() -> None:
    irish = learners.make_unit(holidays="IE")
    here = learners.make_learner(unit=learners.make_unit(parent=irish))
    nowhere = learners.make_learner()
    at = datetime(2026, 3, 16, 10, tzinfo=UTC)

    closed = holds.closed_times([here.pk, nowhere.pk], now=at)

    assert closed[here.pk][0].name == "Saint Patrick's Day"
    assert closed[nowhere.pk][0].name == "Good Friday"


def test_it_asks_the_database_equally_often_for_one_and_for_many() -> None:
    many = [learners.make_learner(unit=learners.make_unit()).pk for _ in range(5)]

    with CaptureQueriesContext(connection) as one:
        holds.closed_times(many[:1], now=AT)
    with CaptureQueriesContext(connection) as all_of_them:
        holds.closed_times(many, now=AT)

    assert len(one) == len(all_of_them) == 3


def stretch(reason: str, first: int, last: int) -> Closed:
    return Closed(reason, reason, AT + timedelta(days=first), AT + timedelta(days=last))


def test_it_names_leave_before_a_week_and_a_week_before_a_holiday() -> None:
    all_three = (stretch("holiday", -1, 1), stretch("busy_week", -2, 3), stretch("leave", -1, 1))

    assert holds.current(all_three, AT) == all_three[2]
    assert holds.current(all_three[:2], AT) == all_three[1]
    assert holds.current(all_three, AT + timedelta(days=3)) is None


def test_it_reopens_when_the_last_of_a_chain_is_over() -> None:
    chain = (
        stretch("busy_week", 0, 2),
        stretch("leave", 1, 5),
        stretch("holiday", 5, 6),
        stretch("leave", 9, 10),
    )

    assert holds.reopening(chain, AT) == AT + timedelta(days=6)
    assert holds.reopening(chain, AT + timedelta(days=7)) == AT + timedelta(days=7)


def test_it_counts_open_time_only() -> None:
    chain = (stretch("busy_week", 1, 3), stretch("leave", 2, 4), stretch("leave", 9, 10))

    assert holds.lasting(AT, 72, chain) == AT + timedelta(days=6)
    assert holds.lasting(AT, 12, chain) == AT + timedelta(hours=12)


def test_it_asks_no_manager_in_a_busy_week_even_after_a_person_s_yes() -> None:
    journey = quiet_for_eight_days()
    learner = journey.learner
    Learner.objects.filter(pk=learner.pk).update(
        leave_from=journey.now.date(), leave_until=journey.now.date() + timedelta(days=3)
    )
    decision = Decision.objects.create(
        enrolment=journey.enrolment,
        episode=Episode.objects.create(
            enrolment=journey.enrolment,
            triggers=["inactivity"],
            ladder="normal",
            opened_at=journey.now,
            signal_at=journey.now,
        ),
        step=0,
        policy=store.live(),
        action="manager",
        known_seq=0,
        at=journey.now,
        snapshot={},
    )

    assert route.route_to_manager(decision, now=journey.now) is None

    assert Suppression.objects.get().reason == "leave"
