"""Statements that could not be taken in, whole and with their reasons, until somebody settles them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import connection, transaction

from consent import audit
from consent.actors import SYSTEM, Party
from learners.identity import IdentifierTaken, canonical_identifier
from learners.models import Identifier, Learner
from signals import clock, refusals, unit_scope
from signals.models import Credential, Quarantined, Statement, Verb, VerbSynonym
from signals.reading import StoredRow, digest, read_stored
from signals.results import Held
from signals.xapi import bodies
from signals.xapi.faults import Fault
from signals.xapi.primitives import is_iri

# These hold back what a stored statement means; the others hold back the statement itself.
ABOUT_MEANING = ("timestamp", unit_scope.KIND)
ADL = "http://adlnet.gov/expapi/verbs/"


class AlreadySettled(Exception):
    """Somebody has requeued or discarded it in the meantime."""


class NoReason(Exception):
    """Nothing is discarded without saying why."""


class CannotMend(Exception):
    """A mend does not fit the statement; says why."""


@dataclass(frozen=True)
class Mend:
    """What a person changes so that a statement can be taken in."""

    body: bytes | None = None  # the corrected statement; the original is kept
    verb: Verb | None = None  # what its verb means, for this and all later statements
    learner: UUID | None = None  # who its actor is, likewise
    rule: clock.Rule | None = None  # how its timestamp is to be taken
    is_standing: bool = False  # and that of all that its source sends from now on
    accepts_outsiders: bool = False  # though the person is not in the unit its source is bound to


NO_MEND = Mend()


@dataclass(frozen=True)
class Requeued:
    """Whether a requeued statement is taken in now, else what is still wrong."""

    taken_in: bool
    faults: list[Fault]
    statement_ids: list[UUID] = field(default_factory=list)


class Tried(NamedTuple):
    """What became of a row that was requeued with others."""

    quarantined: Quarantined
    requeued: Requeued | None  # None: somebody else has settled it in the meantime


# --- keeping --------------------------------------------------------------------------------------------------


def hold(
    items: Sequence[tuple[bytes, UUID | None, Sequence[Fault]]],
    *,
    credential: Credential,
    now: datetime,
    major: int = 1,
    bulk: bool = False,
) -> tuple[list[Held], list[Held]]:
    """(those kept, those turned away). The same bytes from the same source are kept once.

    Only in bulk is anything turned away: when more of the source's statements wait than anybody will ever look at.
    """
    room = settings.QUARANTINE_MOST_WAITING - _waiting_of(credential) if bulk else len(items)
    held = [Held(raw, statement_id, list(faults)) for raw, statement_id, faults in items]
    kept = held[: max(room, 0)]
    Quarantined.objects.bulk_create(
        [_row(item, credential=credential, now=now, major=major) for item in kept], ignore_conflicts=True
    )
    turned_away = [item._replace(faults=[_full(item.place), *item.faults]) for item in held[max(room, 0) :]]
    if turned_away:
        refusals.count(credential, {"full": len(turned_away)}, requests=1, now=now)
    return kept, turned_away


def hold_stored(row: StoredRow, fault: Fault, *, credential: Credential, now: datetime) -> None:
    """Keeps a statement that is stored already, whose event is held back."""
    body = bodies.unseal(row.body)
    hold([Held(body.raw, row.id, [fault])], credential=credential, now=now, major=body.major)


def _row(item: Held, *, credential: Credential, now: datetime, major: int) -> Quarantined:
    return Quarantined(
        credential=credential,
        statement_id=item.statement_id,
        digest=digest(item.raw),
        body=bodies.seal(item.raw, major=major),
        faults=_noted(item.faults),
        reason=item.faults[0].kind,
        received_at=now,
    )


def _noted(faults: Sequence[Fault]) -> list[dict[str, str]]:
    return [
        {"path": fault.path, "fault": fault.fault, "mend": fault.mend, "kind": fault.kind} for fault in faults
    ]


def _full(index: int) -> Fault:
    return Fault(
        index,
        "$",
        "is faulty, and is not kept: too many statements of this source wait in quarantine already",
        "Mend it and send it again; an administrator can settle what waits.",
        "full",
    )


def _waiting_of(credential: Credential) -> int:
    return Quarantined.objects.filter(credential=credential, state=Quarantined.State.WAITING).count()


# --- taking in after all ----------------------------------------------------------------------------------------


def requeue(quarantined: Quarantined, *, now: datetime, by: Party = SYSTEM, mend: Mend = NO_MEND) -> Requeued:
    """Tries again to take it in, as it came or as mended by a person. Raises AlreadySettled, CannotMend.

    What still fails stays, with its new reason; no part of the mend but the corrected body is kept then.
    """
    with transaction.atomic():
        row = _claim(quarantined)
        body = bodies.unseal(bytes(row.mended or row.body))
        raw = mend.body if mend.body is not None else body.raw
        before = transaction.savepoint()
        raw = _apply(mend, raw, row, now=now)
        kept = _stored_form(row) if raw == body.raw else None
        credential = row.credential
        if mend.accepts_outsiders:
            credential.unit_id = None  # of this instance only
        rule = mend.rule or clock.rule_of(credential)
        if kept is not None:
            faults, ids = _derive(kept, row, rule, now=now)
        else:
            faults, ids = _take_in(raw, body.major, row, rule, now=now)
        if faults:
            transaction.savepoint_rollback(before)  # a mend that did not help is not kept as a second row
            _keep_waiting(row, faults, raw=raw, body=body, mend=mend, now=now)
            return Requeued(False, faults)
        transaction.savepoint_commit(before)
        if raw != body.raw:
            row.mended = bodies.seal(raw, major=body.major)
        _settle(row, Quarantined.State.REQUEUED, by=by, now=now, detail=_told(mend))
    return Requeued(True, [], ids)


def requeue_many(
    rows: Sequence[Quarantined], *, now: datetime, by: Party, mend: Mend = NO_MEND
) -> list[Tried]:
    """What became of each, oldest first. Each in a transaction of its own: one that fails stops no other."""
    tried = []
    for row in sorted(rows, key=lambda row: (row.received_at, row.pk)):
        try:
            tried.append(Tried(row, requeue(row, now=now, by=by, mend=mend)))
        except AlreadySettled:
            tried.append(Tried(row, None))
        except CannotMend as error:
            fault = Fault(0, "$", str(error), "Mend this one by itself.", row.reason)
            tried.append(Tried(row, Requeued(False, [fault])))
    return tried


def _stored_form(row: Quarantined) -> Statement | None:
    """The statement itself, where it is stored and only what it means was held back."""
    if row.statement_id is None or row.reason not in ABOUT_MEANING:
        return None
    return Statement.objects.filter(pk=row.statement_id, digest=bytes(row.digest)).first()


def _take_in(
    raw: bytes, major: int, row: Quarantined, rule: clock.Rule, *, now: datetime
) -> tuple[list[Fault], list[UUID]]:
    from signals.ingest import ingest  # ingest itself puts things here

    # In bulk, so that whatever is still wrong comes back as faults.
    taken = ingest(
        [raw],
        credential=row.credential,
        now=now,
        bulk=True,
        major=major,
        rule=rule,
        arrived_at=row.received_at,
    )
    return taken.faults, taken.ids


def _derive(
    kept: Statement, row: Quarantined, rule: clock.Rule, *, now: datetime
) -> tuple[list[Fault], list[UUID]]:
    from signals.ingest import in_time
    from signals.normalize import derive_again

    credential = row.credential
    backfill = Credential.Permission.BACKFILL in credential.permissions
    reading = read_stored(StoredRow(kept.pk, kept.stored, bytes(kept.body), backfill))
    clock.apply([reading], rule)
    if not in_time(reading.occurred_at, credential, now=now):
        return [
            Fault(
                0,
                "$.timestamp",
                "is still ahead of the clock or before the source's first day",
                "Wait until it is past, say how its clock is wrong, or set an earlier first day on the credential.",
                "timestamp",
            )
        ], []
    _, outside = unit_scope.held_back([reading], credential, bulk=True)
    if outside:
        return [fault for _, fault in outside], []
    clock.keep([reading], [reading.id], rule, now=now)
    derive_again(reading, now=now, backfill=backfill)
    return [], [kept.pk]


# --- mending ----------------------------------------------------------------------------------------------------


def _apply(mend: Mend, raw: bytes, row: Quarantined, *, now: datetime) -> bytes:
    """The statement with what the mend changes in its text; what it changes elsewhere is done."""
    if mend.verb is not None or mend.learner is not None:
        statement = _object(raw)
        changed = False
        if mend.verb is not None:
            changed |= _map_verb(statement, mend.verb)
        if mend.learner is not None:
            changed |= _name_actor(statement, mend.learner, now=now)
        raw = msgspec.json.encode(statement) if changed else raw
    if mend.is_standing and mend.rule is not None:
        clock.set_rule(row.credential, mend.rule)
    return raw


def _object(raw: bytes) -> dict[str, Any]:
    try:
        statement = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CannotMend("It is not JSON: correct its text first.") from error
    if not isinstance(statement, dict):
        raise CannotMend("It is not a statement: correct its text first.")
    return statement


def _map_verb(statement: dict[str, Any], verb: Verb) -> bool:
    """Whether the text had to be changed: where the verb is not even an IRI. Otherwise the IRI becomes a synonym."""
    named = statement.get("verb")
    iri = named.get("id") if isinstance(named, dict) else None
    if isinstance(iri, str) and is_iri(iri):
        VerbSynonym.objects.update_or_create(iri=iri, defaults={"verb": verb})
        return False
    display = named.get("display") if isinstance(named, dict) else None
    statement["verb"] = {"id": ADL + verb.label} | ({"display": display} if display else {})
    return True


def _name_actor(statement: dict[str, Any], learner_id: UUID, *, now: datetime) -> bool:
    """Whether the text had to be changed: where it names nobody. Otherwise what it names becomes the learner's."""
    learner = Learner.objects.filter(pk=learner_id, erased_at__isnull=True).first()
    if learner is None:
        raise CannotMend("There is no such learner.")
    actor = statement.get("actor")
    named = _identified(actor)
    if named is not None:
        kind, value = named
        _link(learner, kind, value, now=now)
        return False
    statement["actor"] = {"objectType": "Agent", **_agent_of(learner, now=now)}
    return True


def _identified(actor: Any) -> tuple[str, str] | None:
    """(kind, value) of the one thing that identifies an agent."""
    if not isinstance(actor, dict) or actor.get("objectType", "Agent") != "Agent":
        return None
    kinds = [kind for kind in Identifier.Kind.values if kind in actor]
    if len(kinds) != 1 or canonical_identifier(actor) is None:
        return None
    (kind,) = kinds
    account = actor[kind]
    if kind == Identifier.Kind.ACCOUNT:
        return kind, f"{account['homePage']}|{account['name']}"
    return kind, str(account)


def _link(learner: Learner, kind: str, value: str, *, now: datetime) -> None:
    from learners.identity import add_identifier

    try:
        add_identifier(learner=learner, kind=kind, value=value, now=now)
    except IdentifierTaken as error:
        raise CannotMend(str(error)) from error


def _agent_of(learner: Learner, *, now: datetime) -> dict[str, Any]:
    """How to name this learner: by something that names them already, else by an account of ours."""
    for known in learner.identifiers.filter(valid_to__isnull=True).order_by("pk"):
        value = known.value
        if known.kind == Identifier.Kind.ACCOUNT:
            home_page, _, name = value.removeprefix("account:").partition("|")
            if home_page and name:
                return {"account": {"homePage": home_page, "name": name}}
        elif known.kind == Identifier.Kind.MBOX:
            return {"mbox": f"mailto:{value.removeprefix('mailto:')}"}
        elif known.kind == Identifier.Kind.MBOX_SHA1SUM:
            return {"mbox_sha1sum": value.removeprefix("mbox_sha1sum:")}
        else:
            return {"openid": value.removeprefix("openid:")}
    own = {"homePage": settings.PUBLIC_URL, "name": str(learner.pk)}
    _link(learner, Identifier.Kind.ACCOUNT, f"{own['homePage']}|{own['name']}", now=now)
    return {"account": own}


# --- settling ---------------------------------------------------------------------------------------------------


def discard(quarantined: Quarantined, *, now: datetime, by: Party, reason: str) -> None:
    """Settles it as not worth taking in. It stays readable until its retention ends. Raises NoReason."""
    if not reason.strip():
        raise NoReason("Say why it is discarded.")
    with transaction.atomic():
        row = _claim(quarantined)
        row.note = reason.strip()
        _settle(row, Quarantined.State.DISCARDED, by=by, now=now, detail={})


def body_of(quarantined: Quarantined, *, original: bool = False) -> str:
    """The statement as it stands, for the person who mends it; ``original``: as it came."""
    raw = bodies.unseal(bytes(quarantined.body if original else quarantined.mended or quarantined.body)).raw
    try:
        return msgspec.json.format(raw, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw.decode("utf-8", "replace")


def _claim(quarantined: Quarantined) -> Quarantined:
    row = (
        Quarantined.objects.select_for_update(of=("self",))
        .select_related("credential")
        .filter(pk=quarantined.pk, state=Quarantined.State.WAITING)
        .first()
    )
    if row is None:
        raise AlreadySettled
    return row


def _keep_waiting(
    row: Quarantined, faults: Sequence[Fault], *, raw: bytes, body: bodies.Body, mend: Mend, now: datetime
) -> None:
    row.faults, row.reason, row.tried_at = _noted(faults), faults[0].kind, now
    if mend.body is not None and raw != body.raw:  # half a mend is somebody's work, too
        row.mended = bodies.seal(mend.body, major=body.major)
    row.save(update_fields=["faults", "reason", "tried_at", "mended"])


def _settle(row: Quarantined, state: str, *, by: Party, now: datetime, detail: Mapping[str, Any]) -> None:
    row.state, row.settled_at, row.settled_by = state, now, by.uuid
    row.save(update_fields=["state", "settled_at", "settled_by", "mended", "note"])
    audit.record(
        actor=by,
        action=f"quarantine.{state}",
        target=Party("credential", row.credential_id),
        now=now,
        detail={"quarantined": row.pk, **detail},
    )


def _told(mend: Mend) -> dict[str, Any]:
    """What was changed, for the audit log: ids and codes only."""
    return {
        "body": mend.body is not None,
        "verb": mend.verb.label if mend.verb is not None else None,
        "learners": [str(mend.learner)] if mend.learner is not None else [],
        "clock": list(mend.rule) if mend.rule is not None else None,
        "standing": mend.is_standing,
        "outsiders": mend.accepts_outsiders,
    }


# --- asking -----------------------------------------------------------------------------------------------------


def held_back(ids: Collection[UUID]) -> set[UUID]:
    """Those of these stored statements from which nothing may follow until a person says otherwise."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT q.statement_id FROM signals_quarantined q JOIN signals_statement s ON s.id = q.statement_id"
            " AND s.digest = q.digest WHERE q.statement_id = ANY(%s) AND q.reason = ANY(%s) AND q.state <> 'requeued'",
            [list(ids), list(ABOUT_MEANING)],
        )
        return {row[0] for row in cursor.fetchall()}


def waiting() -> dict[str, int]:
    """How many wait, by reason."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reason, count(*) FROM signals_quarantined WHERE state = 'waiting' GROUP BY reason ORDER BY reason"
        )
        return dict(cursor.fetchall())
