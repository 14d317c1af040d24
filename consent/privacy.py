"""What consent keeps about people: uuids, choices and evidence. Erasure leaves it: it proves what was done."""

from datetime import datetime
from typing import Any
from uuid import UUID

from consent import audit
from consent.models import ConsentChange, Standing, SubjectRequest
from consent.registry import Fields
from consent.scopes import Scope

FIELDS: dict[str, Fields] = {
    "ConsentScope": Fields((), ("key", "name", "lawful_basis", "retention_days", "is_blocked")),
    "ScopeText": Fields((), ("id", "scope", "version", "language", "text", "published_at")),
    "Standing": Fields(("subject",), ("id", "scope", "allowed", "since")),
    "ConsentChange": Fields(
        ("subject", "by_uuid"), ("id", "scope", "allowed", "by_kind", "text_version", "language", "at")
    ),
    "AuditEntry": Fields(
        ("actor_uuid", "target_uuid", "detail"), ("id", "actor_kind", "action", "target_kind", "at")
    ),
    "AuditUnsealed": Fields((), ("entry",)),
    "AuditSeal": Fields((), ("position", "entry", "hash", "sealed_at")),
    "SubjectRequest": Fields(("subject", "by_uuid"), ("id", "kind", "by_kind", "receipt", "at")),
    "KeyCheck": Fields((), ("name", "key_name", "probe")),
}


def export(subject: UUID) -> dict[str, Any]:
    """The person's choices, their history, and who did what with their record."""
    return {
        "choices": [
            {"scope": row.scope, "allowed": row.allowed, "since": row.since and row.since.isoformat()}
            for row in Standing.objects.filter(subject=subject, allowed__isnull=False)
        ],
        "changes": [
            {
                "scope": row.scope,
                "allowed": row.allowed,
                "at": row.at.isoformat(),
                "text_version": row.text_version,
            }
            for row in ConsentChange.objects.filter(subject=subject)
        ],
        "requests": [
            {"kind": row.kind, "at": row.at.isoformat()}
            for row in SubjectRequest.objects.filter(subject=subject)
        ],
        "record_of_use": [
            {"action": row.action, "by": row.actor_kind, "at": row.at.isoformat()}
            for row in audit.about(subject).order_by("at", "pk")
        ],
    }


def erase(subject: UUID, *, now: datetime) -> dict[str, int]:
    """Nothing: what is kept here names nobody and proves what was asked and done."""
    return {}


def withdraw(subject: UUID, scope: Scope, *, now: datetime) -> dict[str, int]:
    """Nothing: the change of mind itself is written by consent.record."""
    return {}
