"""One list of job roles from the names of many systems.

A name means a role because it is the role's own, or because a person said so. What merely resembles one is proposed in
the admin and changes nothing by itself; names nobody knows are kept and listed there.
"""

import unicodedata
from collections.abc import Iterable
from datetime import datetime
from difflib import SequenceMatcher
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from consent import audit
from consent.actors import Party
from learners.models import JobRole, Learner, RoleName, ScimMembership, ScimPerson

ROSTER = "roster"
LONGEST = 200
# Proposals are for a person to judge, so the bar is low. Measured: "Sr. fitter" and "Senior fitter" 0.78, "Sales rep"
# and "Sales representative" 0.62, "Nurse" and "Head nurse" 0.67; but also "Baker" and "Banker" 0.91.
RESEMBLES = 0.6


class Resemblance(NamedTuple):
    job_role: JobRole
    similarity: float


def spelling(name: str) -> str:
    """What of a name counts: not its case, its spaces or its way of writing letters."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())[:LONGEST]


def resembling(name: str, roles: Iterable[JobRole]) -> Resemblance | None:
    """The role whose name is most like this one, if any is like it at all; the order of words counts half."""
    wanted = spelling(name)
    best: Resemblance | None = None
    matcher = SequenceMatcher(autojunk=False)
    sorted_wanted = " ".join(sorted(wanted.split()))
    for role in roles:
        own = spelling(role.name)
        similarity = 0.0
        for first, second in ((wanted, own), (sorted_wanted, " ".join(sorted(own.split())))):
            matcher.set_seqs(first, second)
            floor = max(RESEMBLES, best.similarity if best else 0.0)
            if matcher.real_quick_ratio() >= floor and matcher.quick_ratio() >= floor:
                similarity = max(similarity, matcher.ratio())
        if similarity >= RESEMBLES and (best is None or similarity > best.similarity):
            best = Resemblance(role, round(similarity, 3))
    return best


def decided(source: str) -> dict[str, int]:
    """What names mean in this system because a person said so: spelling → job role's key."""
    rows = (
        RoleName.objects.filter(
            Q(source=source) | Q(source=RoleName.ANY), decided_at__isnull=False, job_role__isnull=False
        )
        .order_by("source", "pk")  # what holds everywhere first, so that the system's own word replaces it
        .values_list("key", "job_role_id")
    )
    return {key: role for key, role in rows if role is not None}


def note(names: Iterable[str], *, source: str, now: datetime) -> dict[str, RoleName]:
    """The row of each name in this system, by spelling; made where the name is new, with its meaning or a proposal."""
    wanted = {key: name.strip()[:LONGEST] for name in names if (key := spelling(name))}
    rows = {row.key: row for row in RoleName.objects.filter(source=source, key__in=wanted)}
    new = wanted.keys() - rows.keys()
    unclear = [row for row in rows.values() if row.job_role_id is None]
    if new or unclear:
        roles = list(JobRole.objects.order_by("pk"))
        own = {spelling(role.code): role for role in reversed(roles)} | {
            spelling(role.name): role for role in reversed(roles)
        }
        by_id = {role.pk: role for role in roles}
        meant = {key: by_id[pk] for key, pk in decided(source).items()}
        for key in sorted(new):
            role = meant.get(key) or own.get(key)
            like = None if role else resembling(wanted[key], roles)
            rows[key] = RoleName(
                source=source,
                name=wanted[key],
                key=key,
                job_role=role,
                proposal=like and like.job_role,
                similarity=like and like.similarity,
                first_seen_at=now,
            )
        RoleName.objects.bulk_create([rows[key] for key in sorted(new)])
        for row in unclear:  # a role of this very name may have been made since
            if role := meant.get(row.key) or own.get(row.key):
                row.job_role, row.proposal, row.similarity = role, None, None
                row.save(update_fields=["job_role", "proposal", "similarity"])
    return rows


def note_made(made: Iterable[tuple[JobRole, Resemblance | None]], *, source: str, now: datetime) -> None:
    """Keeps where a role made from a name came from, and what it resembles."""
    RoleName.objects.bulk_create(
        [
            RoleName(
                source=source,
                name=role.name,
                key=spelling(role.name),
                job_role=role,
                proposal=like and like.job_role,
                similarity=like and like.similarity,
                first_seen_at=now,
            )
            for role, like in made
            if spelling(role.name)
        ],
        ignore_conflicts=True,
    )


@transaction.atomic
def decide(*, role_name: RoleName, job_role: JobRole | None, by: Party, now: datetime) -> int:
    """How many people's role changed because a person said what this name means (None: nothing we keep)."""
    row = RoleName.objects.select_for_update().get(pk=role_name.pk)
    made_of_it = row.job_role if row.decided_at is None and row.source == ROSTER else None
    row.job_role, row.proposal, row.similarity, row.decided_at = job_role, None, None, now
    row.save(update_fields=["job_role", "proposal", "similarity", "decided_at"])
    concerned: set[UUID] = set(_called(row))
    if made_of_it is not None:  # the roster made a role of the name: its people were called so
        concerned |= set(Learner.objects.filter(job_role=made_of_it).values_list("pk", flat=True))
    changed = 0
    if job_role is not None:
        others = Learner.objects.filter(pk__in=concerned).exclude(job_role=job_role)
        # Whoever had another role has changed into this one; of a name's own people only the name has changed.
        moved = others.filter(job_role__isnull=False)
        if made_of_it is not None:
            moved = moved.exclude(job_role=made_of_it)
        changed = moved.update(job_role=job_role, role_since=now.date())
        changed += others.update(job_role=job_role)
    audit.record(
        actor=by,
        action="role_name.decided",
        target=Party("role_name", UUID(int=row.pk)),
        now=now,
        detail={"job_role": job_role and job_role.code, "people": changed},
    )
    return changed


def _called(row: RoleName) -> Iterable[UUID]:
    """The learners whom an identity provider calls so: by their title, or by their group where groups say it."""
    people = ScimPerson.objects.filter(role_name=row, deleted_at__isnull=True)
    by_group = ScimMembership.objects.filter(group__role_name=row)
    return [
        *people.values_list("learner_id", flat=True),
        *by_group.values_list("person__learner_id", flat=True),
    ]
