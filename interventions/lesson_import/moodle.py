"""Activities of a Moodle course as lessons: pages, addresses, files, books and H5P, each with its deep link.

Asked is the site of a feed (admin, Feeds) with its token, by the one function core_course_get_contents.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.utils.text import slugify

from interventions import outgoing
from interventions.authoring import TITLE_LENGTH, Content
from interventions.lesson_import.plain import plain
from interventions.lesson_import.proposed import MOST_ROWS, NotReadable, Proposed, Refused
from interventions.models import Lesson, LessonText
from signals.models import Feed

LARGEST_ANSWER = 20 * 1024 * 1024
LONGEST_TEXT = 2000
_LINK, _DOCUMENT = LessonText.Format.LINK, LessonText.Format.DOCUMENT
FORMATS = {
    "page": _LINK,
    "url": _LINK,
    "book": _LINK,
    "h5pactivity": _LINK,
    "hvp": _LINK,
    "resource": _DOCUMENT,
}
WAITS = {
    "en": "This is part of the course section “{section}”. It opens in Moodle.",
    "de": "Das gehört zum Kursabschnitt „{section}“. Es öffnet sich in Moodle.",
}
# Moodle's codes for what an administrator can mend; everything else is told in Moodle's own words.
MENDS = {
    "invalidtoken": "The token is not valid (any more): make a new one in Moodle and write it into the feed.",
    "accessexception": "The token's service lacks core_course_get_contents: add it in Moodle.",
    "invalidrecord": "Moodle has no course with this number.",
    "requireloginerror": "The token's user may not see this course.",
    "webservicesnotenabled": "Web services are switched off in Moodle.",
}


class MoodleLessons:
    origin = Lesson.Origin.MOODLE

    def read(
        self, feed: Feed, course: int, *, language: str, competency: str | None, minutes: int | None
    ) -> Iterator[Proposed | Refused]:
        """The activities of one course that learners can see. Raises NotReadable."""
        base = feed.base_url.rstrip("/")
        sections = _ask(base, feed.secret, course)
        if not isinstance(sections, list) or not all(isinstance(section, dict) for section in sections):
            raise NotReadable(f"{base} answers otherwise than Moodle documents it; check the feed's address.")
        count = 0
        for section in sections:
            for module in section.get("modules") or ():
                count += 1
                if count > MOST_ROWS:
                    raise NotReadable(f"The course has more than {MOST_ROWS:,} activities.")
                found = _lesson(base, feed, section, module, language)
                if isinstance(found, Proposed):
                    found = found._replace(competency=competency, minutes=minutes, lms_course=course)
                if found is not None:
                    yield found


def _lesson(
    base: str, feed: Feed, section: dict[str, Any], module: Any, language: str
) -> Proposed | Refused | None:
    """A lesson of one activity; None for what is no lesson, or is hidden."""
    try:
        kind, number = str(module["modname"]), int(module["id"])
        title = " ".join(plain(str(module["name"])).split())
        address = str(module.get("url") or "")
        is_seen = bool(module.get("visible", 1)) and bool(module.get("uservisible", True))
        told = plain(str(module.get("description") or ""))[:LONGEST_TEXT]
        place = f"activity {number}"
    except (KeyError, TypeError, ValueError, AttributeError):
        return Refused("an activity", "it is not as Moodle documents it", "Check the site's version.")
    if kind not in FORMATS or not is_seen or not address:
        return None
    if not _is_of(base, address):
        return Refused(place, "its address leads to another site", "Look at the activity in Moodle.")
    if len(title) > TITLE_LENGTH:
        title = title[: TITLE_LENGTH - 1].rstrip() + "…"
    name = " ".join(plain(str(section.get("name") or "")).split())
    return Proposed(
        place=place,
        key=f"{slugify(feed.name)[:40]}-{number}",
        language=language,
        content=Content(
            format=FORMATS[kind],
            title=title,
            body=told or WAITS.get(language, WAITS["en"]).format(section=name),
            address=address,
        ),
    )


def _is_of(base: str, address: str) -> bool:
    """Whether an address is below the site's own: a link of a lesson leads nowhere else."""
    try:
        ours, its = urlsplit(base), urlsplit(address)
    except ValueError:
        return False
    return (ours.scheme, ours.netloc) == (its.scheme, its.netloc) and its.path.startswith(ours.path)


def _ask(base: str, token: str, course: int) -> Any:
    form = {
        "wstoken": token,
        "wsfunction": "core_course_get_contents",
        "moodlewsrestformat": "json",
        "courseid": str(course),
    }
    try:
        # In the body, because addresses are written to logs on the way.
        answer = outgoing.post(
            f"{base}/webservice/rest/server.php",
            body=urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            largest=LARGEST_ANSWER,
        )
    except outgoing.NotSent as fault:
        raise NotReadable(f"{base}: {fault}.") from fault
    if answer.status != 200:
        raise NotReadable(f"{base} answered {answer.status}; check the feed's address.")
    if answer.is_cut:
        raise NotReadable(f"{base}: the answer is larger than {LARGEST_ANSWER >> 20} MiB.")
    try:
        said = json.loads(answer.text)
    except (ValueError, RecursionError):
        raise NotReadable(f"{base} answered with something else than JSON.") from None
    if isinstance(said, dict) and "exception" in said:
        code = str(said.get("errorcode", ""))[:60]
        raise NotReadable(f"Moodle refused ({code}). " + MENDS.get(code, str(said.get("message", ""))[:200]))
    return said
