"""Changes of mind: granted or withdrawn in one transaction with everything that follows from it."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.dispatch import Signal

from consent import audit, gate
from consent.actors import Party
from consent.models import ConsentChange, ConsentScope, ScopeText, Standing
from consent.registry import privacy_modules
from consent.scopes import Scope

# Sent on commit with subject=uuid and scope=…: somebody's consent is taken back.
withdrawn = Signal()


class ScopeBlocked(ValueError):
    """This installation refuses the purpose, whatever anybody agrees to."""


def grant(
    *, subject: UUID, scope: Scope, by: Party, now: datetime, language: str = "en"
) -> ConsentChange | None:
    """Allows a purpose; None where it was allowed already."""
    if not ConsentScope.objects.filter(pk=scope, is_blocked=False).exists():
        raise ScopeBlocked(f"The purpose {scope} is blocked here.")
    with transaction.atomic():
        change = _change(subject, scope, True, by, now, language)
        if change is not None:
            for _, module in privacy_modules():
                # An app that stopped something on withdrawal may take it up again.
                if hasattr(module, "grant"):
                    module.grant(subject, scope, now=now)
        return change


def withdraw(
    *, subject: UUID, scope: Scope, by: Party, now: datetime, language: str = "en"
) -> dict[str, int]:
    """Refuses a purpose at once; returns what each app took back (store → rows).

    Locks the same row as a send-claim, so whatever is not yet claimed is cancelled here and nothing slips between.
    """
    with transaction.atomic():
        change = _change(subject, scope, False, by, now, language)
        taken_back: dict[str, int] = {}
        if change is not None:
            for _, module in privacy_modules():
                for store, rows in module.withdraw(subject, scope, now=now).items():
                    taken_back[store] = taken_back.get(store, 0) + rows
    return taken_back


def merge(*, duplicate: UUID, into: UUID, by: Party, now: datetime) -> list[Scope]:
    """Carries one identity's refusals over to the other, the stricter wins; returns the scopes refused by it.

    A yes is not carried over: it was given for what was known as the other person.
    """
    refused = []
    with transaction.atomic():
        for standing in Standing.objects.filter(subject=duplicate, allowed=False).order_by("scope"):
            scope = Scope(standing.scope)
            withdraw(subject=into, scope=scope, by=by, now=now)
            refused.append(scope)
    return refused


def enforce(*, subject: UUID, now: datetime) -> None:
    """Has every app take back again what the person refuses: something of theirs has come from another record."""
    for standing in Standing.objects.filter(subject=subject, allowed=False).order_by("scope"):
        for _, module in privacy_modules():
            module.withdraw(subject, Scope(standing.scope), now=now)


def _change(
    subject: UUID, scope: Scope, allowed: bool, by: Party, now: datetime, language: str
) -> ConsentChange | None:
    standing = gate.locked_standing(subject, scope)
    if standing.allowed is allowed:
        return None
    Standing.objects.filter(pk=standing.pk).update(allowed=allowed, since=now)
    text = _text_read(scope, language, now)
    change = ConsentChange.objects.create(
        subject=subject,
        scope=scope,
        allowed=allowed,
        by_kind=by.kind,
        by_uuid=by.uuid,
        text_version=text.version if text else None,
        language=text.language if text else language,
        at=now,
    )
    audit.record(
        actor=by,
        action="consent.granted" if allowed else "consent.withdrawn",
        target=Party("learner", subject),
        now=now,
        detail={"scope": str(scope), "text_version": change.text_version},
    )
    if not allowed:
        transaction.on_commit(lambda: withdrawn.send(sender=None, subject=subject, scope=scope))
    return change


def _text_read(scope: Scope, language: str, now: datetime) -> ScopeText | None:
    """The version in force in the person's language, or in English where there is none."""
    published = ScopeText.objects.filter(scope=scope, published_at__lte=now).order_by("-version")
    return published.filter(language=language).first() or published.filter(language="en").first()
