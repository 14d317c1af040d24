"""Reads an HR roster; no database. Everything wrong in the file is found in one go, each fault with its line."""

import csv
import io
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from learners.identity import canonical, employee_hash
from learners.models import Learner

K = TypeVar("K")

REQUIRED = (
    "employee_id",
    "name",
    "email",
    "unit",
    "job_role",
    "impact",
    "manager_employee_id",
    "time_zone",
    "language",
    "start_date",
    "end_date",
)
LEAVE = ("leave_from", "leave_until")
OPTIONAL = ("coach_email", *LEAVE)
IMPACTS = ("standard", "elevated", "critical")
LONGEST_NAME = 120


class Fault(NamedTuple):
    """Something to mend in the file."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


class RosterFaults(Exception):
    """The roster was not applied; each fault names its line and what to mend."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class Row(NamedTuple):
    """One person of the roster, or of another source that takes the same path (learners.scim)."""

    line: int
    employee_id: str
    name: str
    email: str
    unit: tuple[str, ...]  # names from the top down
    job_role: str
    impact: str  # empty: as it is, standard for a new role
    manager_employee_id: str | None  # None: this source says nothing of managers, so they stay as they are
    coach_email: str | None  # None: the file has no such column, so coaches stay as they are
    time_zone: str
    language: str
    start_date: date | None
    end_date: date | None
    # A source that knows people by our own ids gives these (`UUID.bytes`); a roster knows employee ids only.
    person: bytes | None = None
    manager: bytes | None = None
    role_code: str = ""  # a job role by its code, where the source has found out which one is meant
    says_leave: bool = False  # False: this source says nothing of leave, so it stays as it is
    leave_from: date | None = None
    leave_until: date | None = None

    @property
    def key(self) -> bytes:
        return self.person or employee_hash(self.employee_id)

    @property
    def manager_key(self) -> bytes | None:
        if self.manager or not self.manager_employee_id:
            return self.manager
        return employee_hash(self.manager_employee_id)

    @property
    def called(self) -> str:
        return self.employee_id or str(Learner(pk=UUID(bytes=self.key)))


class Sheet(NamedTuple):
    """What a roster says, and what is wrong with it as a file."""

    rows: list[Row]
    faults: list[Fault]
    ignored: list[str]  # columns nobody reads


def read(content: bytes, *, zones: frozenset[str], languages: frozenset[str]) -> Sheet:
    """The people in a roster (UTF-8 with or without a byte order mark, comma or semicolon)."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        return Sheet([], [Fault(line, "this is not UTF-8: save the file as “CSV UTF-8”")], [])
    first_line = text.partition("\n")[0]
    delimiter = ";" if first_line.count(";") > first_line.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = [name.strip().lower() for name in next(reader, [])]
    faults = list(_header_faults(header))
    if faults:
        return Sheet([], faults, [])
    rows: list[Row] = []
    line = reader.line_num + 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) == len(header):
                    found = dict(zip(header, (cell.strip() for cell in cells), strict=True))
                    rows.append(_row(line, found, faults, zones, languages))
                else:
                    faults.append(Fault(line, f"{len(cells)} cells where the header has {len(header)}"))
            line = reader.line_num + 1
    except csv.Error as fault:
        faults.append(Fault(line, f"this line cannot be read as CSV ({fault})"))
    if not rows and not faults:
        faults.append(Fault(1, "there are no people below the header"))
    faults += _said_twice(rows)
    return Sheet(rows, faults, [name for name in header if name not in (*REQUIRED, *OPTIONAL)])


def _header_faults(header: list[str]) -> Iterator[Fault]:
    if not any(header):
        yield Fault(1, f"the file is empty; its first line must name the columns {', '.join(REQUIRED)}")
        return
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        yield Fault(1, f"missing column{'s' if len(missing) > 1 else ''} {', '.join(missing)}")
    if len(set(LEAVE) & set(header)) == 1:
        yield Fault(1, "leave_from and leave_until come together, or not at all")
    for name in sorted({name for name in header if name and header.count(name) > 1}):
        yield Fault(1, f"the column {name} is there twice")


def _row(
    line: int, cells: dict[str, str], faults: list[Fault], zones: frozenset[str], languages: frozenset[str]
) -> Row:
    def wrong(text: str) -> None:
        faults.append(Fault(line, text))

    def day(column: str) -> date | None:
        try:
            return date.fromisoformat(cells[column]) if cells[column] else None
        except ValueError:
            wrong(f"{column} {cells[column]!r} is no date; write it as 2026-03-31")
            return None

    for column in ("employee_id", "name"):
        if not cells[column]:
            wrong(f"{column} is empty")
    # The values of personal columns stay out of the message: terminals and logs keep it.
    for column in ("email", "coach_email"):
        if cells.get(column):
            try:
                validate_email(cells[column])
            except ValidationError:
                wrong(f"{column} is not an e-mail address")
    if cells["time_zone"] and cells["time_zone"] not in zones:
        wrong(f"unknown time zone {cells['time_zone']!r}; write one like Europe/Berlin")
    if cells["language"] and cells["language"] not in languages:
        wrong(f"unknown language {cells['language']!r}; known are {', '.join(sorted(languages))}")
    if cells["impact"].lower() not in ("", *IMPACTS):
        wrong(f"unknown impact {cells['impact']!r}; known are {', '.join(IMPACTS)}")
    if cells["impact"] and not cells["job_role"]:
        wrong("impact belongs to a job role, and job_role is empty")
    unit = tuple(name.strip() for name in cells["unit"].split("/")) if cells["unit"] else ()
    if any(not name or len(name) > LONGEST_NAME for name in unit) or len(cells["job_role"]) > LONGEST_NAME:
        wrong(f"the names in unit and job_role have 1 to {LONGEST_NAME} characters; write a unit as A/B/C")
    start, end = day("start_date"), day("end_date")
    if start and end and end < start:
        wrong("end_date is before start_date")
    leave_from, leave_until = (day(column) if column in cells else None for column in LEAVE)
    if (leave_from is None) != (leave_until is None):
        wrong("leave needs both its first day (leave_from) and its last (leave_until)")
    elif leave_from and leave_until and leave_until < leave_from:
        wrong("leave_until is before leave_from")
    if cells["employee_id"] and employee_hash(cells["employee_id"]) == employee_hash(
        cells["manager_employee_id"]
    ):
        wrong(f"employee {cells['employee_id']} is named as their own manager")
    return Row(
        line=line,
        employee_id=cells["employee_id"],
        name=cells["name"],
        email=cells["email"],
        unit=unit,
        job_role=cells["job_role"],
        impact=cells["impact"].lower(),
        manager_employee_id=cells["manager_employee_id"],
        coach_email=cells.get("coach_email"),
        time_zone=cells["time_zone"],
        language=cells["language"] or "en",
        start_date=start,
        end_date=end,
        says_leave="leave_from" in cells,
        leave_from=leave_from,
        leave_until=leave_until,
    )


def _said_twice(rows: list[Row]) -> Iterator[Fault]:
    people: dict[bytes, int] = {}
    addresses: dict[str, int] = {}
    impacts: dict[str, tuple[str, int]] = {}
    for row in rows:
        if row.employee_id and (line := people.setdefault(row.key, row.line)) != row.line:
            yield Fault(row.line, f"employee_id {row.employee_id} is already in line {line}")
        if row.email and (line := addresses.setdefault(canonical("mbox", row.email), row.line)) != row.line:
            yield Fault(row.line, f"this email is already in line {line}; each person needs their own")
        if row.impact:
            impact, line = impacts.setdefault(row.job_role, (row.impact, row.line))
            if impact != row.impact:
                yield Fault(
                    row.line, f"job role {row.job_role!r} is {row.impact} here and {impact} in line {line}"
                )


def circles(above: dict[K, K]) -> list[list[K]]:
    """Every circle of people who manage each other (or of whatever else lies above something), each once."""
    found: list[list[K]] = []
    settled: set[K] = set()
    for start in above:
        path: dict[K, None] = {}
        person: K | None = start
        while person is not None and person not in settled and person not in path:
            path[person] = None
            person = above.get(person)
        if person is not None and person in path:
            way = list(path)
            found.append(way[way.index(person) :])
        settled.update(path)
    return found
