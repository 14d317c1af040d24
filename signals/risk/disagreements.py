"""Where the model on trial and the live one disagree, a few people a week are asked to look; what they say counts.

Drawn by hash from all that disagree, not the most extreme first: only then does the share in which one of the two was
right say anything about the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

from signals import second_looks
from signals.models import ModelVersion, SecondLook, ShadowRisk
from signals.risk.shadow import shadow_model

PER_WEEK = 20
FAR_APART = 0.2
FRESH = timedelta(days=7)  # a person can only be asked about today
RIGHT_ABOVE = 0.5  # "needs help" was foreseen by whoever said more than this

# Bands belong to the policy, which is decided above this app: whoever knows them registers here.
Bounds = Callable[[], Sequence[float]]
_bounds: list[Bounds] = []


@dataclass(frozen=True, slots=True)
class Tally:
    """What people found where the two disagreed."""

    asked: int
    answered: int  # with "needs help" or "does not"
    shadow_right: int
    live_right: int


def band_with(bounds: Bounds) -> None:
    """Registers a function that gives the bounds of the bands. It must write nothing."""
    if bounds not in _bounds:
        _bounds.append(bounds)


_CANDIDATES = """
SELECT s.enrolment_id
FROM signals_shadowrisk s
WHERE s.model_version_id = %(model)s AND s.asked_at IS NULL AND s.as_of > %(fresh)s
  AND s.value IS NOT NULL AND s.live_value IS NOT NULL
  AND (abs(s.value - s.live_value) >= %(far)s OR EXISTS (
        SELECT FROM unnest(%(bounds)s::float8[]) AS b (bound) WHERE (s.value > b.bound) <> (s.live_value > b.bound)))
  AND NOT EXISTS (SELECT FROM signals_secondlook l WHERE l.enrolment_id = s.enrolment_id AND l.answered_at IS NULL)
ORDER BY md5(%(salt)s || s.enrolment_id::text), s.enrolment_id
"""


def ask_people(*, now: datetime, per_week: int = PER_WEEK) -> int:
    """How many disagreements people were asked to look at: no more than the week's budget in any seven days."""
    version = shadow_model()
    if version is None:
        return 0
    asked_lately = SecondLook.objects.filter(
        kind=SecondLook.Kind.DISAGREEMENT, asked_at__gt=now - timedelta(days=7)
    ).count()
    budget = per_week - asked_lately
    if budget <= 0:
        return 0
    year, week, _ = now.astimezone(UTC).isocalendar()
    with transaction.atomic(), connection.cursor() as cursor:
        # A moment is psycopg's to write; the stubs know plain numbers and text only.
        cursor.execute(
            _CANDIDATES,
            {
                "model": version.pk,
                "fresh": now - FRESH,
                "far": FAR_APART,
                "bounds": sorted({bound for bounds in _bounds for bound in bounds()}),
                "salt": f"disagreement:{version.pk}:{year}-{week}:",
            },
        )
        candidates = [row[0] for row in cursor.fetchall()]
        chosen = candidates[:budget]
        if not chosen:
            return 0
        # Asked or not (a coach may not be allowed to look), each is tried once.
        ShadowRisk.objects.filter(pk__in=chosen).update(asked_at=now)
        return second_looks.ask(
            chosen,
            kind=SecondLook.Kind.DISAGREEMENT,
            now=now,
            chance=min(1.0, len(chosen) / len(candidates)),
        )


def tally(version: ModelVersion) -> Tally:
    """What people found about this model on trial."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE said IS NOT NULL),"
            " count(*) FILTER (WHERE said = (value > %(right)s)),"
            " count(*) FILTER (WHERE said = (live_value > %(right)s))"
            " FROM (SELECT s.value, s.live_value, CASE l.answer WHEN 'needs_help' THEN true"
            "       WHEN 'does_not' THEN false END AS said"
            "  FROM signals_shadowrisk s JOIN signals_secondlook l"
            "  ON l.enrolment_id = s.enrolment_id AND l.kind = 'disagreement' AND l.asked_at = s.asked_at"
            "  WHERE s.model_version_id = %(model)s) found",
            {"model": version.pk, "right": RIGHT_ABOVE},
        )
        return Tally(*cursor.fetchone())
