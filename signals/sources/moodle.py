"""What people finished and which marks they got in Moodle, asked for over its REST interface.

Only the configured site is asked, with a token an admin has given. Activities have the addresses that Moodle's own
xAPI plugin gives them, so plans and courses fit both ways. Corrected marks replace what was there.
"""

import ipaddress
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests

from signals.models import Feed
from signals.sources import wording
from signals.sources.base import Delivered, Fact, FileRefused, Problem, PullFailed, Source, Unusable

PAGE = 200
LARGEST_ANSWER = 50 * 1024 * 1024
TIMEOUT = (5, 60)  # seconds to connect, and between two bytes
# Read again behind the watermark: Moodle's clock is not ours, and marks arrive in transactions that end late.
OVERLAP = timedelta(days=1)
ADL = "http://adlnet.gov/expapi/verbs/"
TYPES = {
    "quiz": "http://adlnet.gov/expapi/activities/assessment",
    "assign": "http://adlnet.gov/expapi/activities/assessment",
    "lesson": "http://adlnet.gov/expapi/activities/lesson",
}
OTHER_TYPE = "http://adlnet.gov/expapi/activities/module"
EVERY_HOURS = 6  # unless the feed's setting every_hours says otherwise; 0: only on request
# What reading an answer raises that is not as documented; OverflowError and OSError: times out of this world.
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError)
IDENTIFY_BY = ("email", "id", "username", "idnumber")


class Moodle(Source):
    name = "moodle"
    label = "Moodle (REST)"
    takes_files = False
    is_pulled = True

    def read(self, delivered: Delivered) -> Iterator[Fact | Problem]:
        raise FileRefused("Moodle is asked, not uploaded", "Use manage.py pull_source with the feed's name.")

    def pull(self, feed: Feed, *, now: datetime, everything: bool) -> Iterator[Fact | Problem]:
        """Completions and marks of every course the token may see (or of settings.courses). Raises PullFailed."""
        site = Site(feed)
        try:
            yield from self._of_site(site, feed, now=now, everything=everything)
        except MALFORMED as error:
            raise PullFailed(
                f"{site.base} answers otherwise than Moodle documents it; check the feed's address"
                " and the site's version."
            ) from error

    def _of_site(
        self, site: "Site", feed: Feed, *, now: datetime, everything: bool
    ) -> Iterator[Fact | Problem]:
        marks: dict[str, Any] = feed.watermark or {}
        since = 0 if everything else int(marks.get("until", 0)) - int(OVERLAP.total_seconds())
        # What was never asked about is asked about from its beginning. Older marks do not say what was.
        asked = marks.get("courses") if marks.get("site", site.base) == site.base else []
        courses = site.courses()
        line = 0
        for course in courses:
            people = {person["id"]: person for person in site.people(course)}
            is_new = asked is not None and course not in asked
            for row in self._of_course(site, course, people, 0 if is_new else since):
                line += 1
                try:
                    yield row(line)
                except Unusable as unusable:
                    yield Problem(line, unusable.fault, unusable.mend)
                except MALFORMED:
                    yield Problem(
                        line, "is not as Moodle documents it", "Check the site's version and its plugins."
                    )
        feed.watermark = {"until": int(now.timestamp()), "site": site.base, "courses": courses}

    def _of_course(
        self, site: "Site", course: int, people: dict[int, dict[str, Any]], since: int
    ) -> Iterator[Callable[[int], Fact]]:
        modules = site.modules(course)
        for pk, person in people.items():
            # Nobody finishes anything without being there, so those who were not need not be asked about.
            if since > 0 and int(person.get("lastcourseaccess") or 0) < since:
                continue
            for status in site.completions(course, pk):
                if status.get("state") in (1, 2, 3) and int(status.get("timecompleted") or 0) >= max(
                    since, 1
                ):
                    yield partial(site.completion, course, person, status)
        for grades in site.grades(course):
            owner = people.get(int(grades.get("userid") or 0))
            if owner is None:
                continue
            for item in grades.get("gradeitems", ()):
                graded = int(item.get("gradedategraded") or 0)
                # Totals of the course and of its categories are made of these.
                if (
                    item.get("itemtype") == "mod"
                    and item.get("graderaw") is not None
                    and graded >= max(since, 1)
                ):
                    yield partial(site.grade, course, owner, item, modules)


class Site:
    """One Moodle site: its web service, and how its people and activities are named."""

    def __init__(self, feed: Feed) -> None:
        self.base = feed.base_url.rstrip("/")
        check_address(self.base)
        self._token = feed.secret
        check_settings(feed.settings)
        self._only: list[int] = feed.settings.get("courses", [])
        self._by = feed.settings.get("identify_by", "email")
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, no .netrc: what is configured is what is asked

    # what is asked

    def courses(self) -> list[int]:
        found = self._only or [
            course["id"] for course in self._ask("core_course_get_courses") if course["id"] != 1
        ]
        return sorted(found)  # 1 is the front page

    def people(self, course: int) -> Iterator[dict[str, Any]]:
        """The enrolled, a page at a time."""
        start = 0
        while True:
            options = {"limitfrom": start, "limitnumber": PAGE, "sortby": "id"}
            listed = [
                part
                for number, (name, value) in enumerate(options.items())
                for part in ((f"options[{number}][name]", name), (f"options[{number}][value]", value))
            ]
            page = self._ask("core_enrol_get_enrolled_users", courseid=course, **dict(listed))
            yield from page
            if len(page) < PAGE:
                return
            start += PAGE

    def modules(self, course: int) -> dict[int, str]:
        """Course module → its kind (quiz, assign, …)."""
        sections = self._ask("core_course_get_contents", courseid=course)
        return {
            module["id"]: module["modname"] for section in sections for module in section.get("modules", ())
        }

    def completions(self, course: int, person: int) -> list[dict[str, Any]]:
        answer = self._ask("core_completion_get_activities_completion_status", courseid=course, userid=person)
        return list(answer.get("statuses", ()))

    def grades(self, course: int) -> list[dict[str, Any]]:
        """Everybody's marks in a course: one call."""
        return list(self._ask("gradereport_user_get_grade_items", courseid=course).get("usergrades", ()))

    def _ask(self, function: str, **parameters: Any) -> Any:
        # In the body, because addresses are written to logs on the way.
        form = {
            "wstoken": self._token,
            "wsfunction": function,
            "moodlewsrestformat": "json",
            **{name: str(value) for name, value in parameters.items()},
        }
        try:
            with self._session.post(
                f"{self.base}/webservice/rest/server.php",
                data=form,
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as response:
                if response.status_code != 200:
                    raise PullFailed(
                        f"{self.base} answered {response.status_code} to {function}; check the feed's address."
                    )
                answer = json.loads(_bounded(response))
        except requests.RequestException as error:
            raise PullFailed(f"{self.base} could not be reached ({type(error).__name__}).") from None
        except (ValueError, RecursionError):
            raise PullFailed(f"{self.base} answered {function} with something else than JSON.") from None
        if isinstance(answer, dict) and answer.get("exception"):
            code = str(answer.get("errorcode", ""))[:60]
            raise PullFailed(
                f"{self.base} refused {function} ({code}). Check the token and that its service has this function."
            )
        return answer

    # what it means

    def completion(self, course: int, person: dict[str, Any], status: dict[str, Any], line: int) -> Fact:
        failed = status["state"] == 3
        statement = {
            "actor": self._actor(person),
            "verb": {"id": ADL + "completed"},
            "object": self._activity(status["cmid"], status["modname"]),
            "result": {"completion": True, **({"success": False} if failed else {})},
            "context": self._context(course),
            "timestamp": _stamp(status["timecompleted"]),
        }
        return Fact(line, ("completion", self.base, str(status["cmid"]), str(person["id"])), statement)

    def grade(
        self, course: int, person: dict[str, Any], item: dict[str, Any], modules: dict[int, str], line: int
    ) -> Fact:
        low, high, raw = float(item.get("grademin") or 0), float(item["grademax"]), float(item["graderaw"])
        if high <= low:
            raise Unusable("has a scale without a length", "Give the mark a maximum in Moodle.")
        raw = min(max(raw, low), high)
        module = int(item["cmid"])
        statement = {
            "actor": self._actor(person),
            "verb": {"id": ADL + "scored"},
            "object": self._activity(module, item.get("itemmodule") or modules.get(module, "")),
            "result": {
                "score": {"raw": raw, "min": low, "max": high, "scaled": round((raw - low) / (high - low), 6)}
            },
            "context": self._context(course),
            "timestamp": _stamp(item["gradedategraded"]),
        }
        return Fact(line, ("grade", self.base, str(item["id"]), str(person["id"])), statement)

    def _actor(self, person: dict[str, Any]) -> dict[str, Any]:
        value = str(person.get(self._by) or "")
        if not value:
            raise Unusable(
                f"is about somebody whose {self._by} Moodle does not tell",
                "Let the token's user see it, or set identify_by to another of "
                + ", ".join(IDENTIFY_BY)
                + ".",
            )
        if self._by in ("email", "idnumber"):
            return wording.person(value)
        return wording.account(self.base, value)

    def _activity(self, module: int, kind: str) -> dict[str, Any]:
        return {
            "id": f"{self.base}/mod/{kind}/view.php?id={module}",
            "definition": {"type": TYPES.get(kind, OTHER_TYPE)},
        }

    def _context(self, course: int) -> dict[str, Any]:
        return {
            "platform": "Moodle",
            "contextActivities": {"parent": [{"id": f"{self.base}/course/view.php?id={course}"}]},
        }


def check_settings(settings: dict[str, Any]) -> None:
    """Raises PullFailed where a feed's settings could not be followed."""
    if settings.get("identify_by", "email") not in IDENTIFY_BY:
        raise PullFailed(f"The feed's setting identify_by must be one of {', '.join(IDENTIFY_BY)}.")
    courses = settings.get("courses", [])
    if not isinstance(courses, list) or not all(type(course) is int for course in courses):
        raise PullFailed("The feed's setting courses must be a list of numbers, such as [7, 12].")
    hours = settings.get("every_hours", EVERY_HOURS)
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 <= hours <= 24 * 366:
        raise PullFailed(
            "The feed's setting every_hours must be a number of hours, such as 6; 0 is only by hand."
        )


def check_address(address: str) -> None:
    """Raises PullFailed unless a token may be sent there: over TLS, or to this machine."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost"
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        raise PullFailed("The feed's address must begin with https://.")
    if not host or parts.username or parts.query or parts.fragment:
        raise PullFailed("The feed's address must be the site's own, such as https://moodle.example.com.")


def _bounded(response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(65536):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise PullFailed("The site's answer is too large; name fewer courses in the feed's settings.")
    return bytes(body)


def _stamp(seconds: int) -> str:
    return wording.stamp(datetime.fromtimestamp(int(seconds), tz=UTC))
