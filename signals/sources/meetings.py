"""Who attended a meeting or a live class: plain CSV, and the attendance reports that Teams and Zoom export."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings

from signals.sources import wording
from signals.sources.base import Delivered, Fact, FileRefused, Problem, Unusable
from signals.sources.tables import Line, Row, TableSource, lines_of

TYPE = "http://adlnet.gov/expapi/activities/meeting"
LONGEST = timedelta(hours=24)


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
        lines = list(lines_of(delivered.content))
        title, table = self._table(lines, delivered)
        header = [self.column(name) for name in table[0].cells]
        stays: dict[tuple[str, str], list[_Stay]] = {}
        for line in table[1:]:
            row = {
                **dict.fromkeys((*self.required, *self.optional), ""),
                **dict(zip(header, line.cells, strict=False)),
            }
            try:
                stay = _stay(row, title, line.number, delivered)
            except Unusable as unusable:
                yield Problem(line.number, unusable.fault, unusable.mend)
                continue
            # Who drops out and comes back has several rows, and attended once.
            stays.setdefault((wording.name_of(stay.actor), stay.meeting["id"]), []).append(stay)
        for (person, _), own in stays.items():
            for sitting in _sittings(own):
                yield _fact(person, sitting)

    def _table(self, lines: list[Line], delivered: Delivered) -> tuple[str, list[Line]]:
        """The meeting's title, if the file has one above its table, and the table with its header."""
        title = delivered.options.get("meeting", "")
        for index, line in enumerate(lines):
            names = [self.column(name) for name in line.cells]
            if {"person", "joined", "left"} <= set(names):
                missing = [name for name in delivered.more_columns if name not in names]
                if missing:
                    break
                end = next(
                    (at for at in range(index + 1, len(lines)) if len([c for c in lines[at].cells if c]) < 2),
                    len(lines),
                )
                return title, [lines[index], *lines[index + 1 : end]]
            if names[:1] == ["meeting"] and len(line.cells) > 1:  # Teams: "Meeting title<tab>…"
                title = title or line.cells[1]
            elif "meeting" in names and index + 1 < len(lines):  # Zoom: a table of one row above the table
                at = names.index("meeting")
                title = title or (lines[index + 1].cells[at : at + 1] or [""])[0]
        raise FileRefused(
            "The file has no table of who was there",
            "It must name the columns person (or email), joined and left, and meeting above or in the table.",
            missing_columns=["person", "joined", "left", *delivered.more_columns],
        )


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
