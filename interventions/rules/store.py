"""Rules as rows: drafts, the version in force, and the review board's yes. What was in force never changes."""

from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from consent import audit
from consent.actors import SYSTEM, Party
from interventions.models import Lesson, Rule
from interventions.rules import condition, proxies
from interventions.rules.condition import When
from learners.models import Role, User

FIELDS = (
    "title",
    "action",
    "lesson",
    "message",
    "acts_alone",
    "rest_days",
    "position",
    "owner",
    "expires_on",
)


class NotADraft(Exception):
    """Only a draft can be changed, reviewed or put in force."""


class NotReady(ValueError):
    """The rule cannot be put in force yet; the message says what is missing."""


class Missing(NamedTuple):
    """One thing that keeps a draft from being put in force: its kind, and what to do."""

    kind: str
    message: str


class NotOfTheBoard(PermissionError):
    """Only a reviewer other than its author gives the review board's yes."""


def draft(*, key: str, when: When, by: UUID | None, now: datetime, **fields: Any) -> Rule:
    """The draft of this key with these contents, made or written anew. A change takes an earlier yes away."""
    condition.check(when)
    touched = proxies.listed(when)
    with transaction.atomic():
        rule = Rule.objects.select_for_update().filter(key=key, state=Rule.State.DRAFT).first()
        if rule is None:
            last = Rule.objects.filter(key=key).aggregate(last=Max("version"))["last"] or 0
            rule = Rule(key=key, version=last + 1, created_at=now)
        rule.created_by = by
        rule.when = condition.dump(when)
        for name in FIELDS:
            if name in fields:
                setattr(rule, name, fields[name])
        rule.needs_review, rule.review_reasons = bool(touched), touched
        rule.reviewed_by, rule.reviewed_at = None, None
        rule.save()
        _audit("rule.drafted", rule, by, now)
    return rule


def require_review(*, rule: Rule, reasons: list[str]) -> bool:
    """Notes what was measured to go with a protected attribute; the draft then needs the board's yes.

    Whether anything was new. A measurement that comes out a little otherwise does not take a yes away.
    """
    if rule.reviewed_at is not None or not reasons:
        return False
    kept = list(dict.fromkeys([*rule.review_reasons, *reasons]))
    if kept != rule.review_reasons:
        Rule.objects.filter(pk=rule.pk, state=Rule.State.DRAFT).update(
            needs_review=True, review_reasons=kept, reviewed_by=None, reviewed_at=None
        )
        rule.refresh_from_db()
        return True
    return False


def review(*, rule: Rule, by: User, now: datetime) -> None:
    """The review board's yes to this draft as it stands. Raises NotOfTheBoard, NotADraft."""
    if not by.has_role(Role.REVIEWER) or by.pk == rule.created_by:
        raise NotOfTheBoard("A reviewer who did not write the rule says yes to it.")
    with transaction.atomic():
        moved = Rule.objects.filter(pk=rule.pk, state=Rule.State.DRAFT, when=rule.when).update(
            reviewed_by=by, reviewed_at=now
        )
        if not moved:
            raise NotADraft("The rule was changed in the meantime; read it again.")
        _audit("rule.reviewed", rule, by.pk, now)
    rule.refresh_from_db()


def go_live(*, rule: Rule, by: UUID | None, now: datetime) -> Rule:
    """Puts the draft in force and retires the version before. Raises NotADraft, NotReady.

    What else speaks against it (overlaps, conflicts, never firing) is for ``rules.checks`` and the person to weigh.
    """
    with transaction.atomic():
        locked = Rule.objects.select_for_update(of=("self",)).select_related("lesson").get(pk=rule.pk)
        if locked.state != Rule.State.DRAFT:
            raise NotADraft(f"{locked} is no draft any more.")
        missing = unready(locked, today=now.date())
        if missing:
            raise NotReady(" ".join(one.message for one in missing))
        condition.load(locked.when)
        Rule.objects.filter(key=locked.key, state=Rule.State.LIVE).update(state=Rule.State.RETIRED)
        Rule.objects.filter(pk=locked.pk).update(state=Rule.State.LIVE, live_at=now)
        _audit("rule.live", locked, by, now)
    rule.refresh_from_db()
    return rule


def retire(*, rule: Rule, by: UUID | None, now: datetime) -> None:
    """Takes a rule out of force, at once."""
    with transaction.atomic():
        if Rule.objects.filter(pk=rule.pk, state=Rule.State.LIVE).update(state=Rule.State.RETIRED):
            _audit("rule.retired", rule, by, now)
    rule.refresh_from_db()


def unready(rule: Rule, *, today: date) -> list[Missing]:
    """What keeps a draft from being put in force."""
    missing = []
    if rule.owner is None or not rule.owner.is_active:
        missing.append(Missing("ownerless", "Name an owner who can sign in."))
    if rule.expires_on is None or rule.expires_on <= today:
        missing.append(Missing("expired", "Give it a day in the future on which it expires."))
    if rule.lesson is not None and not rule.lesson.is_open(today):
        missing.append(Missing("dead", f"Its lesson is not suggested: {why_closed(rule.lesson, today)}."))
    if rule.needs_review and rule.reviewed_at is None:
        missing.append(Missing("proxy", "It needs the yes of the review board."))
    return missing


def why_closed(lesson: Lesson, today: date) -> str:
    """Why nobody is given this lesson; empty where it can be."""
    if lesson.is_open(today):
        return ""
    return (
        "it has expired"
        if lesson.is_active
        else f"it is {'a draft' if lesson.retired_at is None else 'retired'}"
    )


def _audit(action: str, rule: Rule, by: UUID | None, now: datetime) -> None:
    audit.record(
        actor=Party("user", by) if by else SYSTEM,
        action=action,
        target=Party("rule", UUID(int=rule.pk)),
        now=now,
        detail={"key": rule.key, "version": rule.version},
    )
