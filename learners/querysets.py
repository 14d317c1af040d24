"""Sets of learners and what belongs to them, in the words of the domain."""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import Exists, F, OuterRef, Q, UUIDField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Now

from consent import gate
from consent.scopes import Scope

if TYPE_CHECKING:
    from learners.models import (  # noqa: F401  (generic parameters)
        BaselineSkill,
        Enrolment,
        Learner,
        OrgUnit,
        Oversight,
        RoleName,
        User,
    )

# Merges follow each other; the database makes no circle of them, and UNION would end one.
KEPT = """
    WITH RECURSIVE merge (id, into_id) AS (
        SELECT id, merged_into_id FROM learners_learner WHERE id = ANY(%s) AND merged_into_id IS NOT NULL
        UNION
        SELECT merge.id, further.merged_into_id FROM merge JOIN learners_learner further ON further.id = merge.into_id
        WHERE further.merged_into_id IS NOT NULL
    )
    SELECT merge.id, merge.into_id FROM merge JOIN learners_learner kept ON kept.id = merge.into_id
    WHERE kept.merged_into_id IS NULL
"""

# A circle of units (which only a direct write to the database can make) must not hang a query, hence UNION,
# which drops what was met before.
DESCENDANTS = """
    WITH RECURSIVE below (id) AS (
        SELECT unit.id FROM learners_orgunit unit WHERE {start}
        UNION
        SELECT unit.id FROM learners_orgunit unit JOIN below ON unit.parent_id = below.id
    )
    SELECT id FROM below
"""

# The learners of whom a user is in charge because of their unit. From each of the user's units it goes down,
# and stops where a lower unit has somebody of its own in charge. Nobody is in charge of themselves, so of the
# head of a lower unit the next person above is: `head_id` is the only learner still meant below that point.
IN_CHARGE_BY_UNIT = """
    WITH RECURSIVE below (unit_id, head_id) AS (
        SELECT unit.id, NULL::uuid FROM learners_orgunit unit WHERE unit.{column} = %s
        UNION
        SELECT unit.id, COALESCE(other.learner_id, below.head_id)
        FROM learners_orgunit unit
        JOIN below ON unit.parent_id = below.unit_id
        LEFT JOIN learners_user other
            ON other.id = unit.{column} AND other.is_active AND %s = ANY (other.roles)
        WHERE other.id IS NULL
            OR (other.learner_id IS NOT NULL AND other.learner_id = COALESCE(below.head_id, other.learner_id))
    )
    SELECT learner.id
    FROM learners_learner learner
    JOIN below ON below.unit_id = learner.unit_id AND (below.head_id IS NULL OR below.head_id = learner.id)
"""


# The steps are bounded for the same reason.
PATH = """
    WITH RECURSIVE up (parent_id, name, step) AS (
        SELECT unit.parent_id, unit.name, 0 FROM learners_orgunit unit WHERE unit.id = learners_orgunit.id
        UNION ALL
        SELECT unit.parent_id, unit.name, up.step + 1
        FROM learners_orgunit unit JOIN up ON unit.id = up.parent_id WHERE up.step < 64
    )
    SELECT string_agg(name, ' / ' ORDER BY step DESC) FROM up
"""


def database_today() -> Cast:
    """Today by the database's clock, for questions that name no date."""
    return Cast(Now(), models.DateField())


def in_force(on: date | Cast) -> Q:
    """Oversight that holds on a date; its last date is the first on which it no longer does."""
    return Q(from_date__lte=on) & (Q(to_date__isnull=True) | Q(to_date__gt=on))


class OrgUnitQuerySet(models.QuerySet["OrgUnit"]):
    def descendants(self, *, include_self: bool = False) -> "OrgUnitQuerySet":
        """All units below these, and these too where asked for; one recursive query."""
        column = "id" if include_self else "parent_id"
        try:
            start, params = self.order_by().values("pk").query.sql_with_params()
        except EmptyResultSet:
            return self.model._default_manager.none()
        below = RawSQL(DESCENDANTS.format(start=f"unit.{column} IN ({start})"), params)
        return self.model._default_manager.filter(pk__in=below)

    def with_path(self) -> "OrgUnitQuerySet":
        """In the order of the tree, each with `path`, the names from the top down: "Works / North / Maintenance"."""
        return self.annotate(path=RawSQL(PATH, (), models.TextField())).order_by(F("path"), "pk")


class UserQuerySet(models.QuerySet["User"]):
    def with_role(self, role: str) -> "UserQuerySet":
        """Those who can sign in and have the role."""
        return self.filter(is_active=True, roles__contains=[role])


class LearnerQuerySet(models.QuerySet["Learner"]):
    def visible_to(self, user: Any, *, on: date | None = None) -> "LearnerQuerySet":
        """The learners this user may see on a date (else today): own reports, own coachees, oneself.

        An administrator sees everybody. A dated relation counts first; where there is none, whoever the unit
        names, climbing the tree. Several roles add up. Nobody sees the erased, and the inactive see nobody.
        Today is the database's.
        """
        from learners.models import CoachConflict, Oversight, Role

        if not getattr(user, "is_active", False):  # deactivated, or nobody has signed in
            return self.none()
        present = self.filter(erased_at__isnull=True, merged_into__isnull=True)
        if Role.ADMIN in user.roles:
            return present
        seen = Q(pk=user.learner_id) if user.learner_id else Q(pk__in=[])
        if Role.MANAGER in user.roles:
            seen |= _in_charge(user, Oversight.Kind.MANAGER, on or database_today())
        if Role.COACH in user.roles:
            coached = _in_charge(user, Oversight.Kind.COACH, on or database_today())
            coached |= Q(pk__in=self.model._default_manager.helped_by(user).order_by().values("pk"))
            # One of the two said that they are not to meet.
            seen |= coached & ~Q(pk__in=CoachConflict.objects.filter(user=user).order_by().values("learner"))
        return present.filter(seen)

    def helped_by(self, user: Any) -> "LearnerQuerySet":
        """Those in units in which this coach helps beside the one in charge, and below."""
        from learners.models import OrgUnit, Role

        if not user.has_role(Role.COACH):
            return self.none()
        units = OrgUnit.objects.filter(more_coaches__user=user).descendants(include_self=True)
        return self.filter(
            unit__in=units.order_by().values("pk"), erased_at__isnull=True, merged_into__isnull=True
        ).exclude(pk=user.learner_id)

    def kept_records(self, learner_ids: Iterable[UUID]) -> dict[UUID, UUID]:
        """Of these records the ones that were found to be somebody's second → the record that was kept."""
        with connection.cursor() as cursor:
            cursor.execute(KEPT, [list(learner_ids)])
            return dict(cursor.fetchall())

    def current_staff(self, on: date) -> "LearnerQuerySet":
        """Those who work here on a date: not left, not erased, not another record of somebody."""
        return self.filter(
            Q(left_on__isnull=True) | Q(left_on__gt=on), erased_at__isnull=True, merged_into__isnull=True
        )


def _in_charge(user: "User", kind: "Oversight.Kind", on: date | Cast) -> Q:
    """The learners of whom the user is the manager (or coach): by a dated relation, else by their unit."""
    from learners.models import Oversight

    dated = Oversight.objects.filter(in_force(on), kind=kind, user=user)
    # A relation to oneself, to somebody who cannot sign in, or who lost the role, leaves the unit in charge.
    working = (
        Oversight.objects.filter(
            in_force(on),
            kind=kind,
            learner=OuterRef("pk"),
            user__is_active=True,
            user__roles__contains=[kind.value],
        )
        .exclude(user__learner_id__isnull=False, user__learner_id=F("learner_id"))
        .order_by()
    )
    by_unit = RawSQL(IN_CHARGE_BY_UNIT.format(column=f"{kind.value}_id"), (user.pk, kind.value), UUIDField())
    others = ~Q(pk=user.learner_id) if user.learner_id else Q()
    in_charge = Q(pk__in=dated.order_by().values("learner")) | (Q(pk__in=by_unit) & ~Exists(working))
    return in_charge & others


class EnrolmentQuerySet(models.QuerySet["Enrolment"]):
    def active(self) -> "EnrolmentQuerySet":
        return self.filter(state="active")

    def visible_to(self, user: Any, *, on: date | None = None) -> "EnrolmentQuerySet":
        """The enrolments of the learners this user may see."""
        from learners.models import Learner

        return self.filter(learner__in=Learner.objects.visible_to(user, on=on).order_by().values("pk"))


class RoleNameQuerySet(models.QuerySet["RoleName"]):
    def undecided(self) -> "RoleNameQuerySet":
        """Names that mean nothing yet, or that look like another role, and wait for a person's word."""
        return self.filter(Q(job_role__isnull=True) | Q(proposal__isnull=False), decided_at__isnull=True)


class BaselineSkillQuerySet(models.QuerySet["BaselineSkill"]):
    def consenting(self) -> "BaselineSkillQuerySet":
        """Those of people who allow a profile to be made of them; everything that computes asks by this."""
        allowing = gate.only_allowing(self, Scope.PROFILE)
        assert isinstance(allowing, BaselineSkillQuerySet)
        return allowing

    def newest(self) -> "BaselineSkillQuerySet":
        """One row for each person and competency: the latest word, whoever said it."""
        return self.order_by("learner_id", "competency_id", "-as_of", "-pk").distinct(
            "learner_id", "competency_id"
        )
