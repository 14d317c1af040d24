"""The sample organisation's rules: each of those we ship is in force, owned, and reviewed where it must be."""

from datetime import UTC, datetime

import pytest

from coaching.demo.layer import layer
from coaching.demo.rules import ONBOARDING, put_in_force
from interventions.models import Rule
from interventions.rules.starter import RULES
from learners.models import Role
from tests.support.interventions import make_admin
from tests.support.learners import make_user

NOW = datetime(2026, 9, 22, 9, tzinfo=UTC)


@pytest.mark.django_db
def test_it_puts_every_starter_rule_in_force_once() -> None:
    owner, reviewer = make_admin(), make_user(Role.REVIEWER)

    for _ in range(2):
        put_in_force(owner=owner, reviewer=reviewer, now=NOW)

    live = Rule.objects.filter(state="live")
    assert {rule.key for rule in live} == {starter.key for starter in RULES}
    assert {rule.owner for rule in live} == {owner}
    assert live.get(key="first-lesson").reviewed_by == reviewer
    assert live.get(key="onboarding-done").when["clauses"][0]["what"] == ONBOARDING


def test_it_asks_for_the_onboarding_that_the_layer_sends() -> None:
    sent = b"".join(layer(range(40), starts_on=NOW.date(), first=0, last=60)).decode()

    assert ONBOARDING in sent
    assert "progressed" in sent
