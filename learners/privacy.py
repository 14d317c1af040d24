"""What learners keeps about a person: handed out and erased. A pseudonymous row stays, so that counts stay right."""

import os
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models.functions import Greatest

from consent.registry import Fields
from consent.scopes import Scope
from learners.models import Enrolment, Identifier, Learner, OrgUnit, Oversight, User

FIELDS: dict[str, Fields] = {
    "Competency": Fields((), ("id", "key", "name")),
    "Course": Fields((), ("id", "iri", "name", "kind", "starts_on", "length_days", "pass_mark")),
    "Enrolment": Fields(
        ("learner", "starts_on", "due_on", "state", "enrolled_at", "ended_at"), ("id", "course")
    ),
    "Identifier": Fields(("learner", "hash", "value", "valid_from", "valid_to"), ("id", "kind")),
    "JobRole": Fields((), ("id", "code", "name", "impact")),
    "Learner": Fields(
        (
            "id",
            "employee_hash",
            "employee_number",
            "name",
            "email",
            "unit",
            "job_role",
            "time_zone",
            "language",
            "started_on",
            "left_on",
        ),
        ("erased_at",),
    ),
    "OrgUnit": Fields(("manager", "coach"), ("id", "code", "name", "parent", "time_zone")),
    "Oversight": Fields(("learner", "user", "from_date", "to_date"), ("id", "kind")),
    "PlanStep": Fields((), ("id", "course", "activity_iri", "name", "due_day", "weight", "competency")),
    "RoleCompetency": Fields((), ("id", "job_role", "competency")),
    "User": Fields(
        ("id", "login_hash", "login", "name", "learner", "time_zone", "language", "last_login"),
        ("password", "roles", "is_active"),
    ),
}


def export(subject: UUID) -> dict[str, Any]:
    """Who we think the person is, what names them, who looks after them and what they are enrolled in."""
    learner = Learner.objects.select_related("unit", "job_role", "user").filter(pk=subject).first()
    if learner is None:
        return {}
    user = User.objects.filter(learner=learner).first()
    return {
        "profile": {
            "employee_number": learner.employee_number,
            "name": learner.name,
            "email": learner.email,
            "unit": learner.unit.name if learner.unit else None,
            "job_role": learner.job_role.name if learner.job_role else None,
            "time_zone": learner.time_zone,
            "language": learner.language,
            "started_on": _iso(learner.started_on),
            "left_on": _iso(learner.left_on),
        },
        "account": user
        and {
            "sign_in_name": user.login,
            "name": user.name,
            "roles": user.roles,
            "time_zone": user.time_zone,
            "language": user.language,
            "last_sign_in": _iso(user.last_login),
            "manages_units": list(user.managed_units.values_list("name", flat=True)),
            "coaches_units": list(user.coached_units.values_list("name", flat=True)),
        },
        "identifiers": [
            {
                "kind": row.kind,
                "value": row.value,
                "from": _iso(row.valid_from),
                "to": _iso(row.valid_to),
            }
            for row in Identifier.objects.filter(learner=learner)
        ],
        # Who the colleague is stays with the colleague: their name is not this person's data.
        "looked_after_by": [
            {"kind": row.kind, "user": str(row.user_id), "from": _iso(row.from_date), "to": _iso(row.to_date)}
            for row in Oversight.objects.filter(learner=learner)
        ],
        "looks_after": [
            {
                "kind": row.kind,
                "learner": str(row.learner_id),
                "from": _iso(row.from_date),
                "to": _iso(row.to_date),
            }
            for row in Oversight.objects.filter(user__learner=learner)
        ],
        "enrolments": [
            {
                "course": row.course.name,
                "state": row.state,
                "starts_on": _iso(row.starts_on),
                "due_on": _iso(row.due_on),
                "enrolled_at": _iso(row.enrolled_at),
                "ended_at": _iso(row.ended_at),
            }
            for row in Enrolment.objects.filter(learner=learner).select_related("course")
        ],
    }


def _iso(moment: date | None) -> str | None:
    return None if moment is None else moment.isoformat()


@transaction.atomic
def erase(subject: UUID, *, now: datetime) -> dict[str, int]:
    """Blanks the person and cuts every thread to them; the rows lost or blanked, by store."""
    learner = Learner.objects.select_for_update().filter(pk=subject).first()
    if learner is None:
        return {}
    blanked = {
        "employee_hash": None,
        "employee_number": "",
        "name": "",
        "email": "",
        "time_zone": "",
        "started_on": None,
        "left_on": None,
    }
    Learner.objects.filter(pk=subject).update(**blanked, erased_at=learner.erased_at or now)
    return {
        "learner": 0 if learner.erased_at else 1,
        "identifier": Identifier.objects.filter(learner=subject).delete()[0],
        "oversight": Oversight.objects.filter(learner=subject).delete()[0],
        "user": _unlink_user(subject, now=now),
    }


def _unlink_user(subject: UUID, *, now: datetime) -> int:
    """Ends the person's account: nobody can sign in to it, and nothing in it says whose it was."""
    user = User.objects.select_for_update().filter(learner=subject).first()
    if user is None:
        return 0
    OrgUnit.objects.filter(manager=user).update(manager=None)
    OrgUnit.objects.filter(coach=user).update(coach=None)
    today = now.date()
    Oversight.objects.filter(user=user, to_date__isnull=True).update(to_date=Greatest("from_date", today))
    return User.objects.filter(pk=user.pk).update(
        # Unique, and the hash of no name.
        login_hash=os.urandom(16),
        login="",
        name="",
        password=make_password(None),
        roles=[],
        time_zone="",
        last_login=None,
        learner=None,
        is_active=False,
    )


def withdraw(subject: UUID, scope: Scope, *, now: datetime) -> dict[str, int]:
    """Nothing: that somebody works here and learns is known whatever they allow."""
    return {}
