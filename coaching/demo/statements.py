"""Rows of the Open University tables as xAPI statements: the same bytes from the same rows, every time.

**What is made up.** The tables know days, not times. A person's clicks of one day become one sitting that
begins at some minute between 08:00 and 16:00 UTC and goes on in steps of about a minute; work is handed in at
some minute of the working day. All of it follows from a hash, so a second import gives the same statements.
Nothing should be learned from the time of day. A mark carries the day the work was handed in; in life it came
back later.

**Ids** are version 5 UUIDs of (shift, run, kind, row): importing again changes nothing, and the same rows
under another shift are other statements.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha1
from heapq import merge
from typing import NamedTuple
from uuid import UUID

from coaching.demo.oulad import Clicks, Oulad, Person, Run, Submission

NAMESPACE = UUID("6ba49a3e-54c5-5b7e-9d0c-8f0a3c2d7b11")
ROOT = "https://ou.example"
HOME_PAGE = f"{ROOT}/students"
PLATFORM = "Open University VLE"
COUNT = "https://w3id.org/rekindle/xapi/count"  # signals.normalize reads it
BANKED = "https://w3id.org/rekindle/xapi/banked"
ADL = "http://adlnet.gov/expapi"
VERBS = {
    "registered": f"{ADL}/verbs/registered",
    "experienced": f"{ADL}/verbs/experienced",
    "interacted": f"{ADL}/verbs/interacted",
    "attempted": f"{ADL}/verbs/attempted",
    "scored": f"{ADL}/verbs/scored",
    "passed": f"{ADL}/verbs/passed",
    "failed": f"{ADL}/verbs/failed",
    "completed": f"{ADL}/verbs/completed",
    # `exited` would only end a sitting; leaving a course is this:
    "unregistered": "http://id.tincanapi.com/verb/unregistered",
}
# Materials with which people do something, often together; everything else is read or watched.
INTERACTIVE = frozenset(
    (
        "forumng",
        "quiz",
        "externalquiz",
        "oucollaborate",
        "ouelluminate",
        "ouwiki",
        "questionnaire",
        "dataplus",
    )
)
PASS_MARK = 40.0

REGISTERED_AT = 7 * 3600
FIRST_AT, LAST_START_AT, LAST_AT = 8 * 3600, 16 * 3600, 18 * 3600
UNREGISTERED_AT = 18 * 3600 + 1800
RESULT_AT = 19 * 3600


class Dated(NamedTuple):
    """One statement, ready to send, and when what it says happened."""

    at: datetime
    body: bytes


def course_iri(run: Run) -> str:
    return f"{ROOT}/{run.module}/{run.presentation}"


def assessment_iri(run: Run, assessment: int) -> str:
    return f"{course_iri(run)}/assessment/{assessment}"


def account_name(person: int) -> str:
    """How the source names a person; long enough that a search for it finds nothing by chance."""
    return f"oulad-student-{person}"


def statement_id(name: bytes) -> bytes:
    """The version 5 UUID of a name, as text. ``uuid.uuid5`` gives the same at a fifth of the speed."""
    digest = sha1(NAMESPACE.bytes + name, usedforsecurity=False).hexdigest().encode()
    variant = b"89ab"[int(digest[16:17], 16) & 3 : (int(digest[16:17], 16) & 3) + 1]
    return b"%b-%b-5%b-%b%b-%b" % (
        digest[:8],
        digest[8:12],
        digest[13:16],
        variant,
        digest[17:20],
        digest[20:32],
    )


def shift_to(run: Run, starts_by: date) -> int:
    """The largest shift in whole weeks after which the run starts on this day or shortly before it."""
    return (starts_by - run.starts_on).days // 7 * 7


@dataclass(frozen=True)
class Writer:
    """Writes the statements of one run, its dates moved by ``shift`` days."""

    run: Run
    shift: int

    @property
    def starts_on(self) -> date:
        """The first day of the run, as moved."""
        return self.run.starts_on + timedelta(days=self.shift)

    def day_of(self, day: date) -> int:
        return (day - self.starts_on).days

    def moment(self, day: int, second: int) -> datetime:
        return datetime.combine(self.starts_on, time(), UTC) + timedelta(days=day, seconds=second)

    def _name(self, kind: str, *parts: int) -> bytes:
        return f"{self.shift}|{self.run.module}|{self.run.presentation}|{kind}|{parts}".encode()

    def _second(self, name: bytes, first: int = FIRST_AT, last: int = LAST_START_AT) -> int:
        return first + int.from_bytes(sha1(name, usedforsecurity=False).digest()[:4], "big") % (last - first)

    def _statement(
        self,
        name: bytes,
        person: int,
        verb: str,
        at: datetime,
        *,
        on: tuple[str, str] | None = None,
        result: bytes = b"",
        extensions: bytes = b"",
    ) -> Dated:
        """A statement on an activity within the course, or on the course itself."""
        course = course_iri(self.run).encode()
        if on is None:
            target = b'"id":"%b","definition":{"type":"%b/activities/course"}' % (course, ADL.encode())
            parent = b""
        else:
            target = b'"id":"%b","definition":{"type":"%b"}' % (on[0].encode(), on[1].encode())
            parent = b',"contextActivities":{"parent":[{"id":"%b"}]}' % course
        return Dated(
            at,
            b'{"id":"%b","actor":{"objectType":"Agent","account":{"homePage":"%b","name":"%b"}},'
            b'"verb":{"id":"%b"},"object":{%b},%b"context":{"platform":"%b"%b%b},"timestamp":"%b"}'
            % (
                statement_id(name),
                HOME_PAGE.encode(),
                account_name(person).encode(),
                VERBS[verb].encode(),
                target,
                result,
                PLATFORM.encode(),
                parent,
                extensions,
                at.strftime("%Y-%m-%dT%H:%M:%SZ").encode(),
            ),
        )

    def of_person(self, person: Person) -> list[Dated]:
        """Registered, left, and how it ended."""
        registered = self._name("registered", person.id)
        dated = [
            self._statement(
                registered, person.id, "registered", self.moment(person.registered_day, REGISTERED_AT)
            )
        ]
        if person.unregistered_day is not None:
            at = self.moment(person.unregistered_day, UNREGISTERED_AT)
            dated.append(
                self._statement(self._name("unregistered", person.id), person.id, "unregistered", at)
            )
        elif person.result != "Withdrawn":
            passed = person.result != "Fail"
            dated.append(
                self._statement(
                    self._name("result", person.id),
                    person.id,
                    "completed" if passed else "failed",
                    self.moment(self.run.length_days, RESULT_AT),
                    result=b'"result":{"completion":true,"success":%b},' % (b"true" if passed else b"false"),
                )
            )
        return dated

    def of_submission(self, submission: Submission) -> list[Dated]:
        """What was scored, and whether that passes. Handed in without a mark: only that it was tried."""
        on = (assessment_iri(self.run, submission.assessment), f"{ADL}/activities/assessment")
        name = self._name("scored", submission.person, submission.assessment)
        at = self.moment(submission.day, self._second(name, last=LAST_AT))
        extensions = b',"extensions":{"%b":true}' % BANKED.encode() if submission.is_banked else b""
        if submission.score is None:
            return [self._statement(name, submission.person, "attempted", at, on=on, extensions=extensions)]
        scaled = b'"score":{"scaled":%b,"raw":%b,"min":0,"max":100}' % (
            f"{submission.score / 100:.4g}".encode(),
            f"{submission.score:g}".encode(),
        )
        passed = submission.score >= PASS_MARK
        return [
            self._statement(
                name,
                submission.person,
                "scored",
                at,
                on=on,
                result=b'"result":{%b},' % scaled,
                extensions=extensions,
            ),
            self._statement(
                self._name("passed", submission.person, submission.assessment),
                submission.person,
                "passed" if passed else "failed",
                at + timedelta(seconds=1),
                on=on,
                # The score went out with `scored`; a second copy of it would count twice.
                result=b'"result":{"success":%b},' % (b"true" if passed else b"false"),
                extensions=extensions,
            ),
        ]

    def of_clicks(self, rows: Iterable[Clicks]) -> Iterator[list[Dated]]:
        """Each day's statements in order of time, from rows ordered by day and person."""
        # Everything that does not change from row to row is put together once: this is the hot loop.
        prefix = self._name("clicks").rpartition(b"|")[0] + b"|"
        course = course_iri(self.run)
        verbs = {True: VERBS["interacted"].encode(), False: VERBS["experienced"].encode()}
        template = (
            b'{"id":"%%b","actor":{"objectType":"Agent","account":{"homePage":"%b","name":"%%b"}},'
            b'"verb":{"id":"%%b"},"object":{"id":"%b/site/%%d","definition":{"type":"%b/activity-types/%%b"}},'
            b'"result":{"extensions":{"%b":%%d}},'
            b'"context":{"platform":"%b","contextActivities":{"parent":[{"id":"%b"}]}},'
            b'"timestamp":"%%bT%%02d:%%02d:%%02dZ"}'
        ) % (
            HOME_PAGE.encode(),
            course.encode(),
            ROOT.encode(),
            COUNT.encode(),
            PLATFORM.encode(),
            course.encode(),
        )
        kinds: dict[str, tuple[bytes, bytes]] = {}
        today: list[tuple[int, bytes]] = []
        day: int | None = None
        person: int | None = None
        midnight, date_text = self.moment(0, 0), b""
        actor, second, start, step = b"", 0, 0, 0
        for row in rows:
            if row.day != day:
                if today:
                    yield _in_order(midnight, today)
                day, person, today = row.day, None, []
                midnight = self.moment(day, 0)
                date_text = midnight.date().isoformat().encode()
            if row.person != person:
                person = row.person
                actor = account_name(person).encode()
                digest = sha1(b"%b%d|%d" % (prefix, day, person), usedforsecurity=False).digest()
                start = FIRST_AT + int.from_bytes(digest[:4], "big") % (LAST_START_AT - FIRST_AT)
                step = 20 + digest[4] % 80
                second = start
            else:
                second += step
                if second >= LAST_AT:  # a very long list of clicks goes round within the sitting's window
                    second = start + second % step
            kind = kinds.get(row.kind)
            if kind is None:
                kind = kinds[row.kind] = (verbs[row.kind in INTERACTIVE], row.kind.encode())
            minutes, seconds = divmod(second, 60)
            hours, minutes = divmod(minutes, 60)
            name = b"%b%d|%d|%d|%d" % (prefix, row.person, row.site, row.day, row.ordinal)
            body = template % (
                statement_id(name),
                actor,
                kind[0],
                row.site,
                kind[1],
                row.clicks,
                date_text,
                hours,
                minutes,
                seconds,
            )
            today.append((second, body))
        if today:
            yield _in_order(midnight, today)


def _in_order(midnight: datetime, timed: list[tuple[int, bytes]]) -> list[Dated]:
    timed.sort()
    return [Dated(midnight + timedelta(seconds=second), body) for second, body in timed]


def statements(
    tables: Oulad, writer: Writer, *, from_day: int | None = None, to_day: int | None = None
) -> Iterator[list[Dated]]:
    """The statements of a run from one day to another (inclusive), one list a day, each in order of time."""

    def is_asked(day: int) -> bool:
        return (from_day is None or day >= from_day) and (to_day is None or day <= to_day)

    by_day: dict[int, list[Dated]] = {}
    submissions = tables.submissions(writer.run, from_day=from_day, to_day=to_day)
    for dated in (
        *(one for person in tables.people(writer.run) for one in writer.of_person(person)),
        *(one for submission in submissions for one in writer.of_submission(submission)),
    ):
        day = writer.day_of(dated.at.date())
        if is_asked(day):
            by_day.setdefault(day, []).append(dated)
    waiting = sorted(by_day)
    for clicked in writer.of_clicks(tables.clicks(writer.run, from_day=from_day, to_day=to_day)):
        day = writer.day_of(clicked[0].at.date())
        while waiting and waiting[0] < day:
            yield sorted(by_day[waiting.pop(0)])
        if waiting and waiting[0] == day:
            yield list(merge(sorted(by_day[waiting.pop(0)]), clicked))
        else:
            yield clicked
    for day in waiting:
        yield sorted(by_day[day])
