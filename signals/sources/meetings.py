"""Who attended a meeting or a live class: plain CSV, and the attendance reports that Teams and Zoom export."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings

from signals.sources import wording
from signals.sources.base import Delivered, Fact, FileRefused, Problem, Unusable
from signals.sources.tables import Line, Row, TableSource, lines_of

TYPE = "http://adlnet.gov/expapi/activities/meeting"
LONGEST = timedelta(hours=24)
IS_THERE = {"person", "joined", "left"}  # the columns of a table of who was there


class Meetings(TableSource):
    name = "meetings"
    label = "Meeting attendance (CSV, Teams, Zoom)"
    required = ("person", "meeting", "joined", "left")
    optional = ("course",)
    options = {
        "dates": "the order of day and month in dates with slashes: mdy, dmy or ymd",
        "zone": "the time zone of the file's times; else the organisation's",
        "course": "the IRI of the course a live class belongs to",
        "meeting": "the meeting's name, where the file does not say it",
    }
    also_called: ClassVar[dict[str, str]] = {
        "email": "person",
        "user_email": "person",
        "e_mail": "person",
        "topic": "meeting",
        "meeting_title": "meeting",
        "first_join": "joined",
        "join_time": "joined",
        "last_leave": "left",
        "leave_time": "left",
        "in_meeting_duration": "duration",
        "duration_minutes": "minutes",
    }

    def read(self, delivered: Delivered) -> Iterator[Fact | Problem]:
        _check_options(delivered)
        return self._facts(delivered)

    def is_header(self, cells: list[str]) -> bool:
        return {self.column(name) for name in cells}.issuperset(IS_THERE)

    def _facts(self, delivered: Delivered) -> Iterator[Fact | Problem]:
        title, tables = self._tables(list(lines_of(delivered.content, self.is_header)), delivered)
        stays: dict[tuple[str, str], list[_Stay]] = {}
        for at, table in enumerate(tables):
            found: dict[tuple[str, str], list[_Stay]] = {}
            for line in table[1:]:
                row = self._row(table[0], line)
                if at and not row["person"]:
                    continue  # said with the first table
                if row.get("in_waiting_room", "").casefold() == "yes":
                    continue  # not let in yet
                try:
                    stay = _stay(row, title, line.number, delivered)
                except Unusable as unusable:
                    yield Problem(line.number, unusable.fault, unusable.mend)
                    continue
                # Who drops out and comes back has several rows, and attended once.
                found.setdefault((wording.name_of(stay.actor), stay.meeting["id"]), []).append(stay)
            # Teams tells the first coming and the last going, and then in a table of its own each stay.
            stays.update(found)
        for (person, _), own in stays.items():
            for sitting in _sittings(own):
                yield _fact(person, sitting)

    def _row(self, header: Line, line: Line) -> Row:
        names = [self.column(name) for name in header.cells]
        return {
            **dict.fromkeys((*self.required, *self.optional), ""),
            **dict(zip(names, line.cells, strict=False)),
        }

    def _tables(self, lines: list[Line], delivered: Delivered) -> tuple[str, list[list[Line]]]:
        """The meeting's title, if the file has one above its tables, and the tables with their headers."""
        title = delivered.options.get("meeting", "")
        tables: list[list[Line]] = []
        is_within = False
        missing: list[str] = []
        for line, following in zip(lines, [*lines[1:], Line(0, [])], strict=True):
            names = [self.column(name) for name in line.cells]
            if not any(names):
                continue
            if self.is_header(line.cells):
                missing = missing or [name for name in delivered.more_columns if name not in names]
                tables.append([line])
                is_within = True
            elif is_within and not _is_heading(line):
                tables[-1].append(line)
            else:
                is_within = False
                if (
                    names[0] == "meeting" and any(names[1:2]) and not any(names[2:])
                ):  # Teams: "Meeting title<tab>…"
                    title = title or line.cells[1]
                elif "meeting" in names:  # Zoom: a table of one row above the table
                    place = names.index("meeting")
                    title = title or (following.cells[place : place + 1] or [""])[0]
        if tables and not missing:
            return title, tables
        if missing:
            raise FileRefused(
                f"The table of who was there lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
                "A data contract asks for it.",
                missing_columns=missing,
            )
        raise FileRefused(
            "The file has no table of who was there",
            "It must name the columns person (or email), joined and left, and meeting above or in the table.",
            missing_columns=sorted(IS_THERE),
        )


def _is_heading(line: Line) -> bool:
    """Whether a new part of the report begins here: "3. In-Meeting Activities", perhaps padded by a spreadsheet."""
    return not any(line.cells[1:]) and (
        len(line.cells) == 1 or re.match(r"\d+\. ", line.cells[0]) is not None
    )


def _check_options(delivered: Delivered) -> None:
    """Raises FileRefused where the file is to be read in a way that there is not."""
    options = delivered.options
    if options.get("zone") and options["zone"] not in available_timezones():
        raise FileRefused("There is no such time zone", "Write it as zone=Europe/Berlin.")
    if options.get("dates") and options["dates"] not in wording.ORDERS:
        raise FileRefused("dates is none we know", f"Write {', '.join(wording.ORDERS)}.")
    try:
        wording.within(options.get("course", ""))
    except Unusable as unusable:
        raise FileRefused(unusable.fault, unusable.mend) from unusable


class _Stay:
    """One row: somebody was there from when to when."""

    def __init__(
        self,
        line: int,
        actor: dict[str, Any],
        meeting: dict[str, Any],
        joined: datetime,
        left: datetime,
        course: str,
    ) -> None:
        self.line, self.actor, self.meeting, self.course = line, actor, meeting, course
        self.joined, self.left = joined, left


def _stay(row: Row, title: str, line: int, delivered: Delivered) -> _Stay:
    options = delivered.options
    zone = ZoneInfo(options.get("zone") or settings.ORGANISATION_TIME_ZONE)
    order = options.get("dates", "")
    if not row["person"]:
        raise Unusable(
            "has no e-mail address: a guest, or somebody outside", "Nothing to mend, unless it is one of us."
        )
    joined = wording.moment(row["joined"], "joined", zone=zone, order=order)
    left = wording.moment(row["left"], "left", zone=zone, order=order)
    wording.within(row["course"])
    if left < joined or left - joined > LONGEST:
        raise Unusable("left is before joined, or more than a day after", "Correct one of the two times.")
    return _Stay(
        line,
        wording.person(row["person"]),
        wording.thing("meeting", row["meeting"] or title, TYPE),
        joined,
        left,
        row["course"] or options.get("course", ""),
    )


def _sittings(stays: list[_Stay]) -> Iterator[list[_Stay]]:
    """The stays of one person in meetings of one name, meeting by meeting: a new day is a new meeting."""
    stays.sort(key=lambda stay: (stay.joined, stay.left))
    sitting: list[_Stay] = []
    for stay in stays:
        if sitting and stay.joined.date() != sitting[0].joined.date():
            yield sitting
            sitting = []
        sitting.append(stay)
    if sitting:
        yield sitting


def _fact(person: str, sitting: list[_Stay]) -> Fact:
    first = sitting[0]
    seconds, until = 0, first.joined
    for stay in sitting:  # two devices at once are one person
        begins = max(stay.joined, until)
        until = max(until, stay.left)
        seconds += max(0, int((stay.left - begins).total_seconds()))
    context = wording.within(first.course)
    statement = {
        "actor": first.actor,
        "verb": {"id": "http://adlnet.gov/expapi/verbs/attended"},
        "object": first.meeting,
        "result": {"duration": f"PT{seconds}S"},
        "timestamp": wording.stamp(until),
        **({"context": context} if context else {}),
    }
    return Fact(first.line, (person, first.meeting["id"], first.joined.date().isoformat()), statement)
