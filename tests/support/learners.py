"""The smallest valid people, units, courses and enrolments; every field can be given by keyword."""

from datetime import UTC, date, datetime
from itertools import count
from typing import Any

from learners.identity import add_identifier
from learners.models import (
    BaselineSkill,
    Competency,
    Course,
    DeclaredAttribute,
    Enrolment,
    Goal,
    Identifier,
    JobRole,
    Learner,
    OrgUnit,
    Oversight,
    PlanStep,
    Role,
    RoleName,
    ScimClient,
    ScimPerson,
    User,
)
from learners.rolenames import spelling

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TODAY = date(2026, 3, 2)

_numbers = count(1)


def make_user(*roles: str, role: str | None = None, **fields: Any) -> User:
    """Somebody who can sign in; without a role they may do nothing. Give `password` for a usable one."""
    number = next(_numbers)
    given = [*roles, *([role] if role else [])]
    values: dict[str, Any] = {"login": f"user{number}@example.test", "name": f"User {number}", "roles": given}
    return User.objects.create_user(**{**values, **fields})


def make_manager(**fields: Any) -> User:
    return make_user(Role.MANAGER, **fields)


def make_coach(**fields: Any) -> User:
    return make_user(Role.COACH, **fields)


def make_learner(*, manager: User | None = None, coach: User | None = None, **fields: Any) -> Learner:
    """A learner without unit; `manager` and `coach` become relations open since the start of 2026."""
    number = next(_numbers)
    values: dict[str, Any] = {"name": f"Learner {number}", "email": f"learner{number}@example.test"}
    learner = Learner.objects.create(**{**values, **fields})
    if manager is not None:
        make_oversight(learner=learner, user=manager, kind=Oversight.Kind.MANAGER)
    if coach is not None:
        make_oversight(learner=learner, user=coach, kind=Oversight.Kind.COACH)
    return learner


def make_oversight(**fields: Any) -> Oversight:
    return Oversight.objects.create(**{"from_date": date(2026, 1, 1), **fields})


def make_identifier(*, learner: Learner | None = None, now: datetime = NOW, **fields: Any) -> Identifier:
    """An open identifier; an e-mail address unless `kind` and `value` say otherwise."""
    who = learner or make_learner()
    values: dict[str, Any] = {"kind": Identifier.Kind.MBOX, "value": f"learner{next(_numbers)}@example.test"}
    return add_identifier(learner=who, now=now, **{**values, **fields})


def make_unit(**fields: Any) -> OrgUnit:
    number = next(_numbers)
    return OrgUnit.objects.create(**{"code": f"unit-{number}", "name": f"Unit {number}", **fields})


def make_job_role(**fields: Any) -> JobRole:
    number = next(_numbers)
    return JobRole.objects.create(**{"code": f"role-{number}", "name": f"Role {number}", **fields})


def make_competency(**fields: Any) -> Competency:
    number = next(_numbers)
    return Competency.objects.create(
        **{"key": f"competency-{number}", "name": f"Competency {number}", **fields}
    )


def make_course(**fields: Any) -> Course:
    number = next(_numbers)
    values: dict[str, Any] = {"iri": f"https://lms.example.test/course/{number}", "name": f"Course {number}"}
    return Course.objects.create(**{**values, **fields})


def make_plan_step(*, course: Course | None = None, **fields: Any) -> PlanStep:
    number = next(_numbers)
    values: dict[str, Any] = {
        "activity_iri": f"https://lms.example.test/activity/{number}",
        "name": f"Step {number}",
        "due_day": 7,
    }
    return PlanStep.objects.create(course=course or make_course(), **{**values, **fields})


def make_enrolment(
    *, learner: Learner | None = None, course: Course | None = None, **fields: Any
) -> Enrolment:
    """An active enrolment that began on 1 February 2026."""
    values: dict[str, Any] = {"starts_on": date(2026, 2, 1), "enrolled_at": datetime(2026, 2, 1, tzinfo=UTC)}
    return Enrolment.objects.create(
        learner=learner or make_learner(), course=course or make_course(), **{**values, **fields}
    )


def make_role_name(**fields: Any) -> RoleName:
    number = next(_numbers)
    values: dict[str, Any] = {"name": f"Name {number}", "source": "scim:Okta", "first_seen_at": NOW}
    values |= fields
    return RoleName.objects.create(**{"key": spelling(values["name"]), **values})


def make_scim_client(**fields: Any) -> ScimClient:
    number = next(_numbers)
    values = {"name": f"Provider {number}", "token_hash": number.to_bytes(16, "big"), "created_at": NOW}
    return ScimClient.objects.create(**{**values, **fields})


def make_scim_person(**fields: Any) -> ScimPerson:
    """Somebody as an identity provider knows them; a client and a learner are made where none is given."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "user_name_hash": number.to_bytes(16, "big"),
        "said": {"userName": f"user{number}"},
        "created_at": NOW,
        "changed_at": NOW,
    }
    values |= fields
    return ScimPerson.objects.create(
        **{
            "client": values.pop("client", None) or make_scim_client(),
            "learner": values.pop("learner", None) or make_learner(),
            **values,
        }
    )


def make_baseline(*, learner: Learner | None = None, **fields: Any) -> BaselineSkill:
    values: dict[str, Any] = {"level": 2, "source": BaselineSkill.Source.SELF, "as_of": TODAY}
    values |= fields
    competency = values.pop("competency", None) or make_competency()
    return BaselineSkill.objects.create(learner=learner or make_learner(), competency=competency, **values)


def make_goal(*, learner: Learner | None = None, **fields: Any) -> Goal:
    values: dict[str, Any] = {"by_date": date(2026, 6, 1), "made_at": NOW}
    return Goal.objects.create(learner=learner or make_learner(), **{**values, **fields})


def make_declared(*, learner: Learner | None = None, **fields: Any) -> DeclaredAttribute:
    """Something a learner declared for audits of fairness."""
    values: dict[str, Any] = {"name": "gender", "value": "woman", "source": "roster", "said_at": NOW}
    return DeclaredAttribute.objects.create(learner=learner or make_learner(), **{**values, **fields})
