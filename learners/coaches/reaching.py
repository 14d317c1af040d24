"""Which coaches may take somebody on: the one in charge, and those who help in the unit or one above it."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from uuid import UUID

from django.db import connection

from learners import access, climbing
from learners.models import Oversight, User
from learners.querysets import in_force

# The more coaches of a learner's unit and of those above it.
_POOL = (
    climbing.CLIMB
    + """
    SELECT DISTINCT climb.learner_id, person.id
    FROM climb
    JOIN learners_unitcoach more ON more.unit_id = climb.unit_id
    JOIN learners_user person ON person.id = more.user_id
    WHERE person.is_active AND 'coach' = ANY (person.roles)
"""
)


def more_coaches(learner_ids: Iterable[UUID], *, on: date) -> dict[UUID, set[UUID]]:
    """Learner → those who help in their unit or one above it, without conflict; themselves never."""
    wanted = list(set(learner_ids))
    with connection.cursor() as cursor:
        cursor.execute(_POOL, {"learners": wanted})
        pairs = cursor.fetchall()
    if not pairs:
        return {}
    kept_apart = access.conflicts({learner_id for learner_id, _ in pairs}, on=on)
    own = dict(User.objects.filter(pk__in={pk for _, pk in pairs}).values_list("pk", "learner_id"))
    found: dict[UUID, set[UUID]] = defaultdict(set)
    for learner_id, user_id in pairs:
        if user_id not in kept_apart.get(learner_id, ()) and own[user_id] != learner_id:
            found[learner_id].add(user_id)
    return found


def reach(learner_ids: Iterable[UUID], *, on: date) -> dict[UUID, list[User]]:
    """Learner → every coach who may take them on, without conflict: the one in charge first, then the others."""
    wanted = set(learner_ids)
    in_charge = access.coach_of(wanted, on=on)
    others = more_coaches(wanted, on=on)
    users = User.objects.in_bulk({pk for found in others.values() for pk in found})
    built: dict[UUID, list[User]] = {}
    for learner_id in wanted:
        first = in_charge.get(learner_id)
        rest = sorted(others.get(learner_id, set()) - ({first.pk} if first else set()))
        built[learner_id] = ([first] if first else []) + [users[pk] for pk in rest]
    return built


def dated(learner_ids: Iterable[UUID], *, on: date) -> set[tuple[UUID, UUID]]:
    """(learner, user) of the coaches named for somebody by a dated relation."""
    rows = Oversight.objects.filter(in_force(on), kind=Oversight.Kind.COACH, learner__in=set(learner_ids))
    return set(rows.values_list("learner_id", "user_id"))
