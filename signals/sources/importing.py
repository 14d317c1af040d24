"""How facts get in: compared with what a source said before, then through ingest like any other statement.

A fact is known again by its key, whatever its wording. The same wording changes nothing. Another wording voids the
statement it had and stores a new one, in one transaction. Ids follow from source, key and revision alone, so an
import that was interrupted is simply run again.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from django.conf import settings
from django.db import connection, transaction

from consent.crypto import keyed_hash, keyed_hash64
from learners.identity import resolve
from signals.ingest import in_time, ingest
from signals.models import Credential, Feed, ImportRun, Lineage
from signals.reading import read
from signals.sources.base import Fact, FileRefused, Problem, PullFailed, Source
from signals.sources.people import name_employees, numbers_in
from signals.xapi import credentials
from signals.xapi.keys import VOIDED, identity

NAMESPACE = UUID("5b0d1f0e-6f0c-5d5c-9a53-6a7be0f4e1d2")  # of all statements made from facts
NOT_YET = UUID(int=0)
BATCH = 500
MOST_LISTED = 1000  # problems that a report spells out; all are counted
MOST_KEPT = 200  # of them, with the run

UNKNOWN_PERSON = (
    "is about somebody we do not know",
    "It is kept and waits: add them to the roster, or the name this source has for them to their identifiers.",
)


class AlreadyTakenIn(Exception):
    """This delivery has been taken in before."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where facts come from, for their lineage."""

    feed: Feed | None = None
    file_name: str = ""
    delivery: str = ""
    by: UUID | None = None


@dataclass(slots=True)
class Report:
    """What became of the rows, or would."""

    rows: int = 0
    new: int = 0
    same: int = 0
    changed: int = 0
    waiting: int = 0
    refused: int = 0
    quarantined: int = 0
    problems: list[Problem] = field(default_factory=list)
    run: ImportRun | None = None

    def tell(self, line: int, fault: str, mend: str) -> None:
        if len(self.problems) < MOST_LISTED:
            self.problems.append(Problem(line, fault, mend))

    def lines(self) -> list[str]:
        """The report for a person to read."""
        counts = {
            "new": self.new,
            "same as before": self.same,
            "changed": self.changed,
            "about people we do not know": self.waiting,
            "refused": self.refused,
            "in quarantine": self.quarantined,
        }
        told = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no rows"
        unlisted = self.refused + self.waiting + self.quarantined - len(self.problems)
        more = [f"… and {unlisted} more rows like these."] if unlisted > 0 and self.problems else []
        in_order = sorted(self.problems, key=lambda problem: problem.line)
        return [*(str(problem) for problem in in_order), *more, f"{self.rows} rows: {told}."]


class _Known(NamedTuple):
    statement_id: UUID
    digest: bytes
    revision: int


@dataclass(slots=True)
class _Item:
    """A fact on its way in."""

    fact: Fact
    key: bytes
    digest: bytes
    before: _Known | None = None
    statement_id: UUID = NOT_YET
    raw: bytes = b""
    is_sound: bool = True


_COUNTS = ("rows", "new", "same", "changed", "waiting", "refused", "quarantined")


def bring_in(
    source: Source,
    facts: Iterable[Fact | Problem],
    *,
    clock: Callable[[], datetime],
    origin: Origin | None = None,
    dry_run: bool = False,
    progress: Callable[[int], Any] = lambda rows: None,
) -> Report:
    """What became of these facts. One transaction a batch, each with its own moment; a dry run writes nothing.

    Raises AlreadyTakenIn for a delivery that came before, and what reading the facts raises.
    """
    origin = origin or Origin()
    report = Report()
    seen: dict[bytes, tuple[bytes, int]] = {}
    if dry_run:
        with transaction.atomic():
            for batch in _batches(facts):
                _take(source, batch, report, seen, now=clock(), run=None)
                progress(len(batch))
            transaction.set_rollback(True)
        return report
    report.run = run = _begin(source, origin, now=clock())
    try:
        for batch in _batches(facts):
            with transaction.atomic():
                _take(source, batch, report, seen, now=clock(), run=run)
                _note(run, report)
            progress(len(batch))
    except FileRefused as refused:
        run.missing_columns = refused.missing_columns or [refused.fault[:200]]
        _finish(run, report, now=clock())
        raise
    except PullFailed as failed:
        # Not finished: what came before it is in, and the next pull asks for all of it again.
        run.problems = [[report.rows, str(failed), "Then pull again."]]
        run.save(update_fields=["problems"])
        raise
    _finish(run, report, now=clock())
    return report


def _finish(run: ImportRun, report: Report, *, now: datetime) -> None:
    in_order = sorted(report.problems, key=lambda problem: problem.line)
    run.problems = [[problem.line, problem.fault, problem.mend] for problem in in_order[:MOST_KEPT]]
    run.finished_at = max(now, run.started_at)
    run.save(update_fields=["finished_at", "missing_columns", "problems"])


def credential_of(source: str, *, now: datetime) -> Credential:
    """The credential a source's statements carry. Its secret is known to nobody, so nobody else can use it."""
    name = f"source: {source}"
    found = Credential.objects.filter(name=name).first()
    return (
        found
        or credentials.create(
            name=name, permissions=[Credential.Permission.WRITE, Credential.Permission.BULK], now=now
        ).credential
    )


def origin_of(statement_id: UUID) -> Lineage | None:
    """The file or delivery and the row that this statement, and so its event, was made from."""
    return Lineage.objects.select_related("run", "run__feed").filter(pk=statement_id).first()


def _begin(source: Source, origin: Origin, *, now: datetime) -> ImportRun:
    values = {"source": source.name, "file_name": origin.file_name, "by": origin.by, "started_at": now}
    if not origin.delivery:
        return ImportRun.objects.create(feed=origin.feed, **values)
    run, is_new = ImportRun.objects.get_or_create(feed=origin.feed, delivery=origin.delivery, defaults=values)
    # One that broke off is taken up again.
    if not is_new and run.finished_at is not None:
        raise AlreadyTakenIn
    return run


def _note(run: ImportRun, report: Report) -> None:
    for name in _COUNTS:
        setattr(run, name, getattr(report, name))
    run.save(update_fields=list(_COUNTS))


def _batches(facts: Iterable[Fact | Problem]) -> Iterator[list[Fact | Problem]]:
    rows = iter(facts)
    while batch := list(islice(rows, BATCH)):
        yield batch


def _take(
    source: Source,
    batch: Sequence[Fact | Problem],
    report: Report,
    seen: dict[bytes, tuple[bytes, int]],
    *,
    now: datetime,
    run: ImportRun | None,
) -> None:
    with connection.cursor() as cursor:
        # Two imports of one source would each take the other's facts for new.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [keyed_hash64("source", source.name)])
    report.rows += len(batch)
    credential = credential_of(source.name, now=now)
    items = _changes(source, _items(source, batch, report, seen), report)
    agents = [item.fact.statement["actor"] for item in items]
    name_employees(numbers_in(agents), now=now)
    _find_unknown(items, report)
    _check(items, credential, report, now=now)
    if run is None or not items:
        return
    statements: list[bytes] = []
    for item in items:
        if item.is_sound and item.before is not None:
            statements.append(_voiding(source, item.before))
        statements.append(item.raw)
    # In bulk: what is unsound goes to quarantine, whole, and the rest is taken in.
    taken = ingest(statements, credential=credential, now=now, bulk=True)
    held = {key for key in taken.quarantined if key is not None}
    for item in items:
        if item.is_sound and item.statement_id in held:
            # Something else is stored under this id: its lineage was lost, by a restore perhaps.
            item.is_sound = False
            report.new -= 1
            report.quarantined += 1
            report.tell(item.fact.line, "was taken in before with other content", "Look at it in quarantine.")
    sound = [item for item in items if item.is_sound]
    Lineage.objects.filter(pk__in=[item.before.statement_id for item in sound if item.before]).update(
        replaced_at=now
    )
    Lineage.objects.bulk_create(
        [
            Lineage(
                statement_id=item.statement_id,
                run=run,
                line=item.fact.line,
                source=source.name,
                key=item.key,
                digest=item.digest,
                revision=item.before.revision + 1 if item.before else 0,
            )
            for item in sound
        ]
    )


def _items(
    source: Source, batch: Sequence[Fact | Problem], report: Report, seen: dict[bytes, tuple[bytes, int]]
) -> list[_Item]:
    """The facts of a batch, each said once; problems are reported."""
    items = []
    for row in batch:
        if isinstance(row, Problem):
            report.refused += 1
            report.tell(row.line, row.fault, row.mend)
            continue
        if row.note:
            report.tell(row.line, row.note, "It is taken in as it is.")
        try:
            item = _Item(
                row,
                keyed_hash("fact-key", _text([source.name, *row.key])),
                keyed_hash("fact", _text(row.statement)),
            )
        except UnicodeEncodeError:  # JSON's escapes can write half of a pair
            report.refused += 1
            report.tell(row.line, "has characters that no text can hold", "Export it again.")
            continue
        digest, line = seen.setdefault(item.key, (item.digest, row.line))
        if line == row.line and digest == item.digest:
            items.append(item)
        elif digest == item.digest:
            report.same += 1
        else:
            report.refused += 1
            report.tell(
                row.line, f"says something else than line {line} about the same", "Keep one of the two."
            )
    return items


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _changes(source: Source, items: list[_Item], report: Report) -> list[_Item]:
    """Those that say something new, with the id and the bytes of their statement."""
    known: dict[bytes, _Known] = {}
    last: dict[bytes, int] = {}
    rows = Lineage.objects.filter(source=source.name, key__in=[item.key for item in items])
    for key, statement_id, digest, revision, replaced_at in rows.values_list(
        "key", "statement_id", "digest", "revision", "replaced_at"
    ):
        last[bytes(key)] = max(revision, last.get(bytes(key), 0))
        if replaced_at is None:
            known[bytes(key)] = _Known(statement_id, bytes(digest), revision)
    changed = []
    for item in items:
        item.before = known.get(item.key)
        if item.before is not None and item.before.digest == item.digest:
            report.same += 1
            continue
        revision = last[item.key] + 1 if item.key in last else 0
        item.statement_id = statement_id_of(source.name, item.key, revision)
        item.raw = json.dumps(
            {"id": str(item.statement_id), **item.fact.statement}, ensure_ascii=False
        ).encode()
        changed.append(item)
    return changed


def statement_id_of(source: str, key: bytes, revision: int) -> UUID:
    """The id of a fact's statement. Made from the keyed hash of its key, so that no id gives a name away."""
    return uuid5(NAMESPACE, f"{source}:{key.hex()}:{revision}")


def _voiding(source: Source, known: _Known) -> bytes:
    return json.dumps(
        {
            "id": str(uuid5(known.statement_id, "voided")),
            "actor": {"account": {"homePage": settings.PUBLIC_URL, "name": f"source:{source.name}"}},
            "verb": {"id": VOIDED},
            "object": {"objectType": "StatementRef", "id": str(known.statement_id)},
        }
    ).encode()


def _find_unknown(items: Sequence[_Item], report: Report) -> None:
    actors = [found[0] if (found := identity(item.fact.statement["actor"])) else b"" for item in items]
    known = resolve(actors)
    for item, actor in zip(items, actors, strict=True):
        if actor not in known:
            report.waiting += 1
            report.tell(item.fact.line, *UNKNOWN_PERSON)


def _check(items: Sequence[_Item], credential: Credential, report: Report, *, now: datetime) -> None:
    """Counts, and finds those that ingest will hold back: a correction must not void what it cannot replace."""
    for item in items:
        reading, faults = read(item.raw, 0, now=now)
        if reading is None:
            item.is_sound = False
            report.tell(item.fact.line, f"{faults[0].path} {faults[0].fault}", faults[0].mend)
        elif not in_time(reading.occurred_at, credential, now=now):
            item.is_sound = False
            report.tell(
                item.fact.line,
                "is dated in the future, or before the record store's first day",
                "Correct its date and import it again, or mend it in quarantine.",
            )
        if not item.is_sound:
            report.quarantined += 1
        elif item.before is not None:
            report.changed += 1
        else:
            report.new += 1
