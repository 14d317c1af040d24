"""Sets of learners and what belongs to them, in the words of the domain."""

from datetime import date
from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from learners.models import Enrolment, Learner, OrgUnit, User  # noqa: F401  (generic parameters)


class OrgUnitQuerySet(models.QuerySet["OrgUnit"]):
    pass


class LearnerQuerySet(models.QuerySet["Learner"]):
    def visible_to(self, user: "User", *, on: date | None = None) -> "LearnerQuerySet":
        """The learners this user may see (on a date, else on the database's today): own reports, own coachees, oneself; everybody for an admin."""
        raise NotImplementedError


class EnrolmentQuerySet(models.QuerySet["Enrolment"]):
    def active(self) -> "EnrolmentQuerySet":
        return self.filter(state="active")
