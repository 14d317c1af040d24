"""One person's data: all of it, or none of it, with a receipt. Each request is answered in one transaction."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from consent import audit, record
from consent.actors import Party
from consent.models import SubjectRequest
from consent.registry import privacy_modules
from consent.scopes import Scope


class NothingHeld(LookupError):
    """There is nobody of this uuid here, and there never was an erasure of it."""


def export(*, subject: UUID, by: Party, now: datetime) -> dict[str, Any]:
    """Everything kept about the person, by app, as JSON-ready values."""
    with transaction.atomic():
        found = {label: module.export(subject) for label, module in reversed(privacy_modules())}
        others = {
            str(person): {label: module.export(person) for label, module in reversed(privacy_modules())}
            for person in _records_of(subject)[1:]
        }
        receipt = {
            "stores": {
                f"{label}.{store}": len(rows) if isinstance(rows, list | dict) else int(rows is not None)
                for label, stores in found.items()
                for store, rows in stores.items()
            }
        }
        _receive(SubjectRequest.Kind.ACCESS, subject, by, now, receipt, action="subject.exported")
    out = {"subject": str(subject), "exported_at": now.isoformat(), **found}
    return {**out, "merged_records": others} if others else out


def erase(*, subject: UUID, by: Party, now: datetime) -> SubjectRequest:
    """Removes the person and leaves the evidence; the receipt names each store and how many rows it lost.

    Where nothing is left to remove, it answers with the earlier receipt. Every scope is withdrawn first: that locks
    the rows that send-claims lock, so nothing goes out to somebody who is being erased, and nothing new is computed.
    """
    try:
        with transaction.atomic():
            people = _records_of(subject)
            for person in people:
                for scope in Scope:
                    record.withdraw(subject=person, scope=scope, by=by, now=now)
            stores: dict[str, int] = {}
            for label, module in privacy_modules():
                for person in people:
                    for store, rows in module.erase(person, now=now).items():
                        stores[f"{label}.{store}"] = stores.get(f"{label}.{store}", 0) + rows
            if not any(stores.values()):
                raise NothingHeld(f"Nothing is held about {subject}.")
            return _receive(
                SubjectRequest.Kind.ERASURE, subject, by, now, {"stores": stores}, action="subject.erased"
            )
    except NothingHeld:
        earlier = SubjectRequest.objects.filter(
            subject__in=_records_of(subject), kind=SubjectRequest.Kind.ERASURE
        ).first()
        if earlier is None:
            raise
        return earlier


def object_to(
    *, subject: UUID, scope: Scope, by: Party, now: datetime, language: str = "en"
) -> SubjectRequest:
    """Honours an objection at once and without weighing it, and keeps it as a request with its receipt."""
    with transaction.atomic():
        taken_back = record.withdraw(subject=subject, scope=scope, by=by, now=now, language=language)
        return _receive(
            SubjectRequest.Kind.OBJECTION,
            subject,
            by,
            now,
            {"scope": str(scope), "stores": taken_back},
            action="subject.objected",
        )


def _records_of(subject: UUID) -> list[UUID]:
    """The record, and after it the person's others: those merged into it, and the one that it was merged into."""
    people = [subject]
    for _, module in privacy_modules():
        if hasattr(module, "same_person"):
            people += module.same_person(subject)
    return people


def _receive(
    kind: SubjectRequest.Kind,
    subject: UUID,
    by: Party,
    now: datetime,
    receipt: dict[str, Any],
    *,
    action: str,
) -> SubjectRequest:
    request = SubjectRequest.objects.create(
        subject=subject, kind=kind, by_kind=by.kind, by_uuid=by.uuid, at=now, receipt=receipt
    )
    audit.record(
        actor=by,
        action=action,
        target=Party("learner", subject),
        now=now,
        detail={"request": str(request.pk)},
    )
    return request
