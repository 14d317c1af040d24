"""Every trigger at its bounds, how triggers combine, and when one may open an episode again. Pure: no database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interventions import noticed, triggers
from interventions.decide import decide
from interventions.policy.document import Document, PolicyFault, dump, load, with_changes
from interventions.policy.triggering import KEYS
from interventions.snapshot import EpisodeView, PastEpisode, Seen, Snapshot, restore, store

NOW = datetime(2026, 3, 9, 10, tzinfo=UTC)
DAY = timedelta(days=1)
ALL = ("record", "profile", "nudge", "manager", "coach")


def snapshot(*, days: float = 1, **seen: Any) -> Snapshot:
    """Somebody who is well: active yesterday, at low risk; with what else was seen."""
    changes = {
        name: seen.pop(name)
        for name in list(seen)
        if name in {f.name for f in msgspec.structs.fields(Snapshot)}
    }
    base = Snapshot(
        now=NOW,
        policy_version=1,
        enrolment_id=1,
        learner_id=UUID(int=7),
        known_seq=3,
        active=True,
        in_pilot=True,
        impact="standard",
        scopes=ALL,
        reachable=True,
        seen=Seen(started_at=NOW - 60 * DAY, last_active_at=NOW - timedelta(days=days), **seen),
        risk=0.2,
        coverage=1.0,
        known_signals=3,
        model="composite-1",
        risk_as_of=NOW,
        course="https://lms.example/safety",
    )
    return msgspec.structs.replace(base, **changes)


def policy(*on: str, **changes: Any) -> Document:
    """The defaults with only these triggers on; places are written with two underscores."""
    wanted = {f"triggers.{key}.enabled": key in on for key in KEYS}
    return with_changes(Document(), wanted | {name.replace("__", "."): v for name, v in changes.items()})


def held(seen: Snapshot, document: Document) -> list[str]:
    return [one.key for one in triggers.held(seen, document)]


def episode(*keys: str, opened: timedelta = 4 * DAY, **changes: Any) -> EpisodeView:
    base = EpisodeView(UUID(int=1), "normal", NOW - opened, keys, 0, 0)
    return msgspec.structs.replace(base, **changes)


def mask(*ages: int) -> int:
    """Active that many days ago."""
    return sum(1 << age for age in ages)


# Eight active days in the four weeks before the last seven days: two a week.
TWO_A_WEEK = (7, 10, 14, 17, 21, 24, 28, 31)


class TestPace:
    @pytest.mark.parametrize(("done", "holds"), [(6, True), (7, False), (10, False)])
    def test_it_holds_below_seven_tenths_of_the_plan(self, done: int, holds: bool) -> None:
        seen = snapshot(steps=20, steps_done=done, steps_due=10)

        assert (held(seen, policy("pace")) == ["pace"]) is holds

    def test_it_waits_until_enough_is_due_to_speak_of_a_pace(self) -> None:
        assert held(snapshot(steps=20, steps_done=0, steps_due=2), policy("pace")) == []
        assert held(snapshot(steps=20, steps_done=0, steps_due=3), policy("pace")) == ["pace"]

    @pytest.mark.parametrize(("done", "over"), [(7, False), (8, True)])
    def test_it_is_over_above_the_bound_by_a_margin(self, done: int, over: bool) -> None:
        seen = snapshot(steps=20, steps_done=done, steps_due=10, episode=episode("pace"))

        assert triggers.recovered(seen, policy("pace")) is over

    def test_it_looks_again_when_the_next_step_falls_due(self) -> None:
        due_at = NOW + 3 * DAY
        seen = snapshot(steps=20, steps_done=8, steps_due=10, next_step_due_at=due_at)

        assert triggers.next_review_at(seen, policy("pace")) == due_at + timedelta(seconds=1)

    def test_it_says_the_numbers_and_judges_nobody(self) -> None:
        seen = snapshot(steps=20, steps_done=6, steps_due=10)

        assert noticed.sentence("pace", seen, "en") == "6 of the 10 steps planned by now are done."
        assert "6 gemacht" in (noticed.sentence("pace", seen, "de") or "")


class TestFailures:
    @pytest.mark.parametrize(("row", "holds"), [(1, False), (2, True)])
    def test_it_holds_after_two_in_a_row(self, row: int, holds: bool) -> None:
        seen = snapshot(failures_in_a_row=row, last_result_at=NOW - DAY)

        assert (held(seen, policy("failures")) == ["failures"]) is holds

    @pytest.mark.parametrize(
        ("still_open", "most", "holds"), [(1, 1, False), (1, 2, True), (0, 4, False), (None, None, False)]
    )
    def test_it_holds_after_two_on_one_concept_that_is_still_open(
        self, still_open: int | None, most: int | None, holds: bool
    ) -> None:
        seen = snapshot(open_concepts=still_open, repeated_failures=most)

        assert (held(seen, policy("failures")) == ["failures"]) is holds

    @pytest.mark.parametrize(
        ("row", "still_open", "ago", "over"),
        [(0, 0, 1, True), (0, 1, 1, False), (1, 0, 1, False), (0, 0, 5, False)],
    )
    def test_it_is_over_with_a_newer_result_that_is_no_failure_and_nothing_open(
        self, row: int, still_open: int, ago: int, over: bool
    ) -> None:
        seen = snapshot(
            failures_in_a_row=row,
            open_concepts=still_open,
            last_result_at=NOW - ago * DAY,
            episode=episode("failures"),
        )

        assert triggers.recovered(seen, policy("failures")) is over

    def test_it_never_comes_by_time_alone(self) -> None:
        assert triggers.next_review_at(snapshot(failures_in_a_row=1), policy("failures")) is None


class TestDeadline:
    @pytest.mark.parametrize(
        ("in_days", "holds"), [(6, False), (5.01, False), (5, True), (0.1, True), (-0.1, False)]
    )
    def test_it_holds_within_five_days_of_the_end(self, in_days: float, holds: bool) -> None:
        seen = snapshot(steps=10, steps_done=5, due_at=NOW + timedelta(days=in_days))

        assert (held(seen, policy("deadline")) == ["deadline"]) is holds

    @pytest.mark.parametrize(("done", "holds"), [(5, True), (6, False)])
    def test_it_holds_with_less_than_six_tenths_done(self, done: int, holds: bool) -> None:
        seen = snapshot(steps=10, steps_done=done, due_at=NOW + 3 * DAY)

        assert (held(seen, policy("deadline")) == ["deadline"]) is holds

    def test_it_says_when_the_day_comes_near(self) -> None:
        seen = snapshot(steps=10, steps_done=5, due_at=NOW + 9 * DAY)

        assert triggers.next_review_at(seen, policy("deadline")) == NOW + 4 * DAY

    @pytest.mark.parametrize(
        ("done", "in_days", "over"),
        [(6, 3, False), (7, 3, True), (2, -0.1, False), (7, -0.1, True), (2, 6, False), (2, 8, True)],
    )
    def test_it_is_over_when_enough_is_done_or_the_day_has_moved_and_not_because_it_was_missed(
        self, done: int, in_days: float, over: bool
    ) -> None:
        seen = snapshot(
            steps=10, steps_done=done, due_at=NOW + timedelta(days=in_days), episode=episode("deadline")
        )

        assert triggers.recovered(seen, policy("deadline")) is over


class TestEngagement:
    @pytest.mark.parametrize(("recent", "holds"), [((), True), ((2,), False)])
    def test_it_compares_with_the_learners_own_usual_week(self, recent: tuple[int, ...], holds: bool) -> None:
        seen = snapshot(active_days=mask(*recent, *TWO_A_WEEK))

        assert (held(seen, policy("engagement")) == ["engagement"]) is holds

    def test_it_needs_a_habit_to_fall_short_of(self) -> None:
        assert held(snapshot(active_days=mask(*TWO_A_WEEK[:7])), policy("engagement")) == []

    def test_it_says_on_which_day_the_week_will_be_too_quiet(self) -> None:
        # Active two days ago: from five days on that day has left the last seven.
        seen = snapshot(active_days=mask(2, *TWO_A_WEEK))

        assert triggers.next_review_at(seen, policy("engagement")) == datetime(2026, 3, 14, tzinfo=UTC)

    def test_it_is_over_when_most_of_the_usual_is_back_and_not_because_the_usual_has_sunk(self) -> None:
        document = policy("engagement")
        gone = snapshot(days=40, active_days=0, episode=episode("engagement"))
        back = snapshot(days=0.5, active_days=mask(0, 1, *TWO_A_WEEK), episode=episode("engagement"))

        assert not triggers.recovered(gone, document)
        assert triggers.recovered(back, document)


class TestCombining:
    both = {"days": 9, "mastery": 0.3, "steps": 20, "steps_done": 2, "steps_due": 10}

    def test_it_opens_on_any_of_them_unless_told_otherwise(self) -> None:
        document = policy("inactivity", "pace")

        assert decide(snapshot(days=9), document).open_episode

    def test_it_waits_for_all_that_are_on_where_the_policy_says_so(self) -> None:
        document = policy("inactivity", "pace", triggers__combine="all")

        assert decide(snapshot(days=9), document).reasons == ("too_few_signals",)
        assert decide(snapshot(**self.both), document).open_episode

    def test_it_counts_signals_and_not_triggers(self) -> None:
        document = policy("inactivity", "engagement", "pace", triggers__min_signals=2)
        quiet = snapshot(days=9, active_days=mask(*(age + 3 for age in TWO_A_WEEK)))

        assert held(quiet, document) == ["inactivity", "engagement"]
        assert decide(quiet, document).reasons == ("too_few_signals",)
        assert decide(snapshot(**self.both), document).open_episode

    def test_it_does_not_count_the_risk_beside_what_it_is_made_of(self) -> None:
        assert triggers.signals_of({"composite"}) == 1
        assert triggers.signals_of({"composite", "inactivity"}) == 1
        assert triggers.signals_of({"composite", "inactivity", "pace"}) == 2


class TestRepeating:
    def after(self, end: str, *, closed: timedelta, trigger: str = "inactivity", **more: Any) -> PastEpisode:
        return PastEpisode(trigger, NOW - closed, end, **more)

    def test_it_begins_again_after_a_recovery_and_a_relapse(self) -> None:
        seen = snapshot(days=9, past=(self.after("recovered", closed=20 * DAY),))

        assert decide(seen, Document()).open_episode

    def test_it_does_not_begin_anew_where_nothing_has_changed_since(self) -> None:
        seen = snapshot(days=45, past=(self.after("expired", closed=2 * DAY),))

        choice = decide(seen, Document())

        assert (choice.action, choice.reasons, choice.open_episode) == ("monitor", ("not_armed",), False)

    def test_it_begins_again_once_somebody_came_and_fell_silent_once_more(self) -> None:
        seen = snapshot(days=9, past=(self.after("expired", closed=20 * DAY),))

        assert decide(seen, Document()).open_episode

    def test_it_rearms_a_risk_that_had_eased_by_the_margin(self) -> None:
        stayed = self.after("expired", closed=9 * DAY, trigger="composite", eased=0.41)
        eased = msgspec.structs.replace(stayed, eased=0.40)

        assert not decide(snapshot(risk=0.6, past=(stayed,)), Document()).open_episode
        assert decide(snapshot(risk=0.6, past=(eased,)), Document()).open_episode

    def test_it_acts_once_or_every_time_where_the_policy_says_so(self) -> None:
        once = with_changes(Document(), {"triggers.inactivity.repeat": "first"})
        always = with_changes(Document(), {"triggers.inactivity.repeat": "every"})
        recovered = snapshot(days=9, past=(self.after("recovered", closed=20 * DAY),))
        expired = snapshot(days=45, past=(self.after("expired", closed=2 * DAY),))

        assert not decide(recovered, once).open_episode
        assert decide(expired, always).open_episode


class TestOverrides:
    def test_it_combines_otherwise_for_a_role_or_a_course(self) -> None:
        careful = [{"course": "https://lms.example/safety", "changes": {"min_signals": 2}}]
        document = policy("mastery", "inactivity", triggers__overrides=careful)

        assert decide(snapshot(days=9), document).reasons == ("too_few_signals",)
        assert decide(snapshot(days=9, course="https://lms.example/other"), document).action == "nudge"
        assert decide(snapshot(days=9, mastery=0.4), document).action == "nudge"

    def test_it_takes_other_bounds_for_a_role_or_a_course(self) -> None:
        document = with_changes(
            Document(),
            {
                "triggers.overrides": [
                    {"impact": "critical", "changes": {"inactivity.days": 4}},
                    {"course": "https://lms.example/slow", "changes": {"inactivity.enabled": False}},
                ]
            },
        )

        assert held(snapshot(days=5), document) == []
        assert held(snapshot(days=5, impact="critical"), document) == ["inactivity"]
        assert held(snapshot(days=9, course="https://lms.example/slow"), document) == []

    @pytest.mark.parametrize(
        ("override", "says"),
        [
            ({"impact": "royal", "changes": {"pace.below": 0.5}}, "no role impact"),
            ({"changes": {"pace.below": 0.5}}, "for which role impact or course"),
            ({"impact": "critical", "changes": {}}, "what is different"),
            ({"impact": "critical", "changes": {"pace.speed": 0.5}}, "no place pace.speed"),
            ({"impact": "critical", "changes": {"pace.below": 7}}, "between 0 and 1"),
            ({"impact": "critical", "changes": {"pace.below": "low"}}, "override 1"),
            ({"impact": "critical", "changes": {"pace.below": 0.9}}, "must not lie below"),
            ({"impact": "critical", "changes": {"min_signals": 9}}, "min_signals must lie between 1 and 4"),
            ({"impact": "critical", "changes": {"min_signals": 3}}, "nothing would ever open"),
            ({"impact": "critical", "changes": {"combine": "some"}}, "override 1"),
        ],
    )
    def test_it_names_what_is_wrong_with_one(self, override: dict[str, Any], says: str) -> None:
        with pytest.raises(PolicyFault, match=says) as refused:
            with_changes(Document(), {"triggers.overrides": [override]})

        assert {fault.place for fault in refused.value.faults} <= {
            "triggers.overrides",
            "triggers.pace.recovered_at",
        }


class TestDocument:
    def test_it_reads_a_policy_from_before_these_triggers(self) -> None:
        stored = dump(Document())
        old = {name: dict(stored["triggers"][name]) for name in ("mastery", "inactivity", "composite")}
        for trigger in old.values():
            trigger.pop("repeat")

        assert load(stored | {"triggers": old}) == Document()

    def test_it_knows_no_place_that_nobody_reads(self) -> None:
        with pytest.raises(PolicyFault, match="weather"):
            load({"triggers": {"weather": {}}})

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            ("triggers.pace.recovered_at", 0.6),
            ("triggers.deadline.recovered_at", 0.5),
            ("triggers.engagement.recovered_at", 0.4),
            ("triggers.failures.in_a_row", 1),
            ("triggers.min_signals", 3),
        ],
    )
    def test_it_names_the_place_that_does_not_fit(self, place: str, value: float) -> None:
        with pytest.raises(PolicyFault) as refused:
            with_changes(Document(), {place: value})

        assert [fault.place for fault in refused.value.faults] == [place]


class TestAskedByTheManager:
    def test_it_brings_a_coach_by_a_named_exemption(self) -> None:
        choice = decide(snapshot(request="manager"), Document())

        assert (choice.action, choice.exemption, choice.triggers) == (
            "coach",
            "manager_asked",
            ("manager_asked",),
        )

    @pytest.mark.parametrize("missing", ["profile", "coach"])
    def test_it_does_not_count_against_the_learners_no(self, missing: str) -> None:
        scopes = tuple(scope for scope in ALL if scope != missing)

        assert decide(snapshot(request="manager", scopes=scopes), Document()).action == "monitor"


KNOWN = {
    "mastery": st.floats(0, 1),
    "steps": st.just(20),
    "steps_done": st.integers(0, 20),
    "steps_due": st.integers(0, 20),
    "due_at": st.floats(-3, 9).map(lambda days: NOW + timedelta(days=days)),
    "open_concepts": st.integers(0, 3),
    "repeated_failures": st.integers(0, 5),
    "last_result_at": st.just(NOW - DAY),
    "active_days": st.integers(0, 2**40),
}
EVERYTHING = policy(*KEYS)


@given(
    seen=st.fixed_dictionaries(KNOWN),
    risk=st.floats(0, 1),
    days=st.floats(0, 30),
    unknown=st.sets(st.sampled_from([*KNOWN, "risk"]), min_size=1),
)
def test_an_unknown_never_triggers(seen: dict[str, Any], risk: float, days: float, unknown: set[str]) -> None:
    known = snapshot(days=days, risk=risk, **seen)
    less = snapshot(
        days=days,
        risk=None if "risk" in unknown else risk,
        **{name: None if name in unknown else value for name, value in seen.items()},
    )

    assert set(held(less, EVERYTHING)) <= set(held(known, EVERYTHING))


@given(
    seen=st.fixed_dictionaries(KNOWN), risk=st.floats(0, 1), days=st.floats(0, 30), key=st.sampled_from(KEYS)
)
def test_what_holds_is_not_over_the_moment_it_opens(
    seen: dict[str, Any], risk: float, days: float, key: str
) -> None:
    now_held = snapshot(days=days, risk=risk, **seen)
    opened = msgspec.structs.replace(now_held, episode=episode(key, opened=timedelta()))

    if key in held(now_held, EVERYTHING):
        assert not triggers.recovered(opened, EVERYTHING)


@given(seen=st.fixed_dictionaries(KNOWN), risk=st.floats(0, 1), days=st.floats(0, 30))
def test_it_decides_the_same_again_from_what_it_kept(seen: dict[str, Any], risk: float, days: float) -> None:
    before = snapshot(days=days, risk=risk, **seen)

    again = restore(msgspec.json.decode(msgspec.json.encode(store(before))))

    assert again == before
    assert decide(again, EVERYTHING) == decide(before, EVERYTHING)
