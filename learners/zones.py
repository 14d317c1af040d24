"""Where a person's clock stands: their own time zone, else their unit's, else the organisation's."""

from collections.abc import Iterable
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.db import connection

from learners.models import Learner

# Own zone first, then the unit's, then those above it. The steps are bounded so that a circle of units, which
# only a direct write to the database can make, ends.
ZONES = """
    WITH RECURSIVE climb (learner_id, unit_id, step) AS (
        SELECT learner.id, learner.unit_id, 0 FROM learners_learner learner
        WHERE learner.id = ANY (%(learners)s) AND learner.time_zone = '' AND learner.unit_id IS NOT NULL
        UNION ALL
        SELECT climb.learner_id, unit.parent_id, climb.step + 1
        FROM climb JOIN learners_orgunit unit ON unit.id = climb.unit_id
        WHERE unit.time_zone = '' AND unit.parent_id IS NOT NULL AND climb.step < 64
    )
    SELECT id, time_zone FROM learners_learner WHERE id = ANY (%(learners)s) AND time_zone <> ''
    UNION ALL
    SELECT climb.learner_id, unit.time_zone
    FROM climb JOIN learners_orgunit unit ON unit.id = climb.unit_id WHERE unit.time_zone <> ''
"""


@lru_cache(maxsize=1)
def known_zones() -> frozenset[str]:
    """Every time zone this machine knows, such as Europe/Berlin."""
    return frozenset(available_timezones())


def organisation_zone() -> ZoneInfo:
    """The organisation's own zone."""
    return ZoneInfo(settings.ORGANISATION_TIME_ZONE)


def zone_of(learner: Learner) -> ZoneInfo:
    """The zone this learner lives by."""
    # Without a query where the learner's own zone is known: senders ask once per message.
    if learner.time_zone in known_zones():
        return ZoneInfo(learner.time_zone)
    return zones_of([learner.pk])[learner.pk]


def zones_of(learner_ids: Iterable[UUID]) -> dict[UUID, ZoneInfo]:
    """The zone each of these learners lives by, in one query; the organisation's where nobody knows theirs."""
    wanted = list(dict.fromkeys(learner_ids))
    known = known_of(wanted)
    usual = organisation_zone()
    return {pk: known.get(pk, usual) for pk in wanted}


def known_of(learner_ids: Iterable[UUID]) -> dict[UUID, ZoneInfo]:
    """The zones of those learners whose own, or whose unit's, is known; one query."""
    with connection.cursor() as cursor:
        cursor.execute(ZONES, {"learners": list(dict.fromkeys(learner_ids))})
        named = dict(cursor.fetchall())
    # A zone this machine does not know (an old database, a direct write) must not hold up anybody's message.
    return {pk: ZoneInfo(name) for pk, name in named.items() if name in known_zones()}
