"""What triggers and rules look at beside computed features, for a batch of enrolments: a fixed number of queries.

Computed features are as of when something last happened. The plan, the rhythm and the deadline go on by time alone, so
they are read as of now.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from interventions import certified
from interventions.models import Decision, Episode, Rule
from interventions.snapshot import PastEpisode
from learners.models import Enrolment, PlanStep, RoleCompetency
from signals.mastery.choice import ANSWERS
from signals.models import DailyRollup, Mastery, RiskChange
from signals.models.events import Verb

DAYS_KEPT = 63  # of active days: more than any trigger looks back
VIDEO_DAYS = 30
_A_MOMENT = timedelta(seconds=1)


class Video(NamedTuple):
    """A video left unfinished: the share seen, and when that was."""

    share: float
    at: datetime


class Sights(NamedTuple):
    """What was read for the batch."""

    plans: dict[int, list[int]]  # course → the days, from the start, on which its steps are due
    active: dict[int, int]  # enrolment → its active days as bits
    videos: dict[int, Video]
    mastery: dict[UUID, list[tuple[float, str]]]  # learner → (value, competency)
    certificates: dict[int, certified.Held]

    def competencies(self, enrolment_id: int) -> tuple[str, ...]:
        """What certificates that end next were about."""
        return self.certificates.get(enrolment_id, certified.NOTHING).competencies


def look(enrolments: Sequence[Enrolment], *, now: datetime) -> Sights:
    """Reads it; five queries, and three more where somebody holds a certificate."""
    return Sights(
        plans=_plans({enrolment.course_id for enrolment in enrolments}),
        active=_active([enrolment.pk for enrolment in enrolments], now.astimezone(UTC).date()),
        videos=_videos(enrolments, now),
        mastery=_mastery({enrolment.learner_id for enrolment in enrolments}),
        certificates=certified.held(enrolments, now=now),
    )


def seen(
    enrolment: Enrolment, values: Mapping[str, Any], sights: Sights, *, mastery: tuple[float | None, str]
) -> dict[str, Any]:
    """The fields of ``snapshot.Seen`` that computed features alone do not give."""
    due_at = _end_of(enrolment.due_on) if enrolment.due_on else None
    video = sights.videos.get(enrolment.pk)
    hired, changed = enrolment.learner.started_on, enrolment.learner.role_since
    return {
        "due_at": due_at,
        "last_step_done_at": _moment(values.get("last_done_at")),
        "open_concepts": values.get("open_concepts"),
        "repeated_failures": values.get("repeated_failures"),
        "last_result_at": _moment(values.get("last_result_at")),
        "active_days": sights.active.get(enrolment.pk, 0) if values else None,
        "video_share": video.share if video else None,
        "video_at": video.at if video else None,
        "joined_at": datetime.combine(hired, time(), UTC) if hired else None,
        "role_since": datetime.combine(changed, time(), UTC) if changed else None,
        "certificates": sights.certificates.get(enrolment.pk, certified.NOTHING).certificates,
        "competency": _competency(mastery, sights.mastery.get(enrolment.learner_id, [])),
    }


def plan(enrolment: Enrolment, values: Mapping[str, Any], sights: Sights, *, now: datetime) -> dict[str, Any]:
    """Steps of the plan, done and due by now, and when the next falls due; nothing where there is no plan."""
    days = sights.plans.get(enrolment.course_id, [])
    progress = values.get("progress")
    if not days or progress is None:
        return {}
    due = [_end_of(enrolment.starts_on + timedelta(days=day)) for day in days]
    ahead = [moment for moment in due if moment >= now]
    return {
        "steps": len(days),
        "steps_done": round(progress * (values.get("steps") or len(days))),
        "steps_due": len(due) - len(ahead),
        "next_step_due_at": min(ahead, default=None),
    }


def past(enrolment_ids: Sequence[int]) -> dict[int, tuple[PastEpisode, ...]]:
    """Per enrolment, how the last episode of each trigger ended; two queries."""
    latest: dict[int, dict[str, Episode]] = defaultdict(dict)
    rows = (
        Episode.objects.filter(enrolment_id__in=enrolment_ids, closed_at__isnull=False, rule__isnull=True)
        .only("enrolment_id", "triggers", "closed_at", "end")
        .order_by("closed_at", "pk")
    )
    for episode in rows:
        for key in episode.triggers:
            latest[episode.enrolment_id][key] = episode
    expired = {
        pk: max(e.closed_at for e in ended.values() if e.closed_at is not None)
        for pk, ended in latest.items()
        if any(e.end == Episode.End.EXPIRED for e in ended.values())
    }
    changes: dict[int, list[tuple[datetime, float]]] = defaultdict(list)
    for enrolment_id, at, after in RiskChange.objects.filter(
        enrolment_id__in=list(expired), after__isnull=False
    ).values_list("enrolment_id", "at", "after"):
        assert after is not None  # asked for
        changes[enrolment_id].append((at, after))
    return {
        pk: tuple(
            PastEpisode(
                trigger=key,
                closed_at=episode.closed_at,
                end=episode.end,
                eased=min((after for at, after in changes[pk] if at > episode.closed_at), default=None),
            )
            for key, episode in sorted(ended.items())
            if episode.closed_at is not None
        )
        for pk, ended in latest.items()
    }


def role_competencies(job_role_ids: set[int]) -> dict[int, tuple[str, ...]]:
    """Job role → the keys of what it asks for, in its order."""
    found: dict[int, list[str]] = defaultdict(list)
    for role, key in (
        RoleCompetency.objects.filter(job_role_id__in=job_role_ids)
        .order_by("job_role_id", "position", "competency__key")
        .values_list("job_role_id", "competency__key")
    ):
        found[role].append(key)
    return {role: tuple(keys) for role, keys in found.items()}


def fired(
    rules: Sequence[Rule], learner_ids: set[UUID]
) -> dict[tuple[str, UUID], list[tuple[int, datetime, bool]]]:
    """(rule's key, learner) → when any version of it chose something: enrolment, moment, whether it lapsed."""
    found: dict[tuple[str, UUID], list[tuple[int, datetime, bool]]] = defaultdict(list)
    rows = Decision.objects.filter(
        enrolment__learner_id__in=learner_ids, rule__key__in=[rule.key for rule in rules]
    ).values_list("rule__key", "enrolment__learner_id", "enrolment_id", "at", "lapsed_at")
    for key, learner_id, enrolment_id, at, lapsed_at in rows:
        found[key, learner_id].append((enrolment_id, at, lapsed_at is not None))
    return found


def _plans(course_ids: set[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for course_id, day in (
        PlanStep.objects.filter(course_id__in=course_ids)
        .order_by("course_id", "due_day", "pk")
        .values_list("course_id", "due_day")
    ):
        found[course_id].append(day)
    return found


def _active(enrolment_ids: Sequence[int], today: date) -> dict[int, int]:
    found: dict[int, int] = defaultdict(int)
    for enrolment_id, day in DailyRollup.objects.filter(
        enrolment_id__in=enrolment_ids,
        day__gt=today - timedelta(days=DAYS_KEPT),
        day__lte=today,
        events__gt=0,
    ).values_list("enrolment_id", "day"):
        found[enrolment_id] |= 1 << (today - day).days
    return found


# Of each video the furthest that was seen, in the enrolment or outside of any course; the one left last counts.
_VIDEOS = """
SELECT DISTINCT ON (e.id) e.id, watched.share, watched.at
FROM unnest(%(ids)s::bigint[], %(learners)s::uuid[]) AS e (id, learner_id)
CROSS JOIN LATERAL (
    SELECT max(progress) AS share, max(occurred_at) AS at FROM signals_event
    WHERE learner_id = e.learner_id AND occurred_at > %(since)s AND occurred_at <= %(now)s
      AND verb = %(progressed)s AND progress IS NOT NULL AND voided_seq IS NULL
      AND (enrolment_id = e.id OR enrolment_id IS NULL)
    GROUP BY activity
) watched
WHERE watched.share < 1
ORDER BY e.id, watched.at DESC, watched.share
"""


def _videos(enrolments: Sequence[Enrolment], now: datetime) -> dict[int, Video]:
    with connection.cursor() as cursor:
        cursor.execute(
            _VIDEOS,
            {
                "ids": [enrolment.pk for enrolment in enrolments],
                "learners": [enrolment.learner_id for enrolment in enrolments],
                "since": now - timedelta(days=VIDEO_DAYS),
                "now": now,
                "progressed": Verb.PROGRESSED.value,
            },
        )
        return {pk: Video(share, at) for pk, share, at in cursor.fetchall()}


def _mastery(learner_ids: set[UUID]) -> dict[UUID, list[tuple[float, str]]]:
    found: dict[UUID, list[tuple[float, str]]] = defaultdict(list)
    for learner_id, value, key in (
        Mastery.objects.filter(learner_id__in=learner_ids)
        .order_by("learner_id", "value", "competency__key")
        .values_list("learner_id", "value", "competency__key")
    ):
        found[learner_id].append((value, key))
    return found


def _competency(mastery: tuple[float | None, str], known: Sequence[tuple[float, str]]) -> str | None:
    """Which competency the mastery seen is of: the weakest of the course, among all that are known of the person."""
    value, source = mastery
    if value is None or source != ANSWERS:
        return None
    return next((key for other, key in known if abs(other - value) < 1e-6), None)


def _end_of(day: date) -> datetime:
    """The last second of a UTC day: what is due on a day is late only after it."""
    return datetime.combine(day + timedelta(days=1), time(), UTC) - _A_MOMENT


def _moment(iso: str | None) -> datetime | None:
    return datetime.fromisoformat(iso) if iso else None
