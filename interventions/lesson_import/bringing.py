"""Brings proposed lessons in: what is new, what makes a next version, what is the same, and what is refused."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction

from consent import audit
from consent.actors import SYSTEM, Party
from interventions import authoring
from interventions.lesson_import.proposed import Proposed, Refused
from interventions.models import Lesson, LessonPlace, LessonText
from learners.models import Competency, User

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# A spreadsheet that somebody pastes the title into would calculate it.
_FORMULA = ("=", "+", "@")


class Line(NamedTuple):
    """What becomes of one text."""

    what: str  # added, changed, unchanged
    place: str
    key: str
    language: str
    detail: str = ""

    def __str__(self) -> str:
        more = f" ({self.detail})" if self.detail else ""
        return f"{self.place}: {self.key} in {self.language}{more}"


class Report(NamedTuple):
    """What came of an import, or would."""

    lines: list[Line]
    refused: list[Refused]
    is_done: bool  # False: a preview, or refused as a whole

    def of(self, what: str) -> list[Line]:
        return [line for line in self.lines if line.what == what]

    @property
    def brings_anything(self) -> bool:
        return bool(self.of("added") or self.of("changed"))

    def summary(self) -> str:
        return (
            f"{len(self.of('added'))} added, {len(self.of('changed'))} changed (texts as a draft of the next version),"
            f" {len(self.of('unchanged'))} unchanged, {len(self.refused)} refused."
        )


def bring_in(
    rows: Iterable[Proposed | Refused],
    *,
    origin: Lesson.Origin,
    owner: User | None,
    by: UUID | None,
    now: datetime,
    dry_run: bool,
    whole: bool,
    publish: bool = False,
) -> Report:
    """Makes drafts of these rows. Twice changes nothing.

    ``whole``: one refused row refuses all of them, so that no lesson comes half; else the others come in without it.
    ``owner`` answers for lessons whose row names nobody.
    """
    with transaction.atomic():
        bringing = _Bringing(origin=origin, owner=owner, by=by, now=now)
        for row in rows:
            if isinstance(row, Refused):
                bringing.refused.append(row)
            else:
                bringing.take(row)
        if publish:
            bringing.publish()
        stays = not dry_run and not (whole and bringing.refused)
        if not stays:
            transaction.set_rollback(True)
        report = Report(bringing.lines, bringing.refused, stays)
        if stays and report.brings_anything:
            audit.record(
                actor=Party("user", by) if by else SYSTEM,
                action="lessons.imported",
                target=SYSTEM,
                now=now,
                detail={
                    "origin": origin.value,
                    "added": len(report.of("added")),
                    "changed": len(report.of("changed")),
                },
            )
    return report


class _Bringing:
    def __init__(self, *, origin: Lesson.Origin, owner: User | None, by: UUID | None, now: datetime) -> None:
        self.origin, self.owner, self.by, self.now = origin, owner, by, now
        self.lines: list[Line] = []
        self.refused: list[Refused] = []
        self.lessons = {
            one.key: one for one in Lesson.objects.select_related("owner", "competency").order_by("pk")
        }
        self.competencies = {one.key: one for one in Competency.objects.order_by("pk")}
        self.texts: dict[tuple[int, str], LessonText] = {}
        # The draft, else what is in use: a draft's version is the higher one.
        for text in LessonText.objects.filter(replaced_at__isnull=True).order_by("version"):
            self.texts[text.lesson_id, text.language] = text
        self.said: dict[str, Proposed] = {}  # the first row of each lesson
        self.met: set[tuple[str, str]] = set()
        self.owners: dict[str, User | None] = {}

    def take(self, row: Proposed) -> None:
        faults = self._faults(row)
        if faults:
            self.refused += [Refused(row.place, fault, mend) for fault, mend in faults]
            return
        self.met.add((row.key, row.language))
        self.said.setdefault(row.key, row)
        lesson = self.lessons.get(row.key)
        if lesson is not None and lesson.retired_at is not None:
            self.lines.append(Line("unchanged", row.place, row.key, row.language, "retired here, left alone"))
            return
        is_new = lesson is None
        changes = []
        if lesson is None:
            lesson = Lesson(key=row.key, origin=self.origin, is_active=False, minutes=row.minutes or 5)
            lesson.owner = self._owner(row) or self.owner
            self.lessons[row.key] = lesson
        before = _facts(lesson)
        if row.minutes is not None:
            lesson.minutes = row.minutes
        if row.competency:
            lesson.competency = self.competencies[row.competency]
        if row.owner:
            lesson.owner = self._owner(row)
        if row.expires_on is not None:
            lesson.expires_on = row.expires_on
        if is_new or _facts(lesson) != before:
            lesson.save()
            at_once = "" if is_new or not lesson.is_active else " at once, while it is in use"
            changes = [
                f"{name}: {before[name]} → {value}{at_once}" if not is_new else name
                for name, value in _facts(lesson).items()
                if value != before[name]
            ]
        if row.lms_course is not None:
            changes += self._place(lesson, row.lms_course)
        known = self.texts.get((lesson.pk, row.language))
        content = row.content._replace(questions=list(row.content.questions))
        if known is None or authoring.content_of(known) != content:
            made = authoring.draft(
                lesson=lesson, language=row.language, content=content, by=self.by, now=self.now
            )
            if made is not None:
                self.texts[lesson.pk, row.language] = made
            changes.append(f"version {made.version}" if made is not None else "its draft is thrown away")
        what = "added" if known is None else "changed" if changes else "unchanged"
        self.lines.append(Line(what, row.place, row.key, row.language, ", ".join(changes)))

    def _place(self, lesson: Lesson, course: int) -> list[str]:
        """A lesson that is the learning system's own is part of a course there; an address somebody gave it stays."""
        place, is_new = LessonPlace.objects.get_or_create(lesson=lesson, defaults={"moodle_course": course})
        if is_new:
            return [f"part of course {course}"]
        if place.moodle_course == course:
            return []
        before, place.moodle_course = place.moodle_course, course
        place.save(update_fields=["moodle_course"])
        return [f"course {before or '–'} → {course}"]

    def publish(self) -> None:
        """Puts what came in use, where nothing is missing."""
        for key, row in self.said.items():
            lesson = self.lessons[key]
            if lesson.retired_at is not None:
                continue
            try:
                authoring.publish(lesson=lesson, by=self.by, now=self.now)
            except authoring.NotReady as missing:
                self.refused.append(Refused(row.place, f"{key} cannot be published", str(missing)))

    def _faults(self, row: Proposed) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        if not _KEY.fullmatch(row.key):
            found.append(
                (f"{row.key!r:.80} is no key", "A key has small letters, digits and hyphens, at most 64.")
            )
        languages = [code for code, _ in settings.LANGUAGES]
        if row.language not in languages:
            found.append((f"{row.language!r:.20} is no language here", f"There are {', '.join(languages)}."))
        if (row.key, row.language) in self.met:
            found.append((f"{row.key} in {row.language} comes twice", "Keep one of the rows."))
        if row.competency and row.competency not in self.competencies:
            found.append(
                (
                    f"there is no competency {row.competency!r:.80}",
                    "Use the key of one (admin, Competencies), or add it.",
                )
            )
        if row.minutes is not None and not 1 <= row.minutes <= authoring.MOST_MINUTES:
            found.append((f"{row.minutes} minutes", f"A lesson takes 1 to {authoring.MOST_MINUTES} minutes."))
        if row.owner and self._owner(row) is None:
            found.append(("nobody who can sign in has the login under owner", "Write it as they sign in."))
        lesson = self.lessons.get(row.key)
        before = lesson.expires_on if lesson is not None else None
        if row.expires_on is not None and row.expires_on != before and row.expires_on <= self.now.date():
            found.append((f"{row.expires_on} is over", "Give a day in the future."))
        if lesson is not None and lesson.origin == Lesson.Origin.SHIPPED:
            found.append(
                (f"{row.key} is shipped with Rekindle", "Use another key, or name an owner in admin first.")
            )
        elif lesson is not None and not self._may_change(lesson):
            found.append((f"{row.key} is {lesson.get_origin_display().lower()}", "Use another key."))
        first = self.said.get(row.key)
        if first is not None:
            for name in ("competency", "minutes", "owner", "expires_on"):
                mine, theirs = getattr(row, name), getattr(first, name)
                if mine is not None and theirs is not None and mine != theirs:
                    found.append(
                        (f"{name} differs from {first.place}", "A lesson has one, in all languages.")
                    )
        if row.content.title.lstrip().startswith(_FORMULA):
            found.append(("the title looks like a formula", "Begin it with a letter or a digit."))
        for fault in authoring.faults_of(row.content):
            # A page that comes without questions waits as a draft until somebody writes them.
            if fault.field != "questions" or row.content.questions:
                found.append((fault.field, fault.message))
        return found

    def _may_change(self, lesson: Lesson) -> bool:
        """A file may bring a next version of what was written here; a learning system only of its own."""
        if self.origin == Lesson.Origin.CSV:
            return lesson.origin in (Lesson.Origin.CSV, Lesson.Origin.OWN)
        return lesson.origin == self.origin

    def _owner(self, row: Proposed) -> User | None:
        if not row.owner:
            return None
        if row.owner not in self.owners:
            try:
                user: User | None = User.objects.get_by_natural_key(row.owner)
            except User.DoesNotExist:
                user = None
            self.owners[row.owner] = user if user is not None and user.is_active else None
        return self.owners[row.owner]


def _facts(lesson: Lesson) -> dict[str, Any]:
    return {
        "minutes": lesson.minutes,
        "competency": lesson.competency.key if lesson.competency else "none",
        "owner": lesson.owner.get_short_name() if lesson.owner else "nobody",
        "look again by": lesson.expires_on or "never",
    }


def described(lines: Sequence[Line], most: int = 200) -> list[str]:
    """Lines for a person; of very many only the first."""
    shown = [str(line) for line in lines[:most]]
    return [*shown, f"and {len(lines) - most} more"] if len(lines) > most else shown
