"""Who exists: people who sign in, people who learn, where they work and what they are enrolled in."""

from learners.models.courses import Course, Enrolment, PlanStep
from learners.models.organisation import Competency, JobRole, OrgUnit, RoleCompetency
from learners.models.people import Identifier, Learner, Oversight, Role, User

__all__ = [
    "Competency",
    "Course",
    "Enrolment",
    "Identifier",
    "JobRole",
    "Learner",
    "OrgUnit",
    "Oversight",
    "PlanStep",
    "Role",
    "RoleCompetency",
    "User",
]
