"""One person's data: all of it, or none of it, with a receipt."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from consent import audit
from consent.actors import Party
from consent.models import SubjectRequest
from consent.registry import privacy_modules


def export(*, subject: UUID, by: Party, now: datetime) -> dict[str, Any]:
    """Everything kept about the person, by app, as JSON-ready values."""
    with transaction.atomic():
        found = {label: module.export(subject) for label, module in reversed(privacy_modules())}
        SubjectRequest.objects.create(
            subject=subject, kind=SubjectRequest.Kind.ACCESS, at=now, receipt={"apps": sorted(found)}
        )
        audit.record(actor=by, action="subject.exported", target=Party("learner", subject), now=now)
    return {"subject": str(subject), "exported_at": now.isoformat(), **found}


def erase(*, subject: UUID, by: Party, now: datetime) -> SubjectRequest:
    """Removes the person and leaves the evidence; the receipt names each store and how many rows it lost."""
    with transaction.atomic():
        stores: dict[str, int] = {}
        for label, module in privacy_modules():
            stores |= {f"{label}.{store}": rows for store, rows in module.erase(subject, now=now).items()}
        request = SubjectRequest.objects.create(
            subject=subject, kind=SubjectRequest.Kind.ERASURE, at=now, receipt={"stores": stores}
        )
        audit.record(
            actor=by,
            action="subject.erased",
            target=Party("learner", subject),
            now=now,
            detail={"request": str(request.pk)},
        )
    return request
