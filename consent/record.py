"""Changes of mind: granted or withdrawn in one transaction with everything that follows from it."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from consent import audit
from consent.actors import Party
from consent.models import ConsentChange, ConsentScope, ScopeText, Standing
from consent.registry import privacy_modules
from consent.scopes import Scope


class ScopeBlocked(ValueError):
    """This installation refuses the purpose, whatever anybody agrees to."""


def grant(*, subject: UUID, scope: Scope, by: Party, now: datetime, language: str = "en") -> ConsentChange | None:
    """Allows a purpose; None where it was allowed already."""
    if ConsentScope.objects.filter(pk=scope, is_blocked=True).exists():
        raise ScopeBlocked(f"The purpose {scope} is blocked here.")
    with transaction.atomic():
        return _change(subject, scope, True, by, now, language)


def withdraw(*, subject: UUID, scope: Scope, by: Party, now: datetime, language: str = "en") -> dict[str, int]:
    """Refuses a purpose at once; returns what each app took back (store → rows).

    Locks the same row as a send-claim, so whatever is not yet claimed is cancelled here and nothing slips between.
    """
    with transaction.atomic():
        change = _change(subject, scope, False, by, now, language)
        taken_back: dict[str, int] = {}
        if change is not None:
            for _, module in privacy_modules():
                taken_back |= module.withdraw(subject, scope, now=now)
    return taken_back


def _change(
    subject: UUID, scope: Scope, allowed: bool, by: Party, now: datetime, language: str
) -> ConsentChange | None:
    Standing.objects.bulk_create([Standing(subject=subject, scope=scope)], ignore_conflicts=True)
    standing = Standing.objects.select_for_update().get(subject=subject, scope=scope)
    if standing.allowed is allowed:
        return None
    Standing.objects.filter(pk=standing.pk).update(allowed=allowed, since=now)
    text = ScopeText.objects.filter(scope=scope, language=language, published_at__lte=now).order_by("-version").first()
    change = ConsentChange.objects.create(
        subject=subject,
        scope=scope,
        allowed=allowed,
        by_kind=by.kind,
        by_uuid=by.uuid,
        text_version=text.version if text else None,
        language=language,
        at=now,
    )
    audit.record(
        actor=by,
        action="consent.granted" if allowed else "consent.withdrawn",
        target=Party("learner", subject),
        now=now,
        detail={"scope": str(scope), "text_version": change.text_version},
    )
    return change
