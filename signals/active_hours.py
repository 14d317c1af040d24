"""In which hours people have been active lately: what the best hour to reach somebody is found from."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models.functions import TruncHour

from signals.models import Event
from signals.models.events import OBSERVED


def active_hours(
    learner_ids: Collection[UUID], *, since: datetime, until: datetime
) -> dict[UUID, list[datetime]]:
    """Each learner's hours (UTC, by their beginning) with something of their own doing in them; one query.

    Ask only about people who allow their activity to be used (scopes `record` and `profile`).
    """
    found: dict[UUID, list[datetime]] = defaultdict(list)
    rows = (
        Event.objects.filter(
            learner_id__in=list(learner_ids),
            occurred_at__gte=since,
            occurred_at__lt=until,
            voided_seq__isnull=True,
        )
        .exclude(verb__in=OBSERVED)
        .order_by()
        .values_list("learner_id", TruncHour("occurred_at"))
        .distinct()
    )
    for learner_id, hour in rows:
        found[learner_id].append(hour)
    return found
