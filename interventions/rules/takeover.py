"""The drafts we ship, taken over by somebody who answers for them: the checks of any rule, for several at once."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from interventions.models import Rule
from interventions.rules import checks, condition, history, starter, store
from interventions.rules.condition import When
from learners.models import User

A_YEAR = timedelta(days=365)
# What whoever takes a rule over brings along.
BROUGHT = ("ownerless", "expired")


class Outcome(StrEnum):
    """What became of a draft."""

    LIVE = "live"
    BOARD = "board"  # owned, and waiting for the review board's yes
    UNREAD = "unread"  # something was found that a person should read first
    BLOCKED = "blocked"  # something must be mended first


class Taken(NamedTuple):
    rule: Rule
    outcome: Outcome
    found: list[checks.Finding]


class Ready(NamedTuple):
    """A shipped draft that is not in force, and what it needs besides an owner and a day on which it ends."""

    rule: Rule
    words: str
    address: str | None  # of what was completed, "" where nobody has said it yet; None: it asks for none
    needs_board: bool


def waiting() -> list[Ready]:
    """The shipped rules of which there is a draft and no version in force, in their order."""
    keys = [one.key for one in starter.RULES]
    live = Rule.objects.filter(state=Rule.State.LIVE).values("key")
    drafts = (
        Rule.objects.filter(state=Rule.State.DRAFT, key__in=keys)
        .exclude(key__in=live)
        .select_related("owner", "lesson")
        .order_by("position", "key")
    )
    found = []
    for rule in drafts:
        when = condition.load(rule.when)
        found.append(
            Ready(
                rule,
                condition.sentence(when),
                address=_address(when),
                needs_board=rule.needs_review and rule.reviewed_at is None,
            )
        )
    return found


def _address(when: When) -> str | None:
    named = next((one.what for one in when.clauses if one.what), None)
    return "" if named == starter.ONBOARDING else named


def take_over(
    rules: Sequence[Rule],
    *,
    owner: User,
    expires_on: date,
    addresses: Mapping[int, str],
    has_read: bool,
    now: datetime,
) -> list[Taken]:
    """Gives these drafts an owner and a last day, and puts in force what nothing speaks against.

    ``addresses``: by rule, of what should have been completed. ``has_read``: what was found has been read, and shall
    not hold back. What a review board must see stays a draft until it has.
    """
    drafts = [_owned(rule, owner, expires_on, addresses.get(rule.pk, ""), now) for rule in rules]
    live = Rule.objects.filter(state=Rule.State.LIVE).order_by("position", "key")
    looked = history.walk(
        {rule.key: condition.load(rule.when) for rule in [*live, *drafts]}, now=now
    )  # once for all of them
    return [_settled(rule, looked, owner, has_read, now) for rule in drafts]


def _owned(rule: Rule, owner: User, expires_on: date, address: str, now: datetime) -> Rule:
    when = condition.load(rule.when)
    if address:
        when = When(
            tuple(
                condition.Clause(one.fact, one.op, one.value, address if one.what else "")
                for one in when.clauses
            )
        )
    is_owned = rule.owner is not None and rule.expires_on is not None and rule.expires_on > now.date()
    if rule.reviewed_at is not None and is_owned and condition.dump(when) == rule.when:
        return rule  # as the board has seen it: written anew, its yes would be gone
    return store.draft(key=rule.key, when=when, by=owner.pk, now=now, owner=owner, expires_on=expires_on)


def _settled(rule: Rule, looked: history.Walk, owner: User, has_read: bool, now: datetime) -> Taken:
    found = checks.check(rule, now=now, looked=looked)
    if store.require_review(rule=rule, reasons=found.board_because):
        found = checks.check(rule, now=now, looked=looked)
    blocking = [one for one in found.findings if one.blocks]
    if blocking:
        only_board = all(one.kind == "proxy" for one in blocking)
        return Taken(rule, Outcome.BOARD if only_board else Outcome.BLOCKED, found.findings)
    if found.findings and not has_read:
        return Taken(rule, Outcome.UNREAD, found.findings)
    return Taken(store.go_live(rule=rule, by=owner.pk, now=now), Outcome.LIVE, found.findings)
