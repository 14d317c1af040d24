"""Timing strategies side by side: when each would have a step go out."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interventions import approvals, strategies
from interventions.holds import Closed
from interventions.models import Approval, Delivery
from interventions.policy import store
from interventions.policy.document import Document
from interventions.policy.when import FirstAction, Timings, window_hours
from interventions.strategies import Recipient
from tests.support.journey import Journey

ZONE = ZoneInfo("Europe/London")
NOW = datetime(2026, 3, 3, 10, 20, tzinfo=UTC)  # a Tuesday, and London is on UTC
HERE = Recipient(ZONE)
ALL = ("immediate", "within_24h", "next_working_morning", "before_deadline", "best_hour")


def due(strategy: Any, *, now: datetime = NOW, who: Recipient = HERE, **fields: Any) -> datetime:
    deadline = fields.pop("deadline", None)
    return strategies.due_at(strategy, now=now, recipient=who, policy=Document(**fields), deadline=deadline)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def test_it_sends_at_once_or_when_quiet_hours_end() -> None:
    assert due("immediate") == NOW
    assert due("immediate", now=at(3, 19)) == at(4, 8)


def test_it_leaves_a_day_to_come_back_and_never_more() -> None:
    assert due("within_24h") == NOW + timedelta(hours=24)
    assert due("within_24h", now=at(6, 10)) == at(6, 17, 30)  # Friday: the latest open half hour
    assert due("within_24h", now=at(6, 19)) == at(9, 8)  # no open hour within a day


def test_it_waits_for_nine_o_clock_of_the_next_working_day() -> None:
    assert due("next_working_morning") == at(4, 9)
    assert due("next_working_morning", now=at(3, 7)) == at(3, 9)
    assert due("next_working_morning", now=at(6, 12)) == at(9, 8)


@pytest.mark.parametrize(
    ("deadline", "expected"),
    [
        (date(2026, 3, 12), at(12 - 5, 9).replace(day=9, hour=8)),  # the 7th is a Saturday
        (date(2026, 3, 11), at(6, 9)),
        (date(2026, 3, 6), at(5, 9)),  # five days before has passed, one day before has not
        (date(2026, 3, 3), NOW),
        (date(2026, 5, 1), NOW),  # nobody waits two months for it
        (None, NOW),
    ],
)
def test_it_speaks_five_days_or_one_before_the_deadline(deadline: date | None, expected: datetime) -> None:
    assert due("before_deadline", deadline=deadline) == expected


def test_it_speaks_at_the_learner_s_own_hour() -> None:
    assert due("best_hour", who=HERE._replace(best_hour=15)) == at(3, 15)
    assert due("best_hour", who=HERE._replace(best_hour=9)) == at(4, 9)
    assert due("best_hour", who=HERE._replace(best_hour=10)) == NOW
    assert due("best_hour", who=HERE._replace(best_hour=22)) == NOW  # always quiet: at once instead
    assert due("best_hour") == NOW  # too little is known


def active(*hours: int, days: int) -> list[datetime]:
    return [at(1, hour) - timedelta(days=day) for day in range(days) for hour in hours]


def test_it_finds_the_hour_of_most_active_days() -> None:
    seen = [*active(7, 20, days=5), at(2, 20)]

    assert strategies.best_hour(seen, zone=ZONE, least_days=5) == 20
    assert strategies.best_hour(seen, zone=ZoneInfo("Asia/Tokyo"), least_days=5) == 5


def test_it_knows_no_best_hour_of_somebody_little_is_known_about() -> None:
    assert strategies.best_hour(active(7, days=4), zone=ZONE, least_days=5) is None
    each_day_another = [at(1, hour) - timedelta(days=hour) for hour in range(8, 14)]
    assert strategies.best_hour(each_day_another, zone=ZONE, least_days=5) is None


def test_it_takes_an_action_s_own_strategy_before_the_policy_s() -> None:
    policy = Document(timing="within_24h", timings=Timings(nudge="best_hour"))

    assert strategies.strategy_of("nudge", policy) == "best_hour"
    assert strategies.strategy_of("lesson", policy) == "within_24h"
    assert strategies.strategy_of("coach", policy) == "within_24h"


@given(
    strategy=st.sampled_from(ALL),
    minutes=st.integers(0, 14 * 24 * 60),
    hour=st.none() | st.integers(0, 23),
    ahead=st.none() | st.integers(-3, 40),
    leave=st.tuples(st.integers(-2, 9), st.integers(1, 9)),
    known=st.booleans(),
    own=st.none() | st.just((time(12), time(14))),
)
def test_it_never_speaks_early_at_a_quiet_hour_or_in_a_hold(
    strategy: Any,
    minutes: int,
    hour: int | None,
    ahead: int | None,
    leave: tuple[int, int],
    known: bool,
    own: tuple[time, time] | None,
) -> None:
    now = NOW + timedelta(minutes=minutes)
    away = Closed("leave", "", at(3, 0) + timedelta(days=leave[0]), at(3, 0) + timedelta(days=sum(leave)))
    who = Recipient(ZONE, own, known, (away,), hour)
    deadline = None if ahead is None else now.date() + timedelta(days=ahead)
    limits = Document().limits

    found = due(strategy, now=now, who=who, deadline=deadline)

    assert found >= now
    assert not who.is_quiet(found, limits)
    assert not away.begins <= found < away.ends


def test_it_takes_the_tighter_window_of_role_and_course() -> None:
    windows = FirstAction(critical=24, certification=36)

    assert window_hours(48, windows, impact="critical", kind="certification") == 24
    assert window_hours(48, windows, impact="standard", kind="certification") == 36
    assert window_hours(48, windows, impact="standard", kind="course") == 48


@pytest.mark.django_db
def test_it_reaches_somebody_at_their_own_hour_on_the_whole_path() -> None:
    journey = Journey(now=datetime(2026, 3, 2, 14, tzinfo=UTC))
    policy = store.document(store.live())
    wanted = msgspec.structs.replace(policy, timings=Timings(nudge="best_hour"))
    draft = store.draft_from_live(by=None, now=journey.now, changes=wanted)
    store.go_live(policy=draft, by=None, now=journey.now, reason="Their own hour")
    for _ in range(6):
        journey.does()
        journey.tick(days=1)
    journey.now = datetime(2026, 3, 17, 10, tzinfo=UTC)
    journey.tick(minutes=1)

    approval = Approval.objects.select_related("decision__enrolment__course", "decision__episode").get()
    approvals.approve(decision=approval.decision, by=journey.coach.pk, now=journey.now)

    assert {delivery.due_at for delivery in Delivery.objects.all()} == {datetime(2026, 3, 17, 14, tzinfo=UTC)}
