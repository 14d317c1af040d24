"""Routes earn going out by themselves by what people say of them, and lose it by the same."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from consent.models import AuditEntry
from interventions import earning
from interventions.automation import Route, asking
from interventions.decide import decide
from interventions.models import AutomaticRoute, Decision
from interventions.policy import store
from interventions.policy.document import Document, PolicyFault, with_changes
from interventions.snapshot import EpisodeView, restore
from interventions.snapshot import store as stored
from signals import labels
from signals.models import SecondLook
from tests.interventions.test_triggers import snapshot
from tests.support.interventions import (
    NOW,
    make_approval,
    make_attempt,
    make_automatic_route,
    make_decision,
    make_help_request,
    make_policy,
    make_rule,
)

NUDGE = Route("nudge", "medium", "standard")
MAY = with_changes(
    Document(), {f"automation.{action}": True for action in ("nudge", "lesson", "lesson_nudge")}
)
OPENED = NOW - timedelta(days=2)
DAY = timedelta(days=1)


def put_in_force(document: Document) -> None:
    store.go_live(policy=make_policy(document=document), by=None, now=NOW - 60 * DAY, reason="Try")


def judge(*, right: bool = True, at: datetime = NOW, state: str = "", **decided: Any) -> Decision:
    """A step of the route that a coach answered."""
    decision = make_decision(at=at - timedelta(hours=1), **decided)
    state = state or ("approved" if right else "declined")
    make_approval(decision=decision, asked_at=decision.at, state=state, answered_at=at, answered_by=uuid4())
    return decision


def judge_many(right: int, wrong: int = 0, *, at: datetime = NOW) -> None:
    for number in range(right + wrong):
        judge(right=number < right, at=at - number * timedelta(minutes=1))


def sent(*, at: datetime = NOW) -> Decision:
    """A step that went out by itself."""
    decision = make_decision(at=at, reasons=["matrix:standard:medium:0", "by_itself"])
    make_attempt(decision=decision, reached_at=at, window_ends_at=at + 3 * DAY)
    return decision


def standing() -> AutomaticRoute | None:
    return AutomaticRoute.objects.filter(lost_at__isnull=True).first()


class TestAsking:
    """Pure: what a decision sees."""

    def test_it_asks_a_person_unless_the_route_stands_and_the_policy_lets_it(self) -> None:
        earned = snapshot(automatic=(NUDGE.key,))

        assert asking(NUDGE, earned, Document()) == (True, "")
        assert asking(NUDGE, snapshot(), MAY) == (True, "")
        assert asking(NUDGE._replace(band="high"), earned, MAY) == (True, "")
        assert asking(NUDGE, earned, MAY).reason in ("by_itself", "asked_as_a_sample")

    def test_it_asks_about_one_episode_in_ten_and_about_the_same_one_again(self) -> None:
        episodes = [
            EpisodeView(
                id=uuid4(),
                ladder="normal",
                opened_at=OPENED + timedelta(minutes=number),
                triggers=("inactivity",),
                failed_attempts=0,
                step=0,
            )
            for number in range(2000)
        ]
        first = [asking(NUDGE, snapshot(episode=one, automatic=(NUDGE.key,)), MAY) for one in episodes]
        later = [
            asking(NUDGE, snapshot(episode=one, automatic=(NUDGE.key,), known_seq=99), MAY)
            for one in episodes
        ]

        assert first == later
        assert 150 < sum(one.a_person for one in first) < 250

    def test_it_asks_again_after_nobody_said_yes(self) -> None:
        for reason in ("declined", "unanswered", "superseded"):
            episode = EpisodeView(
                id=uuid4(),
                ladder="normal",
                opened_at=OPENED,
                triggers=(),
                failed_attempts=0,
                step=0,
                lapsed_reason=reason,
            )

            found = asking(NUDGE, snapshot(episode=episode, automatic=(NUDGE.key,)), MAY)

            assert found == (True, "asked_after_a_no")

    def test_it_decides_the_same_from_what_was_kept(self) -> None:
        seen = snapshot(automatic=(NUDGE.key,), risk=0.5)

        choice = decide(seen, MAY)

        assert choice.action == "nudge"
        assert decide(restore(stored(seen)), MAY) == choice
        assert choice.reasons[-1] in ("by_itself", "asked_as_a_sample")
        assert choice.asks is (choice.reasons[-1] == "asked_as_a_sample")

    def test_it_says_nothing_more_where_the_policy_asks_always(self) -> None:
        choice = decide(snapshot(risk=0.5), Document())

        assert (choice.asks, choice.reasons) == (True, ("matrix:standard:medium:0",))

    @pytest.mark.parametrize(
        "change",
        [
            {"automation.lost_below": 0.85},
            {"automation.newest": 20},
            {"automation.judged_days": 30},
            {"automation.ask_one_in": 0},
            {"automation.bar": 0.2},
        ],
    )
    def test_it_refuses_a_policy_that_could_not_measure(self, change: dict[str, float]) -> None:
        with pytest.raises(PolicyFault, match="must"):
            with_changes(Document(), change)


@pytest.mark.django_db
class TestEarning:
    def test_it_is_earned_when_enough_were_right(self) -> None:
        put_in_force(MAY)
        judge_many(30)

        assert earning.assess(now=NOW) == 1

        row = standing()
        assert row is not None
        assert (row.action, row.band, row.impact) == NUDGE
        assert (row.earned_right, row.earned_judged, row.earned_at) == (30, 30, NOW)
        assert row.earned_low == pytest.approx(0.8865, abs=1e-4)
        entry = AuditEntry.objects.get(action="automation.earned")
        assert entry.target_uuid == row.pk
        assert entry.detail == {"route": "nudge:medium:standard", "right": 30, "judged": 30, "low": 0.8865}
        assert earning.automatic(MAY, version=store.live().version) == {NUDGE.key}

    def test_it_changes_nothing_when_it_runs_again(self) -> None:
        put_in_force(MAY)
        judge_many(30)
        earning.assess(now=NOW)

        assert earning.assess(now=NOW) == 0
        assert AutomaticRoute.objects.count() == 1

    def test_it_is_never_earned_where_the_policy_asks_always(self) -> None:
        judge_many(60)

        assert earning.assess(now=NOW) == 0

    @pytest.mark.parametrize(("right", "wrong"), [(29, 0), (27, 3), (60, 10)])
    def test_it_takes_thirty_and_a_lower_end_of_80_per_cent(self, right: int, wrong: int) -> None:
        put_in_force(MAY)
        judge_many(right, wrong)

        assert earning.assess(now=NOW) == 0

    def test_it_counts_an_episode_once_and_by_its_no(self) -> None:
        put_in_force(MAY)
        judge_many(29)
        decision = judge(right=False)
        Decision.objects.filter(pk=decision.pk).update(lapsed_at=NOW)
        judge(right=True, episode=decision.episode)

        [found] = [one for one in earning.standings(now=NOW) if one.route == NUDGE]

        assert (found.figures.share.part, found.figures.share.whole) == (29, 30)

    def test_it_counts_another_route_as_a_no_and_silence_as_nothing(self) -> None:
        judge(state="changed")
        judge(state="lapsed")

        [found] = [one for one in earning.standings(now=NOW) if one.route == NUDGE]

        assert (found.figures.share.part, found.figures.share.whole) == (0, 1)

    def test_it_hears_who_says_afterwards_that_it_was_wrong(self) -> None:
        contested, not_needed, fine, late = (judge() for _ in range(4))
        make_help_request(enrolment=contested.enrolment, kind="contest", asked_at=NOW)
        make_help_request(enrolment=fine.enrolment, kind="help", asked_at=NOW)
        labels.record(
            enrolment_id=not_needed.enrolment_id,
            as_of=NOW,
            definition="needed_help@1",
            value=False,
            horizon_days=0,
            treated=False,
            propensity=1.0,
            now=NOW,
        )
        make_help_request(enrolment=late.enrolment, kind="contest", asked_at=NOW + 15 * DAY)

        [found] = [one for one in earning.standings(now=NOW + 16 * DAY) if one.route == NUDGE]

        assert (found.figures.share.part, found.figures.share.whole) == (2, 4)

    def test_it_counts_only_the_newest(self) -> None:
        put_in_force(with_changes(MAY, {"automation.newest": 30}))
        judge_many(0, 10, at=NOW - DAY)
        judge_many(30)

        assert earning.assess(now=NOW) == 1

    def test_it_does_not_count_what_a_rule_did(self) -> None:
        decision = judge()
        assert decision.episode is not None
        type(decision.episode).objects.filter(pk=decision.episode.pk).update(rule=make_rule())

        [found] = [one for one in earning.standings(now=NOW) if one.route == NUDGE]

        assert found.figures.share.whole == 0

    def test_it_does_not_count_what_a_quieter_policy_flagged(self) -> None:
        """Whom a lower bound brings in was never judged."""
        judge_many(30, at=NOW - 61 * DAY)
        put_in_force(with_changes(MAY, {"bands.medium": 0.4}))
        judge_many(29)

        assert earning.assess(now=NOW) == 0

    def test_it_takes_fresh_judgements_too(self) -> None:
        put_in_force(MAY)
        judge_many(30, at=NOW - 61 * DAY)
        judge_many(4)

        assert earning.assess(now=NOW) == 0


@pytest.mark.django_db
class TestLosing:
    @pytest.fixture(autouse=True)
    def earned(self) -> None:
        put_in_force(MAY)
        make_automatic_route(policy=store.live(), earned_at=NOW - 30 * DAY)

    def test_it_stays_between_the_two_bars(self) -> None:
        judge_many(27, 3)

        assert earning.assess(now=NOW) == 0

    def test_it_is_lost_when_its_lower_end_falls(self) -> None:
        judge_many(25, 5)

        assert earning.assess(now=NOW) == 1

        row = AutomaticRoute.objects.get()
        assert (row.lost_because, row.lost_at, row.lost_right, row.lost_judged) == ("precision", NOW, 25, 30)
        assert AuditEntry.objects.get(action="automation.lost").detail["because"] == "precision"
        assert earning.automatic(MAY, version=store.live().version) == frozenset()

    def test_it_is_lost_without_fresh_judgements(self) -> None:
        judge_many(30, at=NOW - 61 * DAY)
        judge_many(4)

        earning.assess(now=NOW)

        assert AutomaticRoute.objects.get().lost_because == "not_fresh"

    def test_it_is_lost_when_too_many_say_that_it_was_wrong(self) -> None:
        judge_many(30)
        for number in range(10):
            decision = sent(at=NOW - DAY)
            if number < 6:
                make_help_request(enrolment=decision.enrolment, kind="contest", asked_at=NOW - DAY)

        earning.assess(now=NOW)

        assert AutomaticRoute.objects.get().lost_because == "contested"
        assert earning.assess(now=NOW) == 0  # and not earned again by what was judged before

    def test_it_is_kept_where_few_of_many_complain(self) -> None:
        """Silence is no judgement, so those who complain must not be the only ones who count."""
        judge_many(30)
        for number in range(10):
            decision = sent(at=NOW - DAY)
            if number < 2:
                make_help_request(enrolment=decision.enrolment, kind="contest", asked_at=NOW - DAY)

        assert earning.assess(now=NOW) == 0

    def test_it_counts_a_second_look_that_was_drawn_as_a_check(self) -> None:
        for answer in ("needs_help", "does_not", "cannot_tell"):
            SecondLook.objects.create(
                enrolment=sent(at=NOW - 3 * DAY).enrolment,
                kind="audit",
                asked_at=NOW - 2 * DAY,
                answer=answer,
                answered_at=NOW - DAY,
                answered_by=uuid4(),
            )

        [found] = [one for one in earning.standings(now=NOW) if one.route == NUDGE]

        assert (found.figures.share.part, found.figures.share.whole) == (1, 2)

    def test_it_is_lost_when_the_policy_asks_always_again(self) -> None:
        judge_many(30)
        put_in_force(Document())

        earning.assess(now=NOW)

        assert AutomaticRoute.objects.get().lost_because == "switched_off"

    def test_it_asks_at_once_where_a_policy_reaches_others(self) -> None:
        judge_many(30)
        put_in_force(with_changes(MAY, {"bands.medium": 0.4}))
        live = store.live()

        assert earning.automatic(store.document(live), version=live.version) == frozenset()
        earning.assess(now=NOW)
        assert AutomaticRoute.objects.get().lost_because == "other_flags"

    def test_it_stays_where_a_policy_reaches_fewer(self) -> None:
        judge_many(30)
        put_in_force(with_changes(MAY, {"bands.medium": 0.5}))
        live = store.live()

        assert earning.automatic(store.document(live), version=live.version) == {NUDGE.key}
        earning.assess(now=NOW)
        row = standing()
        assert row is not None
        assert row.policy_id == live.pk
        assert earning.assess(now=NOW) == 0

    def test_a_person_takes_it_back_at_once_and_it_is_earned_anew(self) -> None:
        judge_many(30)
        row, admin = AutomaticRoute.objects.get(), uuid4()

        earning.ask_again(row=row, by=admin, now=NOW)

        row.refresh_from_db()
        assert (row.lost_because, row.lost_by) == ("by_a_person", admin)
        assert earning.automatic(MAY, version=store.live().version) == frozenset()
        assert AuditEntry.objects.get(action="automation.lost").actor_uuid == admin
        assert earning.assess(now=NOW) == 0
        judge_many(30, at=NOW + DAY)
        assert earning.assess(now=NOW + DAY) == 1
        with pytest.raises(earning.NotAutomatic):
            earning.ask_again(row=row, by=admin, now=NOW + DAY)
