"""What learners keeps about a person: handed out and erased. A pseudonymous row stays, so that counts stay right."""

import os
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Greatest

from consent.registry import Fields
from consent.scopes import Scope
from learners.models import (
    BaselineSkill,
    CoachConflict,
    CoachProfile,
    CoachSkill,
    DeclaredAttribute,
    Enrolment,
    Goal,
    Identifier,
    Learner,
    LinkCandidate,
    LinkRecord,
    Merge,
    MergeStep,
    OrgUnit,
    Oversight,
    Preferences,
    ScimPerson,
    UnitCoach,
    User,
)

FIELDS: dict[str, Fields] = {
    "BaselineSkill": Fields(("learner", "competency", "level", "source", "as_of"), ("id",)),
    "CoachConflict": Fields(("learner", "user", "said_by", "said_at"), ("id",)),
    "CoachProfile": Fields(("user", "languages", "most_cases"), ()),
    "CoachSkill": Fields(("user", "competency", "course"), ("id",)),
    "Competency": Fields((), ("id", "key", "name", "description", "parent")),
    "CompetencyItem": Fields((), ("id", "competency", "lesson", "iri", "name", "position")),
    "CompetencyLesson": Fields((), ("id", "competency", "iri", "name", "position")),
    "Course": Fields((), ("id", "iri", "name", "kind", "starts_on", "length_days", "pass_mark")),
    "DeclaredAttribute": Fields(("learner", "name", "value", "said_at"), ("id", "source")),
    "Enrolment": Fields(
        (
            "learner",
            "starts_on",
            "due_on",
            "state",
            "enrolled_at",
            "ended_at",
            "earlier_attempts",
            "study_load",
        ),
        ("id", "course"),
    ),
    "Goal": Fields(("learner", "competency", "course", "by_date", "words", "made_at", "reached_at"), ("id",)),
    "Identifier": Fields(
        ("learner", "hash", "given_hash", "value", "valid_from", "valid_to"), ("id", "kind")
    ),
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
            "role_since",
            "time_zone",
            "language",
            "started_on",
            "left_on",
            "leave_from",
            "leave_until",
            "merged_into",
        ),
        ("erased_at",),
    ),
    "LinkCandidate": Fields(
        ("left", "right", "probability", "weight", "evidence", "decided_by", "identifier"),
        ("id", "model_version", "state", "found_at", "decided_at"),
    ),
    "LinkRecord": Fields(
        ("learner", "actor", "agent", "fingerprint", "name_key", "blocks"), ("id", "dirty_since")
    ),
    "Merge": Fields(
        ("kept", "duplicate", "candidate", "evidence", "plan", "by_uuid", "undone_by"),
        ("id", "by_kind", "at", "undone_at"),
    ),
    "MergeStep": Fields(("keys", "before", "after"), ("id", "merge", "position", "table")),
    "OrgUnit": Fields(("manager", "coach"), ("id", "code", "name", "parent", "time_zone", "holidays")),
    "Oversight": Fields(("learner", "user", "from_date", "to_date"), ("id", "kind")),
    "PlanStep": Fields((), ("id", "course", "activity_iri", "name", "due_day", "weight", "competency")),
    "Preferences": Fields(
        ("learner", "channel", "learning_format", "quiet_from", "quiet_to", "changed_at"), ()
    ),
    "RoleCompetency": Fields((), ("id", "job_role", "competency", "level", "position")),
    "RoleName": Fields(
        (),
        (
            "id",
            "source",
            "name",
            "key",
            "job_role",
            "proposal",
            "similarity",
            "first_seen_at",
            "decided_at",
        ),
    ),
    "ScimClient": Fields(
        (),
        (
            "id",
            "name",
            "token_hash",
            "groups_mean",
            "home_page",
            "is_active",
            "created_at",
            "last_used_at",
        ),
    ),
    "ScimGroup": Fields(
        (),
        ("id", "client", "display_name", "external_id", "unit", "role_name", "created_at", "changed_at"),
    ),
    "ScimMembership": Fields(("person", "since"), ("id", "group")),
    "ScimPerson": Fields(
        (
            "learner",
            "user_name_hash",
            "external_hash",
            "said",
            "waits_for",
            "role_name",
            "closed_account",
            "created_at",
            "changed_at",
            "deleted_at",
        ),
        ("id", "client"),
    ),
    "UnitCoach": Fields(("user",), ("id", "unit")),
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
            "role_since": _iso(learner.role_since),
            "time_zone": learner.time_zone,
            "language": learner.language,
            "started_on": _iso(learner.started_on),
            "left_on": _iso(learner.left_on),
            "leave_from": _iso(learner.leave_from),
            "leave_until": _iso(learner.leave_until),
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
            "helps_in_units": list(user.helps_in.values_list("unit__name", flat=True)),
            "coaches_in": [
                row.course.name if row.course else row.competency.name if row.competency else ""
                for row in user.coach_skills.select_related("course", "competency")
            ],
            **_coach_profile(user),
        },
        "not_to_meet": [
            {"user": str(row.user_id), "said_by": row.get_said_by_display(), "at": _iso(row.said_at)}
            for row in CoachConflict.objects.filter(learner=learner)
        ],
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
        "thought_to_be_the_same": [
            {"probability": row.probability, "because": row.evidence, "decided": row.get_state_display()}
            for row in LinkCandidate.objects.filter(Q(left__learner=subject) | Q(right__learner=subject))
        ],
        "merges": [
            {
                "kept": str(row.kept_id),
                "merged": str(row.duplicate_id),
                "at": _iso(row.at),
                "undone": _iso(row.undone_at),
            }
            for row in Merge.objects.filter(Q(kept=subject) | Q(duplicate=subject))
        ],
        "enrolments": [
            {
                "course": row.course.name,
                "state": row.state,
                "starts_on": _iso(row.starts_on),
                "due_on": _iso(row.due_on),
                "enrolled_at": _iso(row.enrolled_at),
                "ended_at": _iso(row.ended_at),
                "earlier_attempts": row.earlier_attempts,
                "study_load": row.study_load,
            }
            for row in Enrolment.objects.filter(learner=learner).select_related("course")
        ],
        "declared": [
            {
                "attribute": row.get_name_display(),
                "value": row.value,
                "source": row.source,
                "at": _iso(row.said_at),
            }
            for row in DeclaredAttribute.objects.filter(learner=learner)
        ],
        "identity_provider": _provisioned(learner),
        **_own_profile(learner),
    }


def _coach_profile(user: User) -> dict[str, Any]:
    row = CoachProfile.objects.filter(pk=user.pk).first()
    return {
        "coaching_languages": row.languages if row else [],
        "most_cases": row.most_cases if row else None,
        "not_to_coach": [str(pk) for pk in user.coach_conflicts.values_list("learner_id", flat=True)],
    }


def _provisioned(learner: Learner) -> dict[str, Any] | None:
    """What an identity provider said about the person, in its own words."""
    row = ScimPerson.objects.filter(learner=learner).select_related("client").first()
    if row is None:
        return None
    return {
        "name": row.client.name,
        "said": row.said,
        "groups": [
            {"name": one.group.display_name, "since": _iso(one.since)}
            for one in row.memberships.select_related("group")
        ],
        "created_at": _iso(row.created_at),
        "changed_at": _iso(row.changed_at),
        "let_go_at": _iso(row.deleted_at),
    }


def _own_profile(learner: Learner) -> dict[str, Any]:
    """What the person brought along, how they like to learn and what they want to reach."""
    wishes = Preferences.objects.filter(learner=learner).first()
    return {
        "baseline_skills": [
            {
                "competency": row.competency.name,
                "level": row.level,
                "source": row.source,
                "as_of": _iso(row.as_of),
            }
            for row in BaselineSkill.objects.filter(learner=learner).select_related("competency")
        ],
        "preferences": wishes
        and {
            "channel": wishes.channel,
            "learning_format": wishes.learning_format,
            "quiet_from": wishes.quiet_from and wishes.quiet_from.isoformat(),
            "quiet_to": wishes.quiet_to and wishes.quiet_to.isoformat(),
            "changed_at": _iso(wishes.changed_at),
        },
        "goals": [
            {
                "competency": row.competency.name if row.competency else None,
                "course": row.course.name if row.course else None,
                "by": _iso(row.by_date),
                "in_own_words": row.words,
                "made_at": _iso(row.made_at),
                "reached_at": _iso(row.reached_at),
            }
            for row in Goal.objects.filter(learner=learner).select_related("competency", "course")
        ],
    }


def same_person(subject: UUID) -> list[UUID]:
    """The person's other records, the one that is kept first: what is asked of one is asked of all."""
    kept = Learner.objects.kept_records([subject]).get(subject, subject)
    found = [kept]
    wave = [kept]
    while wave:
        wave = list(
            Learner.objects.filter(merged_into__in=wave)
            .exclude(pk__in=found)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        found += wave
    return [one for one in found if one != subject]


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
        "role_since": None,
        "started_on": None,
        "left_on": None,
        "leave_from": None,
        "leave_until": None,
    }
    LinkRecord.objects.filter(learner=subject).delete()
    merges = Merge.objects.filter(Q(kept=subject) | Q(duplicate=subject))
    MergeStep.objects.filter(merge__in=merges).delete()  # nothing can be taken apart any more
    merges.update(evidence={})
    Enrolment.objects.filter(learner=subject).update(earlier_attempts=None, study_load=None)
    Learner.objects.filter(pk=subject).update(**blanked, erased_at=learner.erased_at or now)
    return {
        "learner": 0 if learner.erased_at else 1,
        "identifier": Identifier.objects.filter(learner=subject).delete()[0],
        "oversight": Oversight.objects.filter(learner=subject).delete()[0],
        "provisioned": ScimPerson.objects.filter(learner=subject).delete()[0],
        "baseline": BaselineSkill.objects.filter(learner=subject).delete()[0],
        "preferences": Preferences.objects.filter(learner=subject).delete()[0],
        "goal": Goal.objects.filter(learner=subject).delete()[0],
        "coach_conflict": CoachConflict.objects.filter(learner=subject).delete()[0],
        "declared": DeclaredAttribute.objects.filter(learner=subject).delete()[0],
        "user": _unlink_user(subject, now=now),
    }


def _unlink_user(subject: UUID, *, now: datetime) -> int:
    """Ends the person's account: nobody can sign in to it, and nothing in it says whose it was."""
    user = User.objects.select_for_update().filter(learner=subject).first()
    if user is None:
        return 0
    OrgUnit.objects.filter(manager=user).update(manager=None)
    OrgUnit.objects.filter(coach=user).update(coach=None)
    for told in (CoachProfile, CoachSkill, UnitCoach, CoachConflict):
        told._default_manager.filter(user=user).delete()
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
