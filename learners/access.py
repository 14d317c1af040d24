"""Who looks after whom on a date, who may see whom, and the trace that seeing leaves."""

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from django.db import connection
from django.http import HttpRequest

from consent import audit
from consent.actors import Party
from learners.models import Learner, Oversight, Role, User

# Step -1 is the dated relation, step 0 the learner's unit, then those above it. Somebody who cannot sign in,
# lost the role or is the learner counts as absent, exactly as in LearnerQuerySet.visible_to.
IN_CHARGE = """
    WITH RECURSIVE climb (learner_id, unit_id, step) AS (
        SELECT learner.id, learner.unit_id, 0 FROM learners_learner learner
        WHERE learner.id = ANY (%(learners)s) AND learner.unit_id IS NOT NULL
        UNION ALL
        SELECT climb.learner_id, unit.parent_id, climb.step + 1
        FROM climb JOIN learners_orgunit unit ON unit.id = climb.unit_id
        WHERE unit.parent_id IS NOT NULL AND climb.step < 64
    ),
    named (learner_id, user_id, step, from_date) AS (
        SELECT oversight.learner_id, oversight.user_id, -1, oversight.from_date
        FROM learners_oversight oversight
        WHERE oversight.learner_id = ANY (%(learners)s) AND oversight.kind = %(kind)s
            AND oversight.from_date <= %(on)s AND (oversight.to_date IS NULL OR oversight.to_date > %(on)s)
        UNION ALL
        SELECT climb.learner_id, unit.{column}, climb.step, NULL
        FROM climb JOIN learners_orgunit unit ON unit.id = climb.unit_id
    )
    SELECT DISTINCT ON (named.learner_id) named.learner_id, named.user_id
    FROM named
    JOIN learners_user person ON person.id = named.user_id
    WHERE person.is_active AND %(kind)s = ANY (person.roles)
        AND person.learner_id IS DISTINCT FROM named.learner_id
    ORDER BY named.learner_id, named.step, named.from_date DESC, named.user_id
"""


def manager_of(learner_ids: Iterable[UUID], *, on: date) -> dict[UUID, User]:
    """Each learner's manager on a date: the dated relation, else the unit's, climbing; never themselves."""
    return _in_charge_of(learner_ids, Oversight.Kind.MANAGER, on)


def coach_of(learner_ids: Iterable[UUID], *, on: date) -> dict[UUID, User]:
    """Each learner's coach on a date: the dated relation, else the unit's, climbing; never themselves."""
    return _in_charge_of(learner_ids, Oversight.Kind.COACH, on)


def in_care_of(user: User, *, on: date) -> list[UUID]:
    """The learners whom this coach may help: those in their care, or in nobody's; never themselves."""
    if not user.has_role(Role.COACH):
        return []
    seen = set(Learner.objects.visible_to(user).values_list("pk", flat=True)) - {user.learner_id}
    coaches = coach_of(seen, on=on)
    # Somebody who is a manager as well sees their reports elsewhere, and less of them.
    return [pk for pk in seen if pk not in coaches or coaches[pk].pk == user.pk]


def _in_charge_of(learner_ids: Iterable[UUID], kind: Oversight.Kind, on: date) -> dict[UUID, User]:
    with connection.cursor() as cursor:
        cursor.execute(
            IN_CHARGE.format(column=f"{kind.value}_id"),
            {"learners": list(set(learner_ids)), "kind": kind.value, "on": on},
        )
        named = dict(cursor.fetchall())
    users = User.objects.in_bulk(set(named.values())) if named else {}
    return {learner_id: users[user_id] for learner_id, user_id in named.items()}


def can_see(user: User, learner_id: UUID, *, on: date | None = None) -> bool:
    """Whether this user may see this learner on a date (else on the database's today)."""
    return Learner.objects.visible_to(user, on=on).filter(pk=learner_id).exists()


def audited(user: User, learners: Iterable[Learner], *, action: str, now: datetime) -> list[Learner]:
    """The same learners, after one audit entry that says the user read about them.

    One entry a page. Reading about oneself leaves none.
    """
    shown = list(learners)
    others = [learner.pk for learner in shown if learner.pk != user.learner_id]
    if others:
        audit.record_reads(actor=Party("user", user.pk), action=action, targets=others, now=now)
    return shown


def asked_by(request: HttpRequest) -> UUID:
    """Who sends this request, on pages that only those who signed in can open."""
    assert request.user.is_authenticated
    return request.user.pk
