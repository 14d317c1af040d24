"""Opening and closing findings: a stage that lets every monitor judge the last whole day of every source.

Days are judged only when they are over and counted, so a finding comes the morning after. It closes by itself when its
monitor says that all is fine; while it is open, "usual" stays what it was before it began, so that a fault does not
become the standard it is measured by.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max, Min, Q

from consent import audit
from consent.actors import Party
from signals.models import Credential, DayOff, Finding, SourceDay, SourceTerm, VerbSynonym
from signals.quality import monitors, watched
from signals.quality.monitors import Answer, History, Judged, NewTerm
from signals.quality.tally import locked_mark

LOOKS_BACK = timedelta(days=7 * (monitors.WEEKS + 2))
FADES_AFTER = timedelta(days=28)
# Closed and found again so soon is the same trouble still: nobody is told twice.
SAME_TROUBLE = timedelta(days=3)
# A source's first weeks are full of new words.
SETTLES_FOR = timedelta(days=14)


class NotOpen(ValueError):
    """The finding is closed already."""


@dataclass(frozen=True, slots=True)
class _Source:
    """Everything the monitors ask about one source."""

    pk: UUID
    backfills: bool
    days: Mapping[date, SourceDay]
    first: date
    accepted: Mapping[str, date]  # kind → since when somebody calls it normal
    open: Mapping[str, Finding]
    new_verbs: list[NewTerm]
    new_types: list[NewTerm]


def inspect(*, now: datetime) -> int:
    """How many findings were opened or closed. Judges the last day that is over and counted; running it again finds
    nothing new."""
    with transaction.atomic():
        mark = locked_mark()
        if mark.through is None:
            return 0
        today = mark.through.astimezone(UTC).date()
        day = today - monitors.DAY
        changed = _close_unused(now)
        off = frozenset(DayOff.objects.order_by().values_list("day", flat=True))
        sources = _sources(day, now)
        histories = {source.pk: History(source.days, source.first, off) for source in sources}
        fine = {pk for pk, history in histories.items() if monitors.is_low(history, day) is False}
        for source in sources:
            for kind, judged in _judge(source, histories[source.pk], day, bool(fine - {source.pk})).items():
                changed += _apply(source, kind, judged, now)
    return changed


def accept(finding: Finding, *, by: Party, now: datetime) -> None:
    """Closes a finding because this is normal from now on; its monitor learns anew what is usual. Raises NotOpen."""
    with transaction.atomic():
        closed = Finding.objects.open().filter(pk=finding.pk)
        if not closed.update(closed_at=now, ending=Finding.Ending.ACCEPTED):
            raise NotOpen
        audit.record(
            actor=by,
            action="quality.accepted",
            target=_party(finding),
            now=now,
            detail={"finding": finding.pk, "kind": finding.kind},
        )


def _party(finding: Finding) -> Party:
    if finding.source_id is not None:
        return Party("credential", finding.source_id)
    # Models are numbered, parties are named by uuid: the number is the uuid's own.
    return Party("model", UUID(int=finding.model_id or 0))


def _close_unused(now: datetime) -> int:
    """Nobody waits for a source that is out of use, nor for an answer that no longer comes."""
    unused = Finding.objects.open().filter(source__is_active=False)
    faded = (
        Finding.objects.open()
        .filter(last_seen_at__lt=now - FADES_AFTER, model__isnull=True)
        .exclude(kind=Finding.Kind.VOLUME)
    )
    return unused.update(closed_at=now, ending=Finding.Ending.OUT_OF_USE) + faded.update(
        closed_at=now, ending=Finding.Ending.FADED
    )


# --- what is known of the sources ------------------------------------------------------------------------------


def _sources(day: date, now: datetime) -> list[_Source]:
    """The sources in use that have ever sent something. Six queries, however many they are."""
    first: dict[UUID, date] = dict(
        SourceDay.objects.filter(source__is_active=True)
        .order_by()
        .values_list("source")
        .annotate(first=Min("day"))
    )
    if not first:
        return []
    open_: dict[UUID, dict[str, Finding]] = defaultdict(dict)
    for finding in Finding.objects.open().filter(source__in=first).order_by("pk"):
        if finding.source_id is not None:
            open_[finding.source_id][finding.kind] = finding
    accepted: dict[UUID, dict[str, date]] = defaultdict(dict)
    for source, kind, at in (
        Finding.objects.filter(ending=Finding.Ending.ACCEPTED, source__in=first)
        .order_by()
        .values_list("source", "kind")
        .annotate(at=Max("closed_at"))
    ):
        accepted[source][kind] = at.astimezone(UTC).date()
    oldest = min([day, *(f.opened_at.date() for kinds in open_.values() for f in kinds.values())])
    days: dict[UUID, dict[date, SourceDay]] = defaultdict(dict)
    for row in SourceDay.objects.filter(source__in=first, day__gte=oldest - LOOKS_BACK).order_by(
        "source", "day"
    ):
        days[row.source_id][row.day] = row
    new = _new_terms(first, accepted, now)
    backfilling = set(
        Credential.objects.filter(permissions__contains=[Credential.Permission.BACKFILL])
        .order_by()
        .values_list("pk", flat=True)
    )
    return [
        _Source(
            pk=pk,
            backfills=pk in backfilling,
            days=days[pk],
            first=first[pk],
            accepted=accepted[pk],
            open=open_[pk],
            new_verbs=new[pk, SourceTerm.Kind.VERB],
            new_types=new[pk, SourceTerm.Kind.TYPE],
        )
        for pk in sorted(first)
    ]


def _new_terms(
    first: Mapping[UUID, date], accepted: Mapping[UUID, Mapping[str, date]], now: datetime
) -> dict[tuple[UUID, str], list[NewTerm]]:
    """By source and kind, the words first seen lately, after the source's first weeks; verbs that mean something
    here are no news."""
    found: dict[tuple[UUID, str], list[NewTerm]] = defaultdict(list)
    rows = (
        SourceTerm.objects.filter(source__in=first, first_seen_at__gt=now - monitors.NEW_FOR)
        .exclude(Q(kind=SourceTerm.Kind.VERB) & Q(iri__in=VerbSynonym.objects.order_by().values("iri")))
        .order_by("source", "kind", "iri")
    )
    kinds = {SourceTerm.Kind.VERB: Finding.Kind.NEW_VERB, SourceTerm.Kind.TYPE: Finding.Kind.NEW_TYPE}
    for row in rows:
        since = row.first_seen_at.astimezone(UTC).date()
        known_on = accepted.get(row.source_id, {}).get(kinds[SourceTerm.Kind(row.kind)])
        if since >= first[row.source_id] + SETTLES_FOR and (known_on is None or since > known_on):
            found[row.source_id, row.kind].append(NewTerm(row.iri, row.seen))
    return found


# --- judging ---------------------------------------------------------------------------------------------------


def _judge(source: _Source, history: History, day: date, others_are_fine: bool) -> dict[str, Judged]:
    """What each monitor says of this source on this day."""
    kind = Finding.Kind
    judged: dict[str, Judged] = {
        kind.VOLUME: monitors.volume(
            _since(history, source, kind.VOLUME),
            day,
            today=history.volume(day + monitors.DAY),
            others_are_fine=others_are_fine or kind.VOLUME in source.open,
            past=_past(source, kind.VOLUME),
        ),
        kind.NEW_VERB: monitors.terms(
            source.new_verbs, least=watched.VERBS_LEAST, says=watched.VERBS_SAY, mend=watched.VERBS_MEND
        ),
        kind.NEW_TYPE: monitors.terms(
            source.new_types, least=watched.TYPES_LEAST, says=watched.TYPES_SAY, mend=watched.TYPES_MEND
        ),
    }
    if not source.backfills:
        # Of what is loaded afterwards, neither lateness nor age says anything.
        judged[kind.CLOCK] = monitors.clock(
            _since(history, source, kind.CLOCK), day, past=_past(source, kind.CLOCK)
        )
    for name, spec in watched.SHARES.items():
        if name == kind.OLD and source.backfills:
            continue
        judged[name] = monitors.share(
            spec,
            _since(history, source, name),
            day,
            past=_past(source, name),
            has_ceiling=name not in source.accepted,
        )
    parked = judged[kind.PARKED]
    if parked.answer is Answer.FIRES and not _still_parked(source, parked):
        judged[kind.PARKED] = monitors.FINE
    return judged


def _since(history: History, source: _Source, kind: str) -> History:
    """What counts as this monitor's past: nothing from before somebody called a finding of its normal."""
    accepted = source.accepted.get(kind)
    return history if accepted is None else History(history.days, max(history.first, accepted), history.off)


def _past(source: _Source, kind: str) -> date | None:
    """The day from which on a fault is known: what is usual is what was before."""
    finding = source.open.get(kind)
    # It opened the morning after the first day that showed it, and that one may have been the second.
    return None if finding is None else finding.opened_at.astimezone(UTC).date() - 2 * monitors.DAY


def _still_parked(source: _Source, judged: Judged) -> bool:
    """Whether those who were unknown when they came are so still: the roster may have come since."""
    start = date.fromisoformat(str(judged.detail["from"]))
    end = date.fromisoformat(str(judged.detail["to"])) + monitors.DAY
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM signals_statement"
            " WHERE parked AND credential_id = %s AND stored >= %s AND stored < %s",
            [source.pk, datetime.combine(start, time.min, UTC), datetime.combine(end, time.min, UTC)],
        )
        waiting: int = cursor.fetchone()[0]
    return waiting / judged.cases > (judged.high or 0.0)


def _apply(source: _Source, kind: str, judged: Judged, now: datetime) -> int:
    """1 where a finding was opened or closed, else 0."""
    finding = source.open.get(kind)
    if judged.answer is Answer.FINE and finding is not None:
        return (
            Finding.objects.open()
            .filter(pk=finding.pk)
            .update(closed_at=max(now, finding.opened_at), ending=Finding.Ending.RECOVERED)
        )
    if judged.answer is not Answer.FIRES:
        return 0
    seen = {
        "last_seen_at": now,
        "measured": judged.measured,
        "low": judged.low,
        "high": judged.high,
        "cases": judged.cases,
        "says": judged.says,
        "mend": judged.mend,
        "detail": judged.detail,
    }
    if finding is not None:
        Finding.objects.filter(pk=finding.pk).update(**seen)
        return 0
    before = (
        Finding.objects.filter(source=source.pk, kind=kind, closed_at__gt=now - SAME_TROUBLE)
        .order_by("-closed_at", "-pk")
        .first()
    )
    Finding.objects.create(
        source_id=source.pk, kind=kind, opened_at=now, told_at=before.told_at if before else None, **seen
    )
    return 1
