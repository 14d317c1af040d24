"""A learner's walk under another policy: pure, on points made by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest

from interventions.backtest.figures import Slice, hidden
from interventions.backtest.intervals import Share
from interventions.backtest.points import People, Point
from interventions.backtest.simulate import Act, Customs, Kind, Surroundings, Walk
from interventions.backtest.truth import Truth, was_right
from interventions.holds import Closed
from interventions.policy.document import Document, with_changes
from interventions.snapshot import EpisodeView, HoldView, Seen, Snapshot

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
LEARNER = UUID(int=7)
AUTOMATIC = with_changes(
    Document(), {f"automation.{action}": True for action in ("nudge", "lesson", "lesson_nudge")}
)
EARNED = tuple(
    f"{action}:{band}:standard"
    for action in ("nudge", "lesson", "lesson_nudge")
    for band in ("medium", "high")
)
DAILY = [MONDAY + timedelta(days=n) for n in range(60)]


def point(day: float, *, last: float = 0, risk: float = 0.2, enrolment: int = 1, **changes: Any) -> Point:
    """An evaluation on this day after the first Monday, by somebody last active on day ``last``."""
    now = MONDAY + timedelta(days=day)
    snapshot = Snapshot(
        now=now,
        policy_version=1,
        enrolment_id=enrolment,
        learner_id=LEARNER,
        known_seq=1,
        active=True,
        in_pilot=True,
        impact="standard",
        scopes=("record", "profile", "nudge", "manager", "coach"),
        reachable=True,
        seen=Seen(MONDAY - timedelta(days=30), MONDAY + timedelta(days=last)),
        risk=risk,
        coverage=1.0,
        known_signals=3,
        model="composite-1",
        risk_as_of=now,
        automatic=EARNED,
    )
    snapshot = msgspec.structs.replace(snapshot, **changes)
    return Point(
        UUID(int=1), LEARNER, enrolment, 1, now, snapshot, "monitor", ("no_trigger",), [], 1.0, None, ""
    )


def walk(
    *points: Point,
    policy: Document = AUTOMATIC,
    until: float = 10,
    customs: Customs | None = None,
    **around: Any,
) -> list[Act]:
    made = Walk(policy, Surroundings(ZoneInfo("UTC"), **around), customs or Customs(), DAILY)
    return made.through(points, end=MONDAY + timedelta(days=until))


def told(acts: list[Act]) -> list[tuple[str, float]]:
    """What goes out, and on which day after the first Monday."""
    return [(act.kind.value, (act.due_at - MONDAY) / timedelta(days=1)) for act in acts]


def test_it_does_nothing_about_somebody_who_is_fine() -> None:
    assert walk(point(0), until=6) == []


def test_it_opens_one_episode_where_the_record_has_none() -> None:
    """Not one alert at each point: the walk carries its own episode."""
    acts = walk(*(point(n / 4, risk=0.5) for n in range(9)), until=2.5)

    assert told(acts) == [("learner", 0.0)]


def test_it_looks_again_when_time_alone_calls_for_it() -> None:
    acts = walk(point(0), until=8.5)

    assert told(acts) == [("learner", 7.0)]  # seven days of silence


def test_it_looks_only_when_evaluations_ran_at_all() -> None:
    policy = with_changes(AUTOMATIC, {"triggers.inactivity.days": 6.5})

    acts = walk(point(0), until=8.5, policy=policy)

    assert [act.at for act in acts] == [MONDAY + timedelta(days=7)]


def test_it_judges_a_step_and_goes_up_the_ladder() -> None:
    acts = walk(point(0, risk=0.5), until=8.5)

    # Nothing changes: a nudge, a lesson after 72 hours, then the manager.
    assert told(acts) == [("learner", 0.0), ("learner", 3.0), ("manager", 6.0)]
    assert [act.is_flag for act in acts] == [True, False, False]


def test_it_stops_when_the_facts_say_that_somebody_came_back() -> None:
    acts = walk(point(0, risk=0.5), point(2, risk=0.1, last=2), until=8)

    assert told(acts) == [("learner", 0.0)]


def test_it_sends_no_third_alert_in_168_hours() -> None:
    four = [point(0, risk=0.5, enrolment=n) for n in (1, 2, 3)]

    acts = walk(*four, until=2.5)

    assert [act.kind for act in acts].count(Kind.LEARNER) == 2
    assert [act.kind for act in acts].count(Kind.CAPPED) >= 1


def test_it_counts_what_went_out_just_before_the_span() -> None:
    acts = walk(
        point(0, risk=0.5),
        until=0.5,
        alerted_at=(MONDAY - timedelta(days=2), MONDAY - timedelta(days=6)),
    )

    assert [act.kind for act in acts] == [Kind.CAPPED]


def test_it_never_holds_more_than_two_alerts_in_any_168_hours() -> None:
    acts = walk(*(point(2 * n, risk=0.6, last=2 * n, enrolment=n) for n in range(12)), until=58)
    due = sorted(act.due_at for act in acts if act.kind == Kind.LEARNER)

    assert len(due) > 4
    assert all(later - first >= timedelta(hours=168) for first, later in zip(due, due[2:], strict=False))


def test_it_waits_for_the_end_of_quiet_hours() -> None:
    acts = walk(point(0.5, risk=0.5), until=1)

    assert [act.due_at for act in acts] == [datetime(2026, 3, 3, 8, tzinfo=UTC)]


def test_it_asks_nobody_where_as_many_say_yes_as_really_did() -> None:
    declined = walk(point(0, risk=0.5), policy=Document(), until=5, customs=Customs(approved=0.0))
    approved = walk(point(0, risk=0.5), policy=Document(), until=2, customs=Customs(approved=1.0))

    assert told(declined) == [("declined", 0.0)]  # and then it rests
    assert told(approved) == [("learner", 0.0)]


def test_it_begins_with_the_episode_that_was_really_open() -> None:
    episode = EpisodeView(
        id=UUID(int=1),
        ladder="normal",
        opened_at=MONDAY - timedelta(days=4),
        triggers=("composite",),
        failed_attempts=1,
        step=1,
        under_way=True,
        window_ends_at=MONDAY + timedelta(days=1),
    )

    acts = walk(point(0, risk=0.5, episode=episode), until=1.5)

    assert told(acts) == [("manager", 1.0)]
    assert not acts[0].is_flag


def test_it_asks_for_the_course_again_where_the_pilot_is_another() -> None:
    policy = with_changes(AUTOMATIC, {"pilot_courses": ["https://lms.example/a"]})

    inside = walk(point(0, risk=0.5), policy=policy, until=1, course={1: "https://lms.example/a"})
    outside = walk(point(0, risk=0.5), policy=policy, until=1, course={1: "https://lms.example/b"})

    assert told(inside) == [("learner", 0.0)]
    assert outside == []


def test_it_leaves_alone_who_has_finished() -> None:
    assert walk(point(0), until=30, ended_at={1: MONDAY + timedelta(days=3)}) == []


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_it_gives_wilsons_interval(part: int, whole: int, low: float, high: float) -> None:
    share = Share(part, whole)

    assert share.low == pytest.approx(low, abs=1e-4)
    assert share.high == pytest.approx(high, abs=1e-4)


def test_it_believes_a_persons_word_before_what_became_of_somebody() -> None:
    known = [
        Truth(MONDAY, is_persons_word=False, was_right=True),
        Truth(MONDAY + timedelta(days=5), is_persons_word=True, was_right=False),
    ]

    assert was_right(known, MONDAY) is False
    assert was_right(known[:1], MONDAY) is True
    assert was_right(known, MONDAY + timedelta(days=40)) is None


def test_it_hides_a_small_group_and_the_one_that_would_give_it_away() -> None:
    people = {
        Slice("unit", "1"): {UUID(int=n) for n in range(3)},
        Slice("unit", "2"): {UUID(int=n) for n in range(10, 16)},
        Slice("unit", "3"): {UUID(int=n) for n in range(20, 40)},
        Slice("impact", "standard"): {UUID(int=n) for n in range(40)},
    }

    assert hidden(people) == {Slice("unit", "1"), Slice("unit", "2")}


def test_it_splits_nobody_between_chunks() -> None:
    crowd = People([(UUID(int=n), 3) for n in range(5)])

    assert [len(chunk) for chunk in crowd.chunks(7)] == [2, 2, 1]
    assert crowd.points == 15


def shut(first: float, last: float, reason: str = "busy_week") -> Closed:
    return Closed(reason, "Quarter close", MONDAY + timedelta(days=first), MONDAY + timedelta(days=last))


def test_it_begins_no_step_while_the_learner_is_not_to_be_disturbed() -> None:
    acts = walk(point(0), until=12, closed=(shut(6.5, 9.5),))

    assert told(acts) == [("learner", 10.0)]  # due on day 7; the first look after the week


def test_a_window_does_not_run_while_a_hold_lasts() -> None:
    acts = walk(point(0, risk=0.5), until=10, closed=(shut(1, 3),))

    assert [act.at for act in acts[:2]] == [MONDAY, MONDAY + timedelta(days=5)]  # 72 open hours later


def test_the_hold_of_a_recorded_point_is_the_one_of_then() -> None:
    held = HoldView("busy_week", "Taken back since", MONDAY + timedelta(days=1))

    acts = walk(point(0, risk=0.5, hold=held), until=2.5)

    assert told(acts) == [("learner", 1.0)]


def test_what_waits_and_is_worth_less_gives_way_to_what_is_worth_more() -> None:
    policy = with_changes(AUTOMATIC, {"timing": "next_working_morning"})
    asked = [point(0, risk=0.5, enrolment=n, impact="standard") for n in (1, 2)]
    dear = point(0, risk=0.5, enrolment=3, impact="elevated")

    acts = walk(*asked, dear, policy=policy, until=0.5)

    assert sorted((act.enrolment_id, act.kind.value) for act in acts if act.kind != "capped")[-1][0] == 3
    assert [act.kind.value for act in acts].count("learner") == 2
    assert [act.kind.value for act in acts].count("capped") == 1


def test_a_manager_has_a_place_as_often_as_managers_here_really_had() -> None:
    acts = walk(point(0, risk=0.5), until=8.5, customs=Customs(manager_free=0.0))

    assert told(acts)[:3] == [("learner", 0.0), ("learner", 3.0), ("capped", 6.0)]
    assert not any(act.kind == "manager" for act in acts)
