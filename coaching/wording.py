"""Rows in words: what kind of trouble, what was tried, how much time is left. Never a score, never "at risk"."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import formats, timezone, translation

from coaching import worktime
from coaching.models import Case
from interventions.models.deciding import Action

TROUBLE = {
    "inactivity": "Quiet for longer than usual",
    "mastery": "Results below the goal",
    "composite": "Several signs together",
    "pace": "Behind the plan",
    "failures": "One part is not working out yet",
    "deadline": "Due soon, much to do",
    "engagement": "Less active than usual",
    "certificate": "A certificate ends soon",
    "learner_asked": "Asked for help",
    "manager_asked": "The manager asked for a look",
    "contest": "Says we are wrong",
}
TROUBLE_ICONS = {
    "inactivity": "moon",
    "mastery": "target",
    "composite": "layers",
    "pace": "route",
    "failures": "target",
    "deadline": "clock",
    "engagement": "moon",
    "certificate": "clock",
    "learner_asked": "hand",
    "manager_asked": "users",
    "contest": "flag",
}
IMPACT = {"standard": "Standard role", "elevated": "Elevated role", "critical": "Critical role"}
ROUTES = {action.value: action.label for action in Action}
STEPS = {
    "nudge": "a nudge",
    "lesson": "a micro-lesson",
    "lesson_nudge": "a micro-lesson with a nudge",
    "manager": "a word from the manager",
    "coach": "a coach",
}
# Where a message was delivered.
WHERE = {
    "email": "by e-mail",
    "card": "on the learner's page",
    "slack": "by Slack",
    "teams": "by Microsoft Teams",
    "moodle": "by a Moodle message",
}
# What is measured of a step that reached somebody.
MEASURED = {
    "answered_72h": "answered within 72 hours",
    "active_7d": "active in the course within 7 days",
    "recovered_14d": "recovered within 14 days",
}
PROOF = {
    "critical_role": "Critical role: a person looks at once, without an automatic step first.",
    "learner_asked": "The learner asked for a person.",
    "contest": "The learner says that we are wrong.",
    "manager_asked": "The manager asked somebody to have a look.",
    "unreachable": "The learner cannot be reached automatically.",
}


def trouble(triggers: Iterable[str]) -> tuple[str, str]:
    """The kind of trouble in words, and its icon. A wish of the learner counts before what we saw."""
    given = list(triggers)
    if any(key.startswith("rule-") for key in given):
        return "A rule's suggestion; no trouble", "spark"
    keys = [key for key in TROUBLE if key in given]
    asked = [key for key in ("contest", "learner_asked", "manager_asked") if key in keys]
    first = next(iter(asked + keys), "composite")
    return TROUBLE[first], TROUBLE_ICONS[first]


def tried(failed_attempts: int) -> str:
    """How many automatic steps changed nothing."""
    if failed_attempts == 0:
        return "Nothing tried yet"
    return "1 step tried" if failed_attempts == 1 else f"{failed_attempts} steps tried"


def time_left(case: Case, now: datetime) -> str:
    """How long a case may still wait, in hours that count; or when it comes back, or when it ended."""
    if case.state == Case.State.CLOSED and case.closed_at:
        return f"Closed {day(case.closed_at)}"
    if case.state == Case.State.SNOOZED and case.snoozed_until:
        return f"Back {day(case.snoozed_until)}"
    if case.state == Case.State.ACCEPTED:
        return "Being worked on"
    kind = worktime.WORKDAY if case.is_escalation else worktime.ALL_DAY
    hours = worktime.hours_between(now, case.due_at, ZoneInfo(settings.ORGANISATION_TIME_ZONE), day=kind)
    if hours <= 0:
        return f"Overdue by {_hours(-hours)}" if hours < 0 else "Due now"
    if case.is_escalation and hours >= 1:
        return f"{round(hours)} working {'hour' if round(hours) == 1 else 'hours'} left"
    return f"{_hours(hours)} left"


def day(moment: datetime) -> str:
    """A moment for people, on the clock and in the language that are active: Mon 24 Nov, 09:00."""
    return formats.date_format(timezone.localtime(moment), "D j. M, H:i" if _is_german() else "D j M, H:i")


def date_in_words(on: date) -> str:
    """A day for people, in the language that is active: 24 November 2026."""
    return formats.date_format(on, "j. F Y" if _is_german() else "j F Y")


def _is_german() -> bool:
    return (translation.get_language() or "").startswith("de")


def without_address(body: str) -> str:
    """A message's body for a page that has a button where the mail has an address."""
    return re.sub(r"[:,]?\s*https?://\S+", ".", body).replace("..", ".")


def _hours(hours: float) -> str:
    if hours < 1:
        return f"{max(round(hours * 60), 1)} min"
    return f"{round(hours)} h"
