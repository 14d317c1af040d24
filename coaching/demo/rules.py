"""The rules we ship, in force in the sample organisation from the start of its run; the administrator owns them."""

from datetime import datetime, timedelta

from coaching.demo.statements import ROOT
from interventions.models import Rule
from interventions.rules import condition, store
from interventions.rules.starter import RULES
from learners.models import User

ONBOARDING = f"{ROOT}/sample-layer/onboarding"  # as coaching.demo.layer names it


def put_in_force(*, owner: User, reviewer: User, now: datetime) -> None:
    """Puts each starter rule in force that is still a first draft; twice changes nothing."""
    for starter in RULES:
        rule = Rule.objects.filter(key=starter.key, version=1, state=Rule.State.DRAFT).first()
        if rule is None or Rule.objects.filter(key=starter.key, state=Rule.State.LIVE).exists():
            continue
        when = condition.When(
            tuple(
                condition.Clause(clause.fact, clause.op, clause.value, ONBOARDING if clause.what else "")
                for clause in starter.when.clauses
            )
        )
        rule = store.draft(
            key=starter.key,
            when=when,
            by=owner.pk,
            now=now,
            owner=owner,
            expires_on=(now + timedelta(days=730)).date(),
        )
        if rule.needs_review:
            store.review(rule=rule, by=reviewer, now=now)
        store.go_live(rule=rule, by=owner.pk, now=now)
