"""Versions of what we say: changing words makes the next version, and what was said stays to be read."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from consent import audit
from consent.actors import Party
from interventions.models import MessageText


def revise(
    *, key: str, language: str, variant: str, subject: str, body: str, by: Party, now: datetime
) -> MessageText:
    """These words from now on; the version before is kept. The same words again change nothing."""
    with transaction.atomic():
        family = MessageText.objects.filter(key=key, language=language, variant=variant)
        current = family.select_for_update().filter(replaced_at__isnull=True).first()
        if current is not None and (current.subject, current.body) == (subject, body):
            return current
        last = family.aggregate(last=Max("version"))["last"] or 0
        family.filter(replaced_at__isnull=True).update(replaced_at=now)
        made = MessageText.objects.create(
            key=key,
            language=language,
            variant=variant,
            version=last + 1,
            subject=subject,
            body=body,
            created_by=by.uuid,
            created_at=now,
        )
        _trace(made, "message.revised", by, now)
    return made


def retire(*, message_id: int, by: Party, now: datetime) -> bool:
    """Takes a variant out of use; where it was the last of its key, the words we ship are used. False if it was."""
    with transaction.atomic():
        message = (
            MessageText.objects.select_for_update().filter(pk=message_id, replaced_at__isnull=True).first()
        )
        if message is None:
            return False
        MessageText.objects.filter(pk=message.pk).update(replaced_at=now)
        _trace(message, "message.retired", by, now)
    return True


def _trace(message: MessageText, action: str, by: Party, now: datetime) -> None:
    audit.record(
        actor=by,
        action=action,
        target=Party("message", UUID(int=message.pk)),
        now=now,
        detail={
            "key": message.key,
            "language": message.language,
            "variant": message.variant,
            "version": message.version,
        },
    )
