"""Baseline skills from another system's file: all of it, or nothing of it."""

import csv
import io
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from consent import audit, gate
from consent.actors import SYSTEM, Party
from consent.scopes import Scope
from learners.identity import employee_hash
from learners.models import BaselineSkill, Competency, Learner, Level

COLUMNS = ("employee_id", "competency", "level", "as_of", "source")
SOURCES = tuple(source.value for source in BaselineSkill.Source if source != BaselineSkill.Source.SELF)
ROWS_AT_ONCE = 1000


class SkillFaults(Exception):
    """The file was not taken in; each fault names its line and what to mend."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


@dataclass
class Taken:
    """What a file changed, or would."""

    new: int = 0
    changed: int = 0
    same: int = 0
    unwilling: int = 0  # rows about people who allow no profile of themselves


class _Row(NamedTuple):
    line: int
    person: bytes
    competency: str
    level: int
    as_of: date
    source: str


def import_skills(content: bytes, *, now: datetime, by: Party = SYSTEM, dry_run: bool = False) -> Taken:
    """What the file changed. Raises SkillFaults. Nothing is taken in about people who allow no profile."""
    faults: list[str] = []
    rows = _read(content, today=now.date(), faults=faults)
    people: dict[bytes, UUID] = {
        bytes(hashed): pk
        for pk, hashed in Learner.objects.filter(
            employee_hash__in={row.person for row in rows}, erased_at__isnull=True
        ).values_list("pk", "employee_hash")
        if hashed is not None
    }
    competencies = {one.key: one.pk for one in Competency.objects.all()}
    said: dict[tuple[bytes, str, str, date], _Row] = {}
    for row in rows:
        first = said.setdefault((row.person, row.competency, row.source, row.as_of), row)
        if first.level != row.level:
            faults.append(f"line {row.line}: another level than in line {first.line}; keep one of the two")
        if row.person not in people:
            faults.append(f"line {row.line}: nobody has this employee_id; import the roster first")
        if row.competency not in competencies:
            faults.append(f"line {row.line}: no competency has the key {row.competency[:64]!r}; add it first")
    if faults:
        raise SkillFaults(faults)
    willing = gate.filter_allowed(people.values(), Scope.PROFILE)
    taken, wanted = Taken(), dict[tuple[UUID, int, str, date], int]()
    for row in rows:
        learner = people[row.person]
        if learner in willing:
            wanted[learner, competencies[row.competency], row.source, row.as_of] = row.level
        else:
            taken.unwilling += 1
    known = {
        (one.learner_id, one.competency_id, one.source, one.as_of): one.level
        for one in BaselineSkill.objects.filter(learner__in=willing)
    }
    for key, level in wanted.items():
        if key not in known:
            taken.new += 1
        elif known[key] != level:
            taken.changed += 1
        else:
            taken.same += 1
    if dry_run or not (taken.new or taken.changed):
        return taken
    with transaction.atomic():
        BaselineSkill.objects.bulk_create(
            [
                BaselineSkill(
                    learner_id=learner, competency_id=competency, source=source, as_of=day, level=level
                )
                for (learner, competency, source, day), level in wanted.items()
                if known.get((learner, competency, source, day)) != level
            ],
            batch_size=ROWS_AT_ONCE,
            update_conflicts=True,
            unique_fields=["learner", "competency", "source", "as_of"],
            update_fields=["level"],
        )
        audit.record(
            actor=by,
            action="skills.imported",
            target=SYSTEM,
            now=now,
            detail={"added": taken.new, "changed": taken.changed, "unwilling": taken.unwilling},
        )
    return taken


def _read(content: bytes, *, today: date, faults: list[str]) -> list[_Row]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SkillFaults(["line 1: this is not UTF-8: save the file as “CSV UTF-8”"]) from None
    first_line = text.partition("\n")[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=max(",;\t", key=first_line.count), restval="", strict=True
    )
    rows = []
    try:
        header = [name.strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = header
        if missing := [name for name in COLUMNS if name not in header]:
            raise SkillFaults([f"line 1: missing column{'s' * (len(missing) > 1)} {', '.join(missing)}"])
        for cells in reader:
            if not any(value.strip() for value in cells.values() if isinstance(value, str)):
                continue  # what spreadsheets leave below a table
            if None in cells:
                faults.append(f"line {reader.line_num}: more cells than the header has")
                continue
            row = _row(reader.line_num, {name: cells[name].strip() for name in COLUMNS}, today, faults)
            if row is not None:
                rows.append(row)
    except csv.Error as fault:
        faults.append(f"line {reader.line_num}: this line cannot be read as CSV ({fault})")
    return rows


def _row(line: int, cells: dict[str, str], today: date, faults: list[str]) -> _Row | None:
    before = len(faults)
    if not cells["employee_id"]:
        faults.append(f"line {line}: employee_id is empty")
    if not cells["level"].isdecimal() or int(cells["level"]) not in Level.values:
        faults.append(f"line {line}: level {cells['level'][:20]!r} is not on the scale; write 1 to 5")
    if cells["source"] not in SOURCES:
        faults.append(
            f"line {line}: unknown source {cells['source'][:20]!r}; write one of {', '.join(SOURCES)}"
        )
    day: date | None = None
    try:
        day = date.fromisoformat(cells["as_of"])
    except ValueError:
        faults.append(f"line {line}: as_of {cells['as_of'][:20]!r} is no date; write it as 2026-03-31")
    if day is not None and day > today:
        faults.append(f"line {line}: as_of is in the future")
    if day is None or len(faults) > before:
        return None
    return _Row(
        line,
        employee_hash(cells["employee_id"]),
        cells["competency"],
        int(cells["level"]),
        day,
        cells["source"],
    )
