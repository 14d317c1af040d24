"""What the database promises about policies and rules: each promise is tested by breaking it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from interventions.models import (
    Decision,
    Policy,
    PolicyProposal,
    Rule,
)
from interventions.policy import store
from learners.models import Role, User
from tests.support.interventions import (
    NOW,
    make_admin,
    make_decision,
    make_policy,
    make_proposal,
    make_rule,
)
from tests.support.promises import Broken

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


# Policy


def test_it_has_one_live_policy() -> None:
    with Broken("one_policy_is_live"):
        make_policy(state="live")


def test_it_knows_since_when_a_policy_is_in_force() -> None:
    draft = make_policy()

    with Broken("a_policy_in_force_says_since_when"):
        Policy.objects.filter(pk=draft.pk).update(state="retired")


@pytest.mark.parametrize(
    "change",
    [
        {"document": {}},
        {"version": 9},
        {"reason": "Another"},
        {"live_at": LATER},
        {"state": "draft", "live_at": None},
    ],
)
def test_it_never_changes_a_policy_in_force(change: dict[str, Any]) -> None:
    with Broken("a_policy_in_force_stays"):
        Policy.objects.filter(pk=store.live().pk).update(**change)


def test_it_never_brings_a_retired_policy_back() -> None:
    retired = make_policy(state="retired")

    with Broken("a_policy_in_force_stays"):
        Policy.objects.filter(pk=retired.pk).update(state="draft")


def test_it_never_deletes_a_policy_that_was_in_force() -> None:
    retired = make_policy(state="retired")

    with Broken("a_policy_in_force_stays"):
        retired.delete()


def test_it_lets_drafts_change_and_go() -> None:
    draft = make_policy()

    Policy.objects.filter(pk=draft.pk).update(document={"bands": {}})
    draft.delete()

    assert Policy.objects.count() == 1


# Rules


def reviewer() -> User:
    return User.objects.create_user(f"{uuid4()}@works.example", roles=[Role.REVIEWER])


def test_it_has_a_version_of_a_rule_once() -> None:
    make_rule(key="quiet", state="retired")

    with Broken("a_version_of_a_rule_is_one"):
        make_rule(key="quiet", state="draft")


@pytest.mark.parametrize(
    ("state", "name"), [("live", "one_version_of_a_rule_is_live"), ("draft", "one_draft_of_a_rule")]
)
def test_it_has_one_version_of_a_rule_in_force_and_one_in_the_making(state: str, name: str) -> None:
    make_rule(key="quiet", state=state)

    with Broken(name):
        make_rule(key="quiet", version=2, state=state)


def test_it_knows_since_when_a_rule_is_in_force() -> None:
    with Broken("a_rule_in_force_says_since_when"):
        make_rule(live_at=None)


def test_it_speaks_by_rules_to_learners_only() -> None:
    with Broken("a_rule_speaks_to_the_learner_only"):
        make_rule(action="coach")


def test_it_lets_a_rule_rest_for_a_week_at_least() -> None:
    with Broken("a_rule_rests_a_week_at_least"):
        make_rule(rest_days=6)


@pytest.mark.parametrize(
    "change", [{"when": {}}, {"version": 9}, {"action": "lesson"}, {"needs_review": True}, {"state": "draft"}]
)
def test_it_never_changes_a_rule_in_force(change: dict[str, Any]) -> None:
    rule = make_rule()

    with Broken("a_rule_in_force_stays"):
        Rule.objects.filter(pk=rule.pk).update(**change)


def test_it_never_deletes_a_rule_that_was_in_force() -> None:
    rule = make_rule(state="retired")

    with Broken("a_rule_in_force_stays"):
        rule.delete()


def test_it_lets_a_rule_in_force_lose_its_owner() -> None:
    rule = make_rule(owner=reviewer())
    assert rule.owner is not None

    rule.owner.delete()

    rule.refresh_from_db()
    assert rule.owner is None


def test_it_needs_the_boards_yes_for_a_rule_on_a_proxy() -> None:
    with Broken("a_rule_on_a_proxy_has_the_boards_yes"):
        make_rule(needs_review=True)

    make_rule(needs_review=True, reviewed_by=reviewer(), reviewed_at=NOW)


def test_it_keeps_who_reviewed_a_rule_and_when() -> None:
    with Broken("a_review_of_a_rule_has_who_and_when"):
        make_rule(reviewed_at=NOW)


def test_it_lets_nobody_review_their_own_rule() -> None:
    author = reviewer()

    with Broken("nobody_reviews_their_own_rule"):
        make_rule(created_by=author.pk, reviewed_by=author, reviewed_at=NOW)


def test_it_takes_the_boards_yes_from_reviewers_only() -> None:
    draft = make_rule(state="draft", needs_review=True)
    admin = make_admin()

    with Broken("the_boards_yes_is_a_reviewers"):
        Rule.objects.filter(pk=draft.pk).update(reviewed_by=admin, reviewed_at=NOW)


def test_it_keeps_which_rule_chose_a_decision() -> None:
    decision = make_decision(rule=make_rule())

    with Broken("a_decision_stays"):
        Decision.objects.filter(pk=decision.pk).update(rule=None)


# A second yes to a policy


def test_it_wants_somebody_else_to_approve_a_proposal() -> None:
    proposal = make_proposal()

    for answered_by in (proposal.proposed_by, None):
        with Broken("who_approves_is_not_who_proposed"):
            PolicyProposal.objects.filter(pk=proposal.pk).update(
                state="approved", answered_by=answered_by, answered_at=LATER
            )


@pytest.mark.parametrize("waits_until", [None, NOW + timedelta(hours=24)])
def test_it_lets_nobody_cut_a_wait_short(waits_until: datetime | None) -> None:
    proposal = make_proposal(waits_until=waits_until)

    with Broken("who_is_alone_waits_to_the_end"):
        PolicyProposal.objects.filter(pk=proposal.pk).update(
            state="waited", answered_by=proposal.proposed_by, answered_at=LATER
        )


def test_it_says_when_a_proposal_was_answered() -> None:
    proposal = make_proposal()

    with Broken("a_proposal_is_answered_at_a_time"):
        PolicyProposal.objects.filter(pk=proposal.pk).update(state="declined")
    with Broken("a_proposal_is_answered_at_a_time"):
        PolicyProposal.objects.filter(pk=proposal.pk).update(answered_at=LATER)


def test_it_has_one_waiting_proposal_of_a_draft() -> None:
    proposal = make_proposal()

    with Broken("one_proposal_of_a_draft_waits"):
        make_proposal(policy=proposal.policy)
