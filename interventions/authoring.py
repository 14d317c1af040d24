"""Writing lessons: drafts of their texts, published into versions that stay, and taken out of use again."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.conf.locale import LANG_INFO
from django.db import transaction
from django.db.models import Max

from consent import audit
from consent.actors import SYSTEM, Party
from interventions import catalogue, framework_places
from interventions.catalogue import Fault
from interventions.models import Lesson, LessonText
from learners.models import User

TITLE_LENGTH = 120
BODY_LENGTH = 20_000
ADDRESS_LENGTH = 500  # as long as an address in the competency framework
MOST_QUESTIONS = 5
MOST_MINUTES = 60
Format = LessonText.Format


class NotReady(Exception):
    """What is missing before learners may see it, in sentences."""


class Content(NamedTuple):
    """What a text says, whatever its version."""

    format: str
    title: str
    body: str
    address: str = ""
    questions: Sequence[dict[str, Any]] = ()


def content_of(text: LessonText) -> Content:
    return Content(text.format, text.title, text.body, text.address, list(text.questions))


def faults_of(content: Content) -> list[Fault]:
    """Everything that keeps this from being saved, each at its field."""
    faults = catalogue.faults_of_words("title", content.title)
    if not content.title.strip():
        faults.append(Fault("title", "A lesson has a title."))
    if len(content.title) > TITLE_LENGTH:
        faults.append(Fault("title", f"{len(content.title)} characters; at most {TITLE_LENGTH}."))
    if any(ord(sign) < 32 for sign in content.title):
        faults.append(Fault("title", "A title is one line."))
    if content.format not in Format.values:
        faults.append(Fault("format", f"There are the formats {', '.join(Format.values)}."))
    if not content.body.strip():
        faults.append(Fault("body", _NO_BODY.get(content.format, "A lesson has a text.")))
    if len(content.body) > BODY_LENGTH:
        faults.append(Fault("body", f"{len(content.body)} characters; at most {BODY_LENGTH}."))
    if any(ord(sign) < 32 and sign not in "\n\t" for sign in content.body + str(list(content.questions))):
        faults.append(Fault("body", "It holds signs that nobody can see; write it anew as plain text."))
    if content.format == Format.TEXT and content.address:
        faults.append(
            Fault("address", "A text of our own has no address; choose another format, or leave it empty.")
        )
    if content.format != Format.TEXT:
        faults += _faults_of_address(content.address)
    if content.format == Format.TEXT or content.questions:
        faults += catalogue.faults_of_questions(list(content.questions))
    if len(content.questions) > MOST_QUESTIONS:
        faults.append(Fault("questions", f"{len(content.questions)} questions; at most {MOST_QUESTIONS}."))
    return faults


_NO_BODY: dict[str, str] = {
    Format.VIDEO: "A video needs its transcript: not everybody can hear, or play sound where they are.",
    Format.LINK: "Say in a sentence or two what waits there.",
    Format.DOCUMENT: "Say in a sentence or two what the document is about.",
}


def _faults_of_address(address: str) -> list[Fault]:
    try:
        parts = urlsplit(address)
        fits = parts.scheme in ("https", "http") and bool(parts.hostname) and not parts.username
    except ValueError:
        fits = False
    if not fits or any(sign.isspace() for sign in address):
        return [Fault("address", "Give the whole address, beginning with https://.")]
    if len(address) > ADDRESS_LENGTH:
        return [Fault("address", f"{len(address)} characters; an address has at most {ADDRESS_LENGTH}.")]
    return []


def draft(
    *, lesson: Lesson, language: str, content: Content, by: UUID | None, now: datetime
) -> LessonText | None:
    """The draft of the next version, saying this. None, and no draft, where it says what is in use already."""
    with transaction.atomic():
        Lesson.objects.select_for_update(of=("self",)).get(pk=lesson.pk)
        family = LessonText.objects.filter(lesson=lesson, language=language)
        current, waiting = family.in_use().first(), family.drafts().first()
        if current is not None and content_of(current) == content._replace(questions=list(content.questions)):
            if waiting is not None:
                waiting.delete()
            return None
        fields = {
            **content._asdict(),
            "questions": list(content.questions),
            "created_by": by,
            "created_at": now,
        }
        if waiting is not None:
            family.drafts().update(**fields)
            waiting.refresh_from_db()
            return waiting
        last = family.aggregate(last=Max("version"))["last"] or 0
        return LessonText.objects.create(
            lesson=lesson, language=language, version=last + 1, is_draft=True, **fields
        )


def discard(*, text_id: int) -> bool:
    """Throws a draft away; False if there is none (any more)."""
    return bool(LessonText.objects.drafts().filter(pk=text_id).delete()[0])


def unready(lesson: Lesson, *, today: date) -> list[str]:
    """What keeps a lesson from being published."""
    missing = []
    if lesson.origin != Lesson.Origin.SHIPPED and (lesson.owner is None or not lesson.owner.is_active):
        missing.append("Name an owner who can sign in.")
    if lesson.has_expired(today):
        missing.append("Its day of expiry is over: look at it again and set a later one.")
    if not any(text.is_draft or text.is_in_use for text in lesson.texts.all()):
        missing.append("Write it in one language at least.")
    for text in lesson.texts.all():
        if text.is_draft:
            # An import may bring a page without its questions, to be written here.
            missing += [f"{text.language}: {fault.message}" for fault in faults_of(content_of(text))]
    return missing


def publish(*, lesson: Lesson, by: UUID | None, now: datetime) -> list[LessonText]:
    """Puts every draft in use, as the next version, and the lesson with them. Raises NotReady."""
    with transaction.atomic():
        locked = Lesson.objects.select_for_update(of=("self",)).select_related("owner").get(pk=lesson.pk)
        missing = unready(locked, today=now.date())
        if missing:
            raise NotReady(" ".join(missing))
        drafts = list(LessonText.objects.drafts().filter(lesson=locked).order_by("language"))
        languages = [text.language for text in drafts]
        LessonText.objects.in_use().filter(lesson=locked, language__in=languages).update(replaced_at=now)
        LessonText.objects.drafts().filter(pk__in=[text.pk for text in drafts]).update(is_draft=False)
        Lesson.objects.filter(pk=locked.pk).update(is_active=True, retired_at=None)
        lesson.refresh_from_db()
        framework_places.declare(lesson)
        versions = {text.language: text.version for text in drafts}
        _trace(lesson, "lesson.published", by, now, {"versions": versions})
    return drafts


def retire(*, lesson: Lesson, by: UUID | None, now: datetime) -> None:
    """Nobody is suggested it any more, and nobody begins it; who is in the middle of it can finish."""
    with transaction.atomic():
        if Lesson.objects.filter(pk=lesson.pk, retired_at__isnull=True).update(
            is_active=False, retired_at=now
        ):
            _trace(lesson, "lesson.retired", by, now, {})
    lesson.refresh_from_db()


def bring_back(*, lesson: Lesson, by: UUID | None, now: datetime) -> None:
    """Makes a draft of a retired lesson, to be looked at before it is published again."""
    with transaction.atomic():
        if Lesson.objects.filter(pk=lesson.pk, retired_at__isnull=False).update(retired_at=None):
            _trace(lesson, "lesson.brought_back", by, now, {})
    lesson.refresh_from_db()


def own(*, lesson: Lesson, owner: User | None, expires_on: date | None) -> None:
    """Who answers for a lesson and until when. One that we ship becomes the installation's own by this."""
    if lesson.origin == Lesson.Origin.SHIPPED and (owner is not None or expires_on is not None):
        lesson.origin = Lesson.Origin.OWN
    lesson.owner, lesson.expires_on = owner, expires_on


class Spoken(NamedTuple):
    """How a lesson stands in one of the installation's languages."""

    language: str
    name: str
    in_use: LessonText | None
    draft: LessonText | None

    @property
    def is_missing(self) -> bool:
        return self.in_use is None and self.draft is None


def languages(lesson: Lesson) -> list[Spoken]:
    """Every language of the installation, and any other the lesson is written in."""
    texts = list(lesson.texts.all())
    named = {code: _english(code, str(name)) for code, name in settings.LANGUAGES}
    return [
        Spoken(
            code,
            named.get(code, code),
            next((text for text in texts if text.language == code and text.is_in_use), None),
            next((text for text in texts if text.language == code and text.is_draft), None),
        )
        for code in dict.fromkeys([*named, *sorted(text.language for text in texts)])
    ]


def _english(code: str, name: str) -> str:
    """What a language is called where the rest is English; its own name where Django knows no other."""
    return str(LANG_INFO[code]["name"]) if "name" in LANG_INFO.get(code, {}) else name


def flags(lesson: Lesson, *, today: date, ahead_days: int) -> list[str]:
    """What somebody should mend, in words for a list. The texts should be fetched beforehand."""
    if lesson.retired_at is not None:
        return []
    found = [f"{spoken.name} is missing" for spoken in languages(lesson) if spoken.is_missing]
    if lesson.is_active and any(text.is_draft for text in lesson.texts.all()):
        found.append("a draft waits to be published")
    if lesson.origin != Lesson.Origin.SHIPPED and (lesson.owner is None or not lesson.owner.is_active):
        found.append("nobody owns it")
    if lesson.has_expired(today):
        found.append("it has expired and is suggested to nobody")
    elif lesson.expires_on is not None and (lesson.expires_on - today).days <= ahead_days:
        found.append(f"it expires in {(lesson.expires_on - today).days} days")
    return found


def _trace(lesson: Lesson, action: str, by: UUID | None, now: datetime, detail: dict[str, Any]) -> None:
    audit.record(
        actor=Party("user", by) if by else SYSTEM,
        action=action,
        target=Party("lesson", UUID(int=lesson.pk)),
        now=now,
        detail={"key": lesson.key, **detail},
    )
