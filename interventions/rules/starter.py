"""The rules we ship, as drafts: somebody gives each an owner and a day on which it expires, then puts it in force."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from interventions.rules.condition import AT_LEAST, BELOW, CERTIFICATE_DAYS, LATELY, Clause, When, dump
from interventions.rules.proxies import listed

ONBOARDING = (
    "urn:rekindle:your-onboarding"  # to be replaced by the IRI that the organisation's onboarding has
)
SINCE = datetime(2000, 1, 1, tzinfo=UTC)


class Starter(NamedTuple):
    key: str
    title: str
    when: When
    action: str
    message: str
    acts_alone: bool = False
    rest_days: int | None = None
    position: int = 100


RULES = (
    Starter(
        "worked-example",
        "Two failures on one concept: a worked example",
        When((Clause("failures_on_one", AT_LEAST, 2),)),
        "lesson",
        "rule-worked-example",
        position=10,
    ),
    Starter(
        "two-sessions",
        "Due soon and much to do: a plan of two sessions",
        When((Clause("days_to_due", BELOW, 5), Clause("progress", BELOW, 0.6))),
        "nudge",
        "rule-two-sessions",
        position=20,
    ),
    Starter(
        "pick-up",
        "Quiet for a week with a tricky part: pick up where you left",
        When((Clause("days_inactive", AT_LEAST, 7), Clause("mastery", BELOW, 0.6))),
        "nudge",
        "rule-pick-up",
        position=30,
    ),
    Starter(
        "refresher",
        "Below 70 % on a competency: a five-minute refresher",
        When((Clause("mastery", BELOW, 0.7),)),
        "lesson",
        "rule-refresher",
        position=40,
    ),
    Starter(
        "unfinished-video",
        "A video left before its half: the missing part",
        When((Clause("video_share", BELOW, 0.5), Clause("days_since_video", AT_LEAST, 3))),
        "nudge",
        "rule-video",
        acts_alone=True,
        rest_days=30,
        position=50,
    ),
    Starter(
        "onboarding-done",
        "Onboarding completed: the checklist of the role",
        When((Clause("completed", LATELY, 14, ONBOARDING),)),
        "nudge",
        "rule-onboarding",
        acts_alone=True,
        position=60,
    ),
    Starter(
        "first-lesson",
        "New in a role: its first lesson",
        When((Clause("days_in_role", BELOW, 30),)),
        "lesson",
        "rule-first-lesson",
        acts_alone=True,
        rest_days=30,  # once for each role
        position=70,
    ),
    Starter(
        "recertification",
        "A certificate ends soon: a lesson that refreshes it",
        When((Clause(CERTIFICATE_DAYS, BELOW, 30),)),
        "lesson",
        "rule-recertification",
        acts_alone=True,
        rest_days=30,  # once for each certificate
        position=75,
    ),
    Starter(
        "well-done",
        "Back on track: well done, nothing to do",
        When((Clause("days_since_recovery", BELOW, 3),)),
        "nudge",
        "well_done",
        acts_alone=True,
        rest_days=30,
        position=80,
    ),
)


def install(rule: Any) -> None:
    """Adds the drafts that are missing; used by migrations 0052 and 0080 with their own model."""
    for starter in RULES:
        reasons = listed(starter.when)
        if not rule.objects.filter(key=starter.key).exists():
            rule.objects.create(
                key=starter.key,
                version=1,
                title=starter.title,
                when=dump(starter.when),
                action=starter.action,
                message=starter.message,
                acts_alone=starter.acts_alone,
                rest_days=starter.rest_days,
                position=starter.position,
                needs_review=bool(reasons),
                review_reasons=reasons,
                created_at=SINCE,
            )
