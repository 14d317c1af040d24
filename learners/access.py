"""Who looks after whom on a date, who may see whom, and the trace that seeing leaves."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.http import HttpRequest

from consent import audit
from consent.actors import Party
from learners import climbing
from learners.models import CoachConflict, Learner, OrgUnit, Oversight, Role, User

NOBODY_APART: Mapping[UUID, set[UUID]] = {}

# Step -1 is the dated relation, step 0 the learner's unit, then those above it. Somebody who cannot sign in,
# lost the role or is the learner counts as absent, exactly as in LearnerQuerySet.visible_to.
IN_CHARGE = (
    climbing.CLIMB
    + """,
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
        AND (named.learner_id, named.user_id) NOT IN (SELECT * FROM unnest(%(learner)s::uuid[], %(apart)s::uuid[]))
    ORDER BY named.learner_id, named.step, named.from_date DESC, named.user_id
"""
)


def manager_of(learner_ids: Iterable[UUID], *, on: date) -> dict[UUID, User]:
    """Each learner's manager on a date: the dated relation, else the unit's, climbing; never themselves."""
    return _in_charge_of(learner_ids, Oversight.Kind.MANAGER, on)


def coach_of(learner_ids: Iterable[UUID], *, on: date) -> dict[UUID, User]:
    """Each learner's coach on a date: the dated relation, else the unit's, climbing; never in conflict."""
    wanted = set(learner_ids)
    return _coach_of(wanted, conflicts(wanted, on=on), on)


def conflicts(learner_ids: Iterable[UUID], *, on: date) -> dict[UUID, set[UUID]]:
    """Learner → the users who must not coach them: their manager, who reports to them, and whom one kept apart."""
    wanted = set(learner_ids)
    found: dict[UUID, set[UUID]] = defaultdict(set)
    said = CoachConflict.objects.filter(learner__in=wanted).order_by("pk")
    for learner_id, user_id in said.values_list("learner_id", "user_id"):
        found[learner_id].add(user_id)
    for learner_id, manager in manager_of(wanted, on=on).items():
        found[learner_id].add(manager.pk)
    for learner_id, reporting in _coaches_by_their_manager(on).items():
        if learner_id in wanted:
            found[learner_id] |= reporting
    return found


def in_care_of(user: User, *, on: date) -> list[UUID]:
    """The learners whom this coach may help: those in their care, in a unit they help in, or in nobody's care.

    Never themselves, and nobody with whom they are in conflict.
    """
    if not user.has_role(Role.COACH):
        return []
    visible = set(Learner.objects.visible_to(user).values_list("pk", flat=True))
    helped = set(Learner.objects.helped_by(user).values_list("pk", flat=True))
    # Where somebody nearer must not, the next one above is in charge.
    seen = (visible | helped | _perhaps_standing_in(user, on)) - {user.learner_id}
    apart = conflicts(seen, on=on)
    coaches = _coach_of(seen, apart, on)
    return [
        pk
        for pk in seen
        if user.pk not in apart.get(pk, ())
        and (
            # Somebody who is a manager as well sees their reports elsewhere, and less of them.
            (coaches[pk].pk == user.pk if pk in coaches else pk in visible) or pk in helped
        )
    ]


def _coaches_by_their_manager(on: date) -> dict[UUID, set[UUID]]:
    """Learner → the coaches who report to them."""
    coaches = dict(
        User.objects.with_role(Role.COACH)
        .filter(learner__isnull=False)
        .order_by("pk")
        .values_list("learner_id", "pk")
    )
    found: dict[UUID, set[UUID]] = defaultdict(set)
    if coaches:
        for learner_id, manager in manager_of(coaches, on=on).items():
            if manager.learner_id is not None:
                found[manager.learner_id].add(coaches[learner_id])
    return found


def _perhaps_standing_in(user: User, on: date) -> set[UUID]:
    """The learners below this coach's units whose nearer coach may be in conflict with them."""
    both = User.objects.with_role(Role.COACH).filter(roles__contains=[Role.MANAGER])
    theirs = OrgUnit.objects.filter(coach__in=both).descendants(include_self=True)
    mine = OrgUnit.objects.filter(coach=user).descendants(include_self=True)
    doubtful = (
        Q(coach_conflicts__isnull=False)
        | Q(unit__in=theirs.order_by().values("pk"))
        | Q(oversight__kind=Oversight.Kind.COACH, oversight__user__in=both)
        | Q(pk__in=list(_coaches_by_their_manager(on)))
    )
    below = Learner.objects.filter(
        unit__in=mine.order_by().values("pk"), erased_at__isnull=True, merged_into__isnull=True
    )
    return set(below.filter(doubtful).values_list("pk", flat=True))


def _coach_of(learner_ids: set[UUID], apart: Mapping[UUID, set[UUID]], on: date) -> dict[UUID, User]:
    return _in_charge_of(learner_ids, Oversight.Kind.COACH, on, apart)


def _in_charge_of(
    learner_ids: Iterable[UUID],
    kind: Oversight.Kind,
    on: date,
    apart: Mapping[UUID, set[UUID]] = NOBODY_APART,
) -> dict[UUID, User]:
    pairs = [(learner_id, user_id) for learner_id, users in apart.items() for user_id in users]
    with connection.cursor() as cursor:
        cursor.execute(
            IN_CHARGE.format(column=f"{kind.value}_id"),
            {
                "learners": list(set(learner_ids)),
                "kind": kind.value,
                "on": on,
                "learner": [learner_id for learner_id, _ in pairs],
                "apart": [user_id for _, user_id in pairs],
            },
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
