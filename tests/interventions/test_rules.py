"""Rules in decisions: what they choose within a step, what they do alone, and what they never get around."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from interventions import approvals
from interventions.decide import decide
from interventions.models import Approval, Decision, Lesson, Outcome, Rule, Suppression
from interventions.policy import store as policies
from interventions.policy.document import Document, with_changes
from interventions.rules import store
from interventions.rules.condition import Clause, When
from interventions.situation import snapshots
from interventions.snapshot import HoldView, RuleHit, restore
from learners.models import Competency, Role, RoleCompetency, User
from signals.models import Label
from tests.interventions.test_triggers import NOW as MONDAY
from tests.interventions.test_triggers import episode, snapshot
from tests.support.interventions import make_admin, make_enrolment, make_episode, make_rule
from tests.support.journey import Journey
from tests.support.learners import make_user

EXAMPLE = RuleHit("worked-example", 1, "lesson", "lock-out-tag-out")
ALONE = RuleHit("onboarding", 2, "nudge", opens=True)


class TestDeciding:
    def test_it_chooses_what_a_step_says_where_a_trigger_opened_it(self) -> None:
        choice = decide(snapshot(days=9, rules=(EXAMPLE,), lessons=("phishing",)), Document())

        assert (choice.action, choice.lesson, choice.propensity) == ("lesson", "lock-out-tag-out", 1.0)
        assert choice.reasons == ("matrix:standard:medium:0", "rule:worked-example:1")
        assert choice.rule == ("worked-example", 1)
        assert choice.triggers == ("inactivity",)

    def test_it_keeps_a_step_that_has_a_lesson_anyway_and_changes_which(self) -> None:
        choice = decide(snapshot(days=9, risk=0.8, rules=(EXAMPLE,), lessons=("phishing",)), Document())

        assert (choice.action, choice.lesson) == ("lesson_nudge", "lock-out-tag-out")

    def test_it_draws_among_those_that_fit_where_it_names_none(self) -> None:
        fitting = RuleHit("refresher", 1, "lesson")
        choice = decide(snapshot(days=9, rules=(fitting,), lessons=("a", "b"), lessons_fit=True), Document())

        assert (choice.action, choice.propensity, choice.rule) == ("lesson", 0.5, ("refresher", 1))
        assert choice.lesson in ("a", "b")

    def test_it_never_turns_a_person_into_a_message_or_a_message_into_a_person(self) -> None:
        current = episode("inactivity", failed_attempts=2, step=2)

        assert decide(snapshot(days=12, rules=(EXAMPLE,), episode=current), Document()).action == "manager"

    def test_it_begins_nothing_by_itself_unless_it_acts_alone(self) -> None:
        assert decide(snapshot(rules=(EXAMPLE,)), Document()).action == "monitor"

    def test_it_acts_alone_in_an_episode_of_its_own(self) -> None:
        choice = decide(snapshot(rules=(ALONE,)), Document())

        assert (choice.action, choice.open_episode, choice.triggers) == ("nudge", True, ("rule-onboarding",))
        assert choice.expected_value is not None
        assert choice.expected_value > 0

    def test_it_gives_way_to_trouble(self) -> None:
        assert decide(snapshot(days=9, rules=(ALONE,)), Document()).triggers == ("inactivity",)
        mine = episode("rule-onboarding", rule="onboarding", under_way=True)
        choice = decide(snapshot(days=9, episode=mine), Document())
        assert (choice.action, choice.end_episode, choice.review_at) == ("monitor", "rule_done", MONDAY)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"scopes": ("record", "profile")}, "no_nudge_consent"),
            ({"reachable": False}, "no_channel"),
            ({"in_pilot": False}, "no_trigger"),
            ({"scopes": ("record", "nudge")}, "no_consent"),
            ({"settled_at": MONDAY - timedelta(days=13)}, "no_trigger"),
        ],
    )
    def test_it_gets_around_nothing(self, change: dict[str, Any], reason: str) -> None:
        choice = decide(snapshot(rules=(ALONE,), **change), Document())

        assert (choice.action, choice.reasons[0]) == ("monitor", reason)

    def test_it_does_nothing_that_is_not_worth_it(self) -> None:
        poor = with_changes(Document(), {"value.minutes_per_recovery": 10})

        assert decide(snapshot(rules=(ALONE,)), poor).reasons == ("not_worth_it", "rule:onboarding:2")

    def test_it_does_nothing_where_it_is_too_uncertain_that_it_pays(self) -> None:
        careful = with_changes(Document(), {"value.least_probability": 0.99})

        assert decide(snapshot(rules=(ALONE,)), careful).reasons == ("too_uncertain", "rule:onboarding:2")

    def test_it_begins_nothing_while_somebody_is_not_to_be_disturbed(self) -> None:
        back = MONDAY + timedelta(days=3)
        choice = decide(snapshot(rules=(ALONE,), hold=HoldView("leave", "", back)), Document())

        assert (choice.action, choice.reasons, choice.review_at) == ("monitor", ("leave:",), back)

    def test_it_is_one_step_and_no_ladder(self) -> None:
        mine = episode("rule-onboarding", rule="onboarding", under_way=True, step=0)
        over = msgspec.structs.replace(mine, under_way=False, step=1, failed_attempts=1)

        assert decide(snapshot(episode=mine), Document()).end_episode == ""
        assert decide(snapshot(episode=over), Document()).end_episode == "rule_done"
        assert decide(snapshot(episode=over), Document()).action == "monitor"


@pytest.mark.django_db
class TestOnTheWholePath:
    def test_it_goes_through_approval_and_the_cap_and_ends_after_its_step(self) -> None:
        journey = Journey()
        rule = make_rule(
            key="hello",
            acts_alone=True,
            when={"clauses": [{"fact": "days_inactive", "op": "at_least", "value": 1}]},
            message="rule-onboarding",
        )
        journey.does()
        journey.tick(days=1, minutes=1)

        decision = Decision.objects.get(rule=rule)
        assert decision.episode is not None
        assert decision.episode.rule == rule
        assert Approval.objects.get(decision=decision).state == "waiting"
        approvals.approve(decision=decision, by=journey.coach.pk, now=journey.now)
        assert decision.deliveries.order_by("pk")[0].subject == "Your onboarding is done. What comes next?"
        journey.tick(minutes=1)
        journey.does()
        journey.tick(hours=73)
        journey.tick(minutes=1)

        decision.episode.refresh_from_db()
        assert decision.episode.end == "rule_done"
        assert not Label.objects.filter(definition__startswith="recovered").exists()
        journey.tick(days=15)
        assert Outcome.objects.filter(decision=decision, measure="answered_72h").exists()
        assert not Outcome.objects.filter(decision=decision, measure="recovered_14d").exists()

    def test_it_is_not_said_again_to_somebody_whom_it_was_said_to(self) -> None:
        journey = Journey()
        make_rule(key="hello", acts_alone=True)
        journey.does()
        for _ in range(7):
            journey.tick(days=1)

        assert Decision.objects.filter(rule__key="hello").exclude(action="monitor").count() == 1

    @pytest.mark.parametrize("over", ["retired", "expired"])
    def test_it_does_not_go_out_once_the_rule_is_taken_out_of_force_or_its_day_is_over(
        self, over: str
    ) -> None:
        journey = Journey()
        rule = make_rule(
            key="hello",
            acts_alone=True,
            when={"clauses": [{"fact": "days_inactive", "op": "at_least", "value": 1}]},
            expires_on=(journey.now + timedelta(days=2)).date(),
        )
        journey.does()
        journey.tick(days=1, minutes=1)
        decision = Decision.objects.get(rule=rule)
        approvals.approve(decision=decision, by=journey.coach.pk, now=journey.now)

        if over == "retired":
            store.retire(rule=rule, by=None, now=journey.now)
            journey.tick(minutes=1)
        else:
            journey.tick(days=1)

        assert Suppression.objects.get(decision=decision).reason == "superseded"
        assert not decision.deliveries.filter(state="sent").exists()

    def test_it_says_what_is_true_of_a_person_in_one_of_their_courses_only(self) -> None:
        journey = Journey()
        second = make_enrolment(learner=journey.learner)
        journey.learner.started_on = journey.now.date() - timedelta(days=3)
        journey.learner.save()
        make_rule(
            key="new",
            acts_alone=True,
            when={"clauses": [{"fact": "days_since_joining", "op": "below", "value": 30}]},
        )

        both = snapshots(
            [journey.enrolment.pk, second.pk],
            policy=Document(),
            policy_version=policies.live().version,
            now=journey.now,
        )

        assert [len(seen.rules) for _, seen in sorted(both.items())] == [1, 0]

    def test_it_hears_what_was_completed_outside_of_the_course(self) -> None:
        journey = Journey()
        make_rule(
            key="onboarded",
            acts_alone=True,
            when={"clauses": [{"fact": "completed", "op": "lately", "value": 14, "what": "urn:onboarding"}]},
        )
        statement = journey.statement("completed")
        statement["object"] = {"id": "urn:onboarding"}
        statement.pop("context")
        journey.send(statement)

        seen = snapshots(
            [journey.enrolment.pk], policy=Document(), policy_version=1, now=journey.now + timedelta(hours=1)
        )[journey.enrolment.pk]

        assert [hit.key for hit in seen.rules] == ["onboarded"]
        assert [did.what for did in seen.did] == ["urn:onboarding"]
        assert restore(msgspec.to_builtins(seen)) == seen

    def test_it_gives_a_lesson_only_where_one_fits(self) -> None:
        journey = Journey()
        make_rule(
            key="fitting",
            action="lesson",
            when={"clauses": [{"fact": "days_inactive", "op": "at_least", "value": 0}]},
        )

        def hits() -> list[str]:
            seen = snapshots([journey.enrolment.pk], policy=Document(), policy_version=1, now=journey.now)
            return [hit.key for hit in seen[journey.enrolment.pk].rules]

        assert hits() == []
        assert journey.learner.job_role is not None
        RoleCompetency.objects.create(
            job_role=journey.learner.job_role, competency=Competency.objects.get(key="giving-feedback")
        )
        assert hits() == ["fitting"]

    def test_it_gives_no_lesson_twice(self) -> None:
        journey = Journey()
        lesson = Lesson.objects.get(key="spotting-phishing")
        make_rule(
            key="lesson",
            action="lesson",
            lesson=lesson,
            when={"clauses": [{"fact": "days_inactive", "op": "at_least", "value": 0}]},
        )
        past = make_episode(enrolment=journey.enrolment, closed_at=journey.now, end="recovered")
        before = snapshots([journey.enrolment.pk], policy=Document(), policy_version=1, now=journey.now)
        Decision.objects.create(
            enrolment=journey.enrolment,
            episode=past,
            step=0,
            policy=policies.live(),
            action="lesson",
            lesson=lesson,
            known_seq=1,
            at=journey.now,
        )
        after = snapshots([journey.enrolment.pk], policy=Document(), policy_version=1, now=journey.now)

        assert [hit.lesson for hit in before[journey.enrolment.pk].rules] == ["spotting-phishing"]
        assert after[journey.enrolment.pk].rules == ()


@pytest.mark.django_db
class TestVersions:
    when = When((Clause("mastery", "below", 0.5),))

    def test_it_replaces_the_version_before_and_keeps_it(self) -> None:
        owner = make_user(Role.ADMIN)
        common: dict[str, Any] = {
            "owner": owner,
            "expires_on": date(2099, 1, 1),
            "action": "nudge",
            "title": "A",
        }
        first = store.draft(key="a", when=self.when, by=owner.pk, now=MONDAY, **common)
        store.go_live(rule=first, by=owner.pk, now=MONDAY)
        second = store.draft(key="a", when=self.when, by=owner.pk, now=MONDAY, **common)
        store.go_live(rule=second, by=owner.pk, now=MONDAY)

        assert list(Rule.objects.filter(key="a").order_by("version").values_list("version", "state")) == [
            (1, "retired"),
            (2, "live"),
        ]

    def test_it_says_what_is_missing_before_it_can_be_in_force(self) -> None:
        draft = store.draft(
            key="new",
            when=When((Clause("days_since_joining", "below", 30),)),
            by=make_admin().pk,
            now=MONDAY,
            action="nudge",
            title="New",
        )

        with pytest.raises(store.NotReady, match=r"owner.*expires.*review board"):
            store.go_live(rule=draft, by=None, now=MONDAY)

    def test_it_goes_live_on_a_proxy_with_the_yes_of_a_reviewer(self) -> None:
        admin, reviewer = make_admin(), make_user(Role.REVIEWER)
        draft = store.draft(
            key="new",
            when=When((Clause("days_since_joining", "below", 30),)),
            by=admin.pk,
            now=MONDAY,
            action="nudge",
            title="New",
            owner=admin,
            expires_on=date(2099, 1, 1),
        )
        with pytest.raises(store.NotOfTheBoard):
            store.review(rule=draft, by=admin, now=MONDAY)
        store.review(rule=draft, by=reviewer, now=MONDAY)

        assert store.go_live(rule=draft, by=admin.pk, now=MONDAY).state == "live"

    def test_it_takes_the_yes_away_with_any_change(self) -> None:
        reviewer: User = make_user(Role.REVIEWER)
        draft = make_rule(key="a", state="draft", needs_review=True, reviewed_by=reviewer, reviewed_at=MONDAY)

        changed = store.draft(
            key="a", when=When((Clause("impact", "is", "critical"),)), by=make_admin().pk, now=MONDAY
        )

        assert changed.pk == draft.pk
        assert (changed.needs_review, changed.reviewed_by) == (True, None)
