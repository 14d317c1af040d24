"""The decision is pure: these tests need no database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interventions import triggers
from interventions.decide import decide
from interventions.models import Suppression
from interventions.policy.document import Bands, Document, PolicyFault, with_changes
from interventions.snapshot import EpisodeView, HoldView, RuleHit, Seen, Snapshot, restore, store
from interventions.wordlist import REASONS

NOW = datetime(2026, 3, 9, 10, tzinfo=UTC)
ALL = ("record", "profile", "nudge", "manager", "coach")
LEARNER = UUID(int=7)


def snapshot(
    *, days: float | None = 1, mastery: float | None = None, gap: float | None = None, **changes: Any
) -> Snapshot:
    last = None if days is None else NOW - timedelta(days=days)
    base = Snapshot(
        now=NOW,
        policy_version=1,
        enrolment_id=1,
        learner_id=LEARNER,
        known_seq=3,
        active=True,
        in_pilot=True,
        impact="standard",
        scopes=ALL,
        reachable=True,
        seen=Seen(NOW - timedelta(days=60), last, gap, mastery, None),
        risk=0.2,
        coverage=1.0,
        known_signals=3,
        model="composite-1",
        risk_as_of=NOW,
        lessons=("feedback", "phishing"),
    )
    return msgspec.structs.replace(base, **changes)


def episode(**changes: Any) -> EpisodeView:
    base = EpisodeView(
        id=UUID(int=1),
        ladder="normal",
        opened_at=NOW - timedelta(days=4),
        triggers=("inactivity",),
        failed_attempts=0,
        step=0,
    )
    return msgspec.structs.replace(base, **changes)


@pytest.mark.parametrize(
    ("risk", "known", "band"),
    [(0.45, 3, "low"), (0.4501, 3, "medium"), (0.75, 3, "medium"), (0.7501, 3, "high"), (0.9, 1, "medium")],
)
def test_it_treats_the_bounds_of_the_bands_as_strict(risk: float, known: int, band: str) -> None:
    assert triggers.band(risk, 1.0, known, Bands()) == band


def test_it_has_no_band_for_a_risk_of_which_too_little_is_known() -> None:
    assert triggers.band(0.9, 0.49, 2, Bands()) is None


def test_it_does_nothing_where_nothing_is_the_matter_and_says_when_to_look_again() -> None:
    choice = decide(snapshot(days=1), Document())

    assert choice.action == "monitor"
    assert choice.review_at == NOW + timedelta(days=6)


def test_it_nudges_after_a_week_of_silence() -> None:
    choice = decide(snapshot(days=7), Document())

    assert (choice.action, choice.triggers, choice.ladder) == ("nudge", ("inactivity",), "normal")


def test_it_lets_people_with_a_slow_rhythm_be() -> None:
    assert decide(snapshot(days=12, gap=5), Document()).action == "monitor"
    assert decide(snapshot(days=15, gap=5), Document()).action == "nudge"


def test_it_takes_the_fast_ladder_with_a_lesson_when_the_risk_is_high() -> None:
    choice = decide(snapshot(days=9, risk=0.8), Document())

    assert (choice.action, choice.ladder) == ("lesson_nudge", "fast")
    assert choice.lesson in ("feedback", "phishing")
    assert choice.propensity == 0.5


def test_it_needs_low_mastery_and_silence_together() -> None:
    assert decide(snapshot(days=6, mastery=0.3), Document()).action == "monitor"
    assert "mastery" in decide(snapshot(days=7, mastery=0.3), Document()).triggers


@pytest.mark.parametrize(("failed", "action"), [(0, "nudge"), (1, "lesson"), (2, "manager"), (5, "manager")])
def test_it_climbs_one_step_per_failed_attempt(failed: int, action: str) -> None:
    current = episode(failed_attempts=failed, step=failed)

    assert decide(snapshot(days=12, episode=current), Document()).action == action


def test_it_sends_critical_roles_at_high_risk_straight_to_a_coach_by_a_named_exemption() -> None:
    choice = decide(snapshot(days=9, risk=0.8, impact="critical"), Document())

    assert (choice.action, choice.exemption) == ("coach", "critical_role")


def test_it_never_reaches_a_person_before_an_attempt_failed_unless_exempt() -> None:
    for impact in ("standard", "elevated"):
        for risk in (0.5, 0.8, 1.0):
            choice = decide(snapshot(days=9, risk=risk, impact=impact), Document())
            assert choice.action not in ("manager", "coach")


@pytest.mark.parametrize(("request_kind", "exemption"), [("help", "learner_asked"), ("contest", "contest")])
def test_it_brings_a_coach_at_once_when_the_learner_asks(request_kind: str, exemption: str) -> None:
    choice = decide(snapshot(request=request_kind), Document())

    assert (choice.action, choice.exemption, choice.open_episode) == ("coach", exemption, True)


def test_it_hears_a_call_for_help_from_somebody_who_refuses_to_be_watched() -> None:
    assert decide(snapshot(scopes=("record", "coach"), request="help"), Document()).action == "coach"


def test_it_leaves_people_alone_who_refuse_profiling() -> None:
    choice = decide(snapshot(days=20, risk=0.9, scopes=("record", "nudge"), episode=episode()), Document())

    assert (choice.action, choice.end_episode) == ("monitor", "consent")


def test_it_waits_while_a_step_is_under_way() -> None:
    ends = NOW + timedelta(hours=9)
    choice = decide(snapshot(days=12, episode=episode(under_way=True, window_ends_at=ends)), Document())

    assert (choice.action, choice.review_at) == ("monitor", ends)


def test_it_rests_after_a_human_said_no() -> None:
    declined = episode(lapsed_reason="declined", lapsed_at=NOW - timedelta(days=13))

    assert decide(snapshot(days=20, episode=declined), Document()).action == "monitor"
    over = msgspec.structs.replace(declined, lapsed_at=NOW - timedelta(days=14))
    assert decide(snapshot(days=20, episode=over), Document()).action == "nudge"


def test_it_ends_an_episode_only_when_every_trigger_is_over_with_a_margin() -> None:
    composite = episode(triggers=("composite",))

    assert decide(snapshot(risk=0.42, episode=composite), Document()).end_episode == ""
    assert decide(snapshot(risk=0.40, episode=composite), Document()).end_episode == "recovered"


def test_it_does_not_start_again_right_after_recovery() -> None:
    assert decide(snapshot(days=8, recovered_at=NOW - timedelta(days=1)), Document()).action == "monitor"


def test_it_abstains_from_a_risk_of_a_model_the_policy_does_not_trust() -> None:
    one = with_changes(Document(), {"model": "composite-1"})

    assert decide(snapshot(risk=0.9, model="boosted-7"), one).action == "monitor"
    assert decide(snapshot(risk=0.9, model="composite-1"), one).action == "lesson_nudge"


def test_it_acts_on_whatever_is_live_where_the_policy_says_so() -> None:
    assert Document().model == "live"
    assert decide(snapshot(risk=0.9, model="boosted-7"), Document()).action == "lesson_nudge"
    assert decide(snapshot(risk=0.9, model=None), Document()).action == "monitor"


@given(
    risk=st.none() | st.floats(0, 1),
    days=st.none() | st.floats(0, 60),
    model=st.sampled_from([None, "composite-1", "boosted-7"]),
)
def test_it_decides_under_a_policy_that_names_a_model_as_it_always_did(
    risk: float | None, days: float | None, model: str | None
) -> None:
    named = with_changes(Document(), {"model": "composite-1"})
    seen = snapshot(risk=risk, days=days, model=model)

    band = triggers.risk_band(seen, named)

    expected = triggers.band(risk, seen.coverage, seen.known_signals, named.bands)
    assert band == (expected if model == "composite-1" else None)


def test_it_does_nothing_that_costs_more_than_it_is_likely_to_bring() -> None:
    document = Document()
    poor = msgspec.structs.replace(document.value, minutes_per_recovery=10)

    choice = decide(snapshot(days=9), msgspec.structs.replace(document, value=poor))

    assert (choice.action, choice.reasons) == ("monitor", ("not_worth_it",))


@given(
    days=st.none() | st.floats(0, 60),
    mastery=st.none() | st.floats(0, 1),
    risk=st.none() | st.floats(0, 1),
    impact=st.sampled_from(["standard", "elevated", "critical"]),
    failed=st.integers(0, 4),
    scopes=st.sets(st.sampled_from(ALL)).map(sorted).map(tuple),
)
def test_it_decides_the_same_again_from_what_it_kept(
    days: float | None,
    mastery: float | None,
    risk: float | None,
    impact: str,
    failed: int,
    scopes: tuple[str, ...],
) -> None:
    before = snapshot(
        days=days,
        mastery=mastery,
        risk=risk,
        impact=impact,
        scopes=scopes,
        episode=episode(failed_attempts=failed),
    )

    again = restore(msgspec.json.decode(msgspec.json.encode(store(before))))

    assert again == before
    assert decide(again, Document()) == decide(before, Document())


@pytest.mark.parametrize("hours", [0, 5])
def test_a_window_that_has_closed_and_is_not_judged_yet_is_not_looked_at_at_once_again(hours: int) -> None:
    closed = episode(under_way=True, window_ends_at=NOW - timedelta(hours=hours))

    choice = decide(snapshot(days=10, episode=closed), Document())

    assert choice.reasons == ("step_under_way",)
    assert choice.review_at is not None
    assert choice.review_at > NOW  # else each round would find the same and leave a row, until it is judged


class TestACellThatOnlyWatches:
    def test_it_watches_and_says_that_the_rules_leave_it_at_that(self) -> None:
        policy = with_changes(Document(), {"matrix.standard.medium.0": "monitor"})

        choice = decide(snapshot(days=9), policy)

        assert (choice.action, choice.reasons, choice.open_episode) == (
            "monitor",
            ("left_at_watching",),
            False,
        )
        assert choice.review_at is not None
        assert choice.review_at > NOW

    def test_it_refuses_a_step_that_nobody_ever_comes_to(self) -> None:
        row = {f"matrix.standard.{band}.{n}": "monitor" for band in ("medium", "high") for n in (0, 1)}

        with pytest.raises(PolicyFault) as refused:
            with_changes(Document(), row)

        assert [fault.place for fault in refused.value.faults] == [
            "matrix.standard.medium.2",
            "matrix.standard.high.2",
        ]
        # In one band alone it is reached: a risk that rises leads there.
        with_changes(Document(), {"matrix.standard.medium.0": "monitor"})


ACTIONS = st.sampled_from(["monitor", "nudge", "lesson", "lesson_nudge", "manager", "coach"])
LEARNERS = st.sampled_from(["monitor", "nudge", "lesson", "lesson_nudge"])
VIEWS = st.builds(
    episode,
    triggers=st.sampled_from(
        [("inactivity",), ("mastery",), ("composite", "inactivity"), ("learner_asked",)]
    ),
    opened_at=st.sampled_from([NOW, NOW - timedelta(days=4), NOW - timedelta(days=40)]),
    failed_attempts=st.integers(0, 3),
    step=st.integers(0, 3),
    under_way=st.booleans(),
    with_person=st.booleans(),
    manager_asked=st.booleans(),
    window_ends_at=st.sampled_from([None, NOW - timedelta(days=1), NOW + timedelta(days=1)]),
    lapsed_reason=st.sampled_from([None, *Suppression.Reason.values]),
    lapsed_at=st.sampled_from([None, NOW, NOW - timedelta(days=2)]),
    capped_in_a_row=st.integers(0, 3),
    rule=st.sampled_from(["", "", "onboarding"]),
    waited_since=st.sampled_from([None, NOW, NOW - timedelta(days=8)]),
)


@given(
    days=st.floats(0, 40),
    mastery=st.none() | st.floats(0, 1),
    risk=st.none() | st.floats(0, 1),
    impact=st.sampled_from(["standard", "elevated", "critical"]),
    scopes=st.sets(st.sampled_from(ALL)),
    now_open=st.none() | VIEWS,
    first=st.tuples(LEARNERS, LEARNERS),
    later=st.tuples(ACTIONS, ACTIONS),
    rearm=st.sampled_from([0, 3]),
    pairing=st.sampled_from([0, 7]),
    recovered=st.sampled_from([None, NOW, NOW - timedelta(days=1)]),
    held=st.sampled_from([None, "leave", "busy_week"]),
    wish=st.sampled_from([None, "help", "contest", "manager"]),
    hit=st.booleans(),
)
def test_it_says_why_in_words_and_never_asks_to_be_looked_at_for_ever(
    days: float,
    mastery: float | None,
    risk: float | None,
    impact: str,
    scopes: set[str],
    now_open: EpisodeView | None,
    first: tuple[str, str],
    later: tuple[str, str],
    rearm: int,
    pairing: int,
    recovered: datetime | None,
    held: str | None,
    wish: str | None,
    hit: bool,
) -> None:
    matrix = {f"matrix.{impact}.{band}.0": cell for band, cell in zip(("medium", "high"), first, strict=True)}
    matrix |= {
        f"matrix.{impact}.{band}.2": cell for band, cell in zip(("medium", "high"), later, strict=True)
    }
    try:
        policy = with_changes(
            Document(),
            {**matrix, "ladder.rearm_days": rearm, "triggers.mastery.with_days_inactive": pairing},
        )
    except PolicyFault:
        return
    seen = snapshot(days=days, mastery=mastery, risk=risk, impact=impact, scopes=tuple(sorted(scopes)))
    seen = msgspec.structs.replace(
        seen,
        episode=now_open,
        recovered_at=recovered,
        hold=HoldView(held, "Close", NOW + timedelta(days=3)) if held else None,
        request=wish,
        rules=(RuleHit("onboarding", 1, "nudge", opens=True),) if hit else (),
    )

    looks = 0
    while True:
        choice = decide(seen, policy)
        key = choice.reasons[0].partition(":")[0]
        assert all(key in REASONS[language] for language in ("en", "de")), key
        if choice.action != "monitor" or choice.review_at is None or choice.review_at > NOW:
            break
        assert choice.end_episode  # else the same would be found again at once, and again
        looks += 1
        assert looks < 2
        seen = msgspec.structs.replace(
            seen,
            episode=None,
            recovered_at=NOW if choice.end_episode == "recovered" else seen.recovered_at,
        )


class TestAManagerWhoIsNotHeardOf:
    @pytest.mark.parametrize(
        ("days", "action", "reason"), [(6.9, "monitor", "with_a_person"), (7, "coach", "matrix")]
    )
    def test_a_coach_takes_over_after_a_week_on_the_same_proof(
        self, days: float, action: str, reason: str
    ) -> None:
        asked = episode(
            with_person=True,
            manager_asked=True,
            failed_attempts=2,
            opened_at=NOW - timedelta(days=20),
            waited_since=NOW - timedelta(days=days),
        )

        choice = decide(snapshot(days=30, episode=asked), Document())

        assert (choice.action, choice.reasons[0].partition(":")[0], choice.exemption) == (action, reason, "")
        if action == "monitor":
            assert choice.review_at == NOW + timedelta(days=0.1)

    @pytest.mark.parametrize("wish", ["help", "contest"])
    def test_a_call_for_help_does_not_wait_for_them(self, wish: str) -> None:
        asked = episode(with_person=True, manager_asked=True, waited_since=NOW - timedelta(days=1))

        assert decide(snapshot(days=9, episode=asked, request=wish), Document()).action == "coach"

    def test_a_coach_who_has_it_is_waited_for(self) -> None:
        choice = decide(snapshot(days=9, episode=episode(with_person=True), request="help"), Document())

        assert (choice.reasons, choice.review_at) == (("with_a_person",), None)


@pytest.mark.parametrize("rules", [(), (RuleHit("onboarding", 1, "nudge", opens=True),)])
def test_it_asks_for_no_yes_that_nobody_may_give(rules: tuple[RuleHit, ...]) -> None:
    quiet = 1 if rules else 9
    refused = snapshot(days=quiet, rules=rules, scopes=("record", "profile", "nudge", "manager"))

    choice = decide(refused, Document())

    assert (choice.action, choice.reasons[0]) == ("monitor", "no_coach_consent")


def test_it_still_goes_out_by_itself_where_nobody_needs_to_look() -> None:
    policy = with_changes(Document(), {"automation.nudge": True, "automation.ask_one_in": 20})
    scopes = ("record", "profile", "nudge")
    found = {
        decide(
            snapshot(days=9, scopes=scopes, enrolment_id=number, automatic=("nudge:medium:standard",)), policy
        ).action
        for number in range(20)
    }

    assert "nudge" in found
