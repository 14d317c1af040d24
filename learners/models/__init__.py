"""Who exists: people who sign in, people who learn, where they work and what they are enrolled in."""

from learners.models.coaches import CoachConflict, CoachProfile, CoachSkill, UnitCoach
from learners.models.courses import Course, Enrolment, PlanStep
from learners.models.declared import DeclaredAttribute
from learners.models.levels import Level
from learners.models.linking import LinkCandidate, LinkRecord, Merge, MergeStep
from learners.models.organisation import (
    Competency,
    CompetencyItem,
    CompetencyLesson,
    JobRole,
    OrgUnit,
    RoleCompetency,
)
from learners.models.people import Identifier, Learner, Oversight, Role, User
from learners.models.profiles import BaselineSkill, Goal, Preferences
from learners.models.provisioning import ScimClient, ScimGroup, ScimMembership, ScimPerson
from learners.models.rolenames import RoleName

__all__ = [
    "BaselineSkill",
    "CoachConflict",
    "CoachProfile",
    "CoachSkill",
    "Competency",
    "CompetencyItem",
    "CompetencyLesson",
    "Course",
    "DeclaredAttribute",
    "Enrolment",
    "Goal",
    "Identifier",
    "JobRole",
    "Learner",
    "Level",
    "LinkCandidate",
    "LinkRecord",
    "Merge",
    "MergeStep",
    "OrgUnit",
    "Oversight",
    "PlanStep",
    "Preferences",
    "Role",
    "RoleCompetency",
    "RoleName",
    "ScimClient",
    "ScimGroup",
    "ScimMembership",
    "ScimPerson",
    "UnitCoach",
    "User",
]
