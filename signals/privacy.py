"""What signals holds about a person: handed out, erased, or no longer used."""

import json
from base64 import b64encode
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.db.models import Q

from consent.crypto import decrypt
from consent.scopes import Scope
from learners.identity import hashes_of
from learners.models import Enrolment, Identifier
from signals import clock
from signals.archive import people
from signals.expiry import expire, relocate
from signals.fields import FIELDS
from signals.models import (
    AssessmentResult,
    Attachment,
    Certificate,
    ClockCorrection,
    DailyRollup,
    Device,
    Document,
    EnrolmentMark,
    Event,
    FeatureRow,
    Label,
    Lineage,
    Mastery,
    Network,
    Quarantined,
    Risk,
    RiskChange,
    SecondLook,
    ShadowRisk,
    Statement,
    Verb,
)
from signals.risk import personal
from signals.rotation import rotate
from signals.xapi import attachments, bodies
from signals.xapi.keys import identity

__all__ = ["FIELDS", "erase", "expire", "export", "grant", "relocate", "rotate", "withdraw"]

# Whoever refuses one of these no longer wants to be computed about.
_COMPUTING = (Scope.RECORD, Scope.PROFILE)
_AT_ONCE = 1000


# --- handing out ----------------------------------------------------------------------------------------------


def export(subject: UUID) -> dict[str, Any]:
    """All statements in their own words, and everything derived from them, with the risk's reasons."""
    own = Enrolment.objects.filter(learner_id=subject).values("pk")
    return {
        "statements": [_told(row) for row in _statements_of(subject).order_by("stored", "pk").iterator()],
        "files": [
            {"content_type": file.content_type, "sha2": file.sha2, "base64": b64encode(file.content).decode()}
            for file in attachments.files_of(
                {
                    row.pk: bodies.decode(bytes(row.body))
                    for row in _statements_of(subject).filter(attachment_uses__isnull=False).distinct()
                }
            )
        ],
        "documents": [
            {
                "kind": Document.Kind(row.kind).label,
                "name": row.name,
                "content_type": row.content_type,
                "updated": row.updated_at.isoformat(),
                "base64": b64encode(decrypt(bytes(row.content))).decode(),
            }
            for row in _documents_of(subject).order_by("updated_at", "pk").iterator()
        ],
        "events": [
            {
                "at": event.occurred_at.isoformat(),
                "verb": Verb(event.verb).label,
                "enrolment": event.enrolment_id,
                "amount": event.amount,
                "score": event.scaled,
                "success": event.success,
                "seconds": event.duration_s,
                "progress": event.progress,
                "value": event.value,
                "device": Device(event.device).label if event.device else None,
                "network": Network(event.network).label if event.network else None,
                "seconds_in_background": event.background_s,
            }
            for event in Event.objects.filter(learner_id=subject, voided_seq__isnull=True).iterator()
        ],
        "certificates": [
            {
                "statement": str(row.pk),
                "earned_at": row.occurred_at.isoformat(),
                "holds_until": row.expires_at.isoformat() if row.expires_at else None,
                "course": row.course.name if row.course else None,
                "competency": row.competency.name if row.competency else None,
            }
            for row in Certificate.objects.filter(learner_id=subject, voided_seq__isnull=True)
            .select_related("course", "competency")
            .order_by("occurred_at", "pk")
        ],
        "events_dated_otherwise": [
            {"statement": str(row.pk), "at": row.occurred_at.isoformat(), "clock": row.clock}
            for row in _corrections_of(subject)
        ],
        "sources": [
            {
                "statement": str(row.pk),
                "source": row.source,
                "line": row.line,
                "imported_at": row.run.started_at.isoformat(),
            }
            for row in _lineage_of(subject).select_related("run").order_by("run", "line", "pk")
        ],
        "archived_events": [
            {
                "at": row["occurred_at"].isoformat(),
                "verb": Verb(row["verb"]).label,
                "enrolment": row["enrolment_id"],
                "amount": row["amount"],
                "score": row["scaled"],
                "success": row["success"],
                "seconds": row["duration_s"],
                "progress": row["progress"],
            }
            for row in people.events_of(subject)
            if row["voided_seq"] is None
        ],
        "days": [
            {
                "enrolment": row.enrolment_id,
                "day": row.day.isoformat(),
                "events": row.events,
                "learning_sessions": row.learning_sessions,
                "seconds": row.seconds,
                "results": row.results,
                "failures": row.failures,
            }
            for row in DailyRollup.objects.filter(enrolment__in=own).order_by("enrolment", "day")
        ],
        "features": [
            {"enrolment": row.pk, "as_of": row.as_of.isoformat(), "values": row.values}
            for row in FeatureRow.objects.filter(pk__in=own).order_by("pk")
        ],
        "risks": [
            {
                "enrolment": row.pk,
                "value": row.value,
                "coverage": row.coverage,
                "reasons": row.reasons,
                "model": row.model_version.name,
                "as_of": row.as_of.isoformat(),
            }
            for row in Risk.objects.filter(pk__in=own).select_related("model_version").order_by("pk")
        ],
        "shadow_risks": [  # of a model on trial; nobody acts on them
            {
                "enrolment": row.pk,
                "value": row.value,
                "model": row.model_version.name,
                "as_of": row.as_of.isoformat(),
            }
            for row in ShadowRisk.objects.filter(pk__in=own).select_related("model_version").order_by("pk")
        ],
        "risk_changes": [
            {
                "enrolment": row.enrolment_id,
                "before": row.before,
                "after": row.after,
                "at": row.at.isoformat(),
            }
            for row in RiskChange.objects.filter(enrolment__in=own).order_by("at", "pk")
        ],
        "mastery": [
            {
                "competency": row.competency.name,
                "next_answer_right": row.value,
                "between": [row.low, row.high],
                "answers": row.answers,
                "last_answer": row.last_answer_at.isoformat(),
            }
            for row in Mastery.objects.filter(learner=subject)
            .select_related("competency")
            .order_by("competency_id")
        ],
        "second_looks": personal.told(subject),
        "labels": [
            {
                "enrolment": row.enrolment_id,
                "definition": row.definition,
                "as_of": row.as_of.isoformat(),
                "value": row.value,
            }
            for row in Label.objects.filter(enrolment__in=own).order_by("as_of", "pk")
        ],
    }


def _told(row: Statement) -> dict[str, Any]:
    return {"stored": row.stored.isoformat(), "statement": bodies.decode(bytes(row.body))}


# --- erasing --------------------------------------------------------------------------------------------------


def erase(subject: UUID, *, now: datetime) -> dict[str, int]:
    """Store → rows removed. Runs before learners forgets the identifiers by which statements are found.

    Statements in which somebody else acts and this person is only mentioned (as an instructor, say) are that other
    person's record and stay.
    """
    with transaction.atomic():
        own = list(Enrolment.objects.filter(learner_id=subject).values_list("pk", flat=True))
        _lock_marks(subject)
        with connection.cursor() as cursor:
            # The database refuses to delete a statement unless the transaction says why.
            cursor.execute("SET LOCAL rekindle.erasing = 'on'")
        # Before the rows go: they say which files to look into.
        sent = list(_statements_of(subject).order_by().values_list("pk", flat=True))
        archived = people.erase(subject, sent, now=now)
        counts = archived | {
            "corrections": clock.forget(sent),
            "lineage": Lineage.objects.filter(statement_id__in=sent).delete()[0],
            "statements": Statement.objects.filter(pk__in=sent).delete()[1].get(Statement._meta.label, 0),
            "files": Attachment.objects.filter(uses__isnull=True).delete()[0],
            "documents": _documents_of(subject).delete()[0],
            "quarantined": _erase_quarantined(subject),
            "events": Event.objects.filter(learner_id=subject).delete()[0],
            "results": AssessmentResult.objects.filter(learner_id=subject).delete()[0],
            "certificates": Certificate.objects.filter(learner_id=subject).delete()[0],
            "rollups": DailyRollup.objects.filter(enrolment__in=own).delete()[0],
            "features": FeatureRow.objects.filter(pk__in=own).delete()[0],
            "risks": Risk.objects.filter(pk__in=own).delete()[0],
            "shadow_risks": ShadowRisk.objects.filter(pk__in=own).delete()[0],
            "risk_changes": RiskChange.objects.filter(enrolment__in=own).delete()[0],
            "labels": Label.objects.filter(enrolment__in=own).delete()[0],
            "mastery": Mastery.objects.filter(learner=subject).delete()[0],
            "second_looks": SecondLook.objects.filter(enrolment__in=own).delete()[0],
        }
        # The mark itself stays while the enrolment does, as it orders what may still come.
        EnrolmentMark.objects.filter(pk__in=own).update(dirty_days=[], dirty_since=None)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL rekindle.erasing = 'off'")
    return counts


def _statements_of(subject: UUID) -> Any:
    """Statements whose actor or object is this person, and those their events were made from."""
    hashes = _hashes_of(subject)
    keys = [int.from_bytes(found[:8], "big", signed=True) for found in hashes]
    made = Event.objects.filter(learner_id=subject).order_by().values("statement_id")
    found = Q(pk__in=made) | Q(pk__in=people.statement_ids_of(subject))
    if keys:
        found |= Q(search_keys__overlap=keys)
    return Statement.objects.filter(found)


def _documents_of(subject: UUID) -> Any:
    """What activities keep about this person: state and agent profile documents."""
    return Document.objects.filter(agent__in=_hashes_of(subject))


def _corrections_of(subject: UUID) -> Any:
    """Where events of these statements are dated otherwise than the statements say."""
    own = _statements_of(subject).order_by().values("pk")
    return ClockCorrection.objects.filter(pk__in=own).order_by("pk")


def _lineage_of(subject: UUID) -> Any:
    """Where the statements about this person came from, as far as another source than a learning system told."""
    return Lineage.objects.filter(statement_id__in=_statements_of(subject).order_by().values("pk"))


def _hashes_of(subject: UUID) -> set[bytes]:
    """The identifiers that name this person and nobody else: a reused one is another person's by now."""
    own = hashes_of(subject)
    # An address that two people had, one after the other, may have two spellings; both are shared then.
    reused = (
        Identifier.objects.filter(Q(hash__in=own) | Q(given_hash__in=own))
        .exclude(learner_id=subject)
        .values_list("hash", flat=True)
    )
    shared = Identifier.objects.filter(hash__in=list(reused)).values_list("hash", "given_hash")
    return own - {bytes(one) for row in shared for one in row if one is not None}


def _erase_quarantined(subject: UUID) -> int:
    """Quarantined bodies that name this person. They have no look-up keys, so each is read."""
    hashes = _hashes_of(subject)
    names = _names_of(subject)
    if not hashes:
        return 0
    doomed = [
        row.pk
        for row in Quarantined.objects.only("pk", "body", "mended")
        .order_by("pk")
        .iterator(chunk_size=_AT_ONCE)
        if any(
            _names(bodies.unseal(bytes(body)).raw, hashes, names)
            for body in (row.body, row.mended)
            if body is not None
        )
    ]
    return Quarantined.objects.filter(pk__in=doomed).delete()[0]


def _names_of(subject: UUID) -> set[str]:
    """How a text may name this person, as JSON writes it: for bodies too broken to be read as statements."""
    names = set()
    for row in Identifier.objects.filter(learner_id=subject).order_by("pk"):
        # An account is written homePage|name.
        value = row.value.partition("|")[2] if row.kind == Identifier.Kind.ACCOUNT else row.value
        if row.kind == Identifier.Kind.MBOX:
            value = f"mailto:{value.removeprefix('mailto:')}"
        if value:
            names.add(json.dumps(value).casefold())
    return names


def _names(raw: bytes, hashes: set[bytes], names: set[str]) -> bool:
    try:
        statement = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        statement = None
    if isinstance(statement, dict):
        for agent in (statement.get("actor"), statement.get("object")):
            if _hash_of(agent) in hashes:
                return True
    text = raw.decode("utf-8", "replace").casefold()
    return any(name in text for name in names)


def _hash_of(agent: Any) -> bytes | None:
    """The identifier hash of what may be an agent; a quarantined one may be anything."""
    if not isinstance(agent, dict):
        return None
    try:
        found = identity(agent)
    except (KeyError, TypeError, AttributeError):
        return None
    return found[0] if found else None


# --- no longer used, and used again -----------------------------------------------------------------------------


def withdraw(subject: UUID, scope: Scope, *, now: datetime) -> dict[str, int]:
    """Store → rows that are no longer there because the person refuses to be computed about."""
    if scope not in (*_COMPUTING, Scope.COACH):
        return {}
    looks = personal.call_off(subject)
    if scope is Scope.COACH:
        return {"second_looks": looks}
    own = _lock_marks(subject)
    counts = {
        "second_looks": looks,
        "features": FeatureRow.objects.filter(pk__in=own).delete()[0],
        "risks": Risk.objects.filter(pk__in=own).delete()[0],
        "mastery": Mastery.objects.filter(learner=subject).delete()[0],
        "shadow_risks": ShadowRisk.objects.filter(pk__in=own).delete()[0],
    }
    EnrolmentMark.objects.filter(pk__in=own).update(dirty_since=None)
    return counts


def grant(subject: UUID, scope: Scope, *, now: datetime) -> None:
    """Takes up computing again where it stopped."""
    if scope in _COMPUTING:
        EnrolmentMark.objects.filter(pk__in=_lock_marks(subject)).update(dirty_since=now)


def _lock_marks(subject: UUID) -> list[int]:
    """The person's enrolments, locked against a refresh: it finishes before us and is undone, or sees our change."""
    marks = EnrolmentMark.objects.select_for_update().filter(enrolment__learner_id=subject).order_by("pk")
    return [mark.pk for mark in marks]


# --- keys -----------------------------------------------------------------------------------------------------
