"""What is to become of people, as far as a provider speaks of them, and its way on to the roster."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from scim2_models import InvalidValueException, NotFoundException

from learners.models import JobRole, Learner, ScimClient, ScimPerson
from learners.roster.importing import bring_in_line
from learners.roster.known import About, Known
from learners.roster.reading import RosterFaults, Row
from learners.scim import saying
from learners.scim.representing import languages
from learners.scim.saying import Said

# The chain of managers above somebody; UNION ends it where it bites its own tail.
ABOVE = """
    WITH RECURSIVE up (learner_id) AS (
        SELECT unnest(%s::uuid[])
        UNION
        SELECT boss.learner_id
        FROM up
        JOIN learners_oversight relation
            ON relation.learner_id = up.learner_id AND relation.kind = 'manager' AND relation.to_date IS NULL
        JOIN learners_user boss ON boss.id = relation.user_id
        WHERE boss.learner_id IS NOT NULL
    )
    SELECT learner_id FROM up
"""


EVERYTHING = frozenset(
    {"number", "name", "email", "unit", "job_role", "time_zone", "language", "manager", "active"}
)


class Wish(NamedTuple):
    """What is to become of one person, in what the topics name; the rest stays as it is."""

    learner_id: UUID
    old: Said
    new: Said
    topics: frozenset[str]
    job_role: JobRole | None = None  # what the title or the group means; None: unsaid or not known
    unit_by_group: int | None = None
    left_group: bool = False  # the last group that said anything was just left
    manager: UUID | None = None  # somebody known, who can be given an account

    def speaks_of(self, topic: str) -> bool:
        """Whether the provider speaks of it, or just stopped to."""
        return topic in self.topics and (saying.SPOKEN[topic](self.new) or saying.SPOKEN[topic](self.old))


def apply(wishes: Sequence[Wish], *, client: ScimClient, now: datetime) -> set[UUID]:
    """Writes what these wishes come to, on the roster's path; those whose account was closed by it."""
    kept = Learner.objects.kept_records(wish.learner_id for wish in wishes)
    if kept:
        _note_leaving(wishes, kept, today=now.date())
        wishes = _about_kept(wishes, kept)
    closed = _write(wishes, client=client, now=now)
    return closed | {merged for merged, into in kept.items() if into in closed}


def _note_leaving(wishes: Sequence[Wish], kept: Mapping[UUID, UUID], *, today: date) -> None:
    """Keeps on the second record too whether the person is here: the provider asks for it back."""
    for wish in wishes:
        if wish.learner_id in kept and wish.speaks_of("active"):
            left_on = today if wish.new.get("active") is False else None
            Learner.objects.filter(pk=wish.learner_id).update(left_on=left_on)


def _about_kept(wishes: Sequence[Wish], kept: Mapping[UUID, UUID]) -> list[Wish]:
    """The same, but what is said of a second record holds for the one that was kept, as far as it must.

    Whether somebody is here must reach the record that we speak to; all else a second record has no say in. And none
    at all where a provider speaks of the kept record itself.
    """
    spoken_of = set(
        ScimPerson.objects.filter(learner__in=kept.values(), deleted_at__isnull=True).values_list(
            "learner_id", flat=True
        )
    )
    out = []
    for wish in wishes:
        into = kept.get(wish.learner_id)
        if into is None:
            out.append(wish)
        elif into not in spoken_of and wish.speaks_of("active"):
            out.append(Wish(into, wish.old, wish.new, frozenset({"active"})))
    return out


def _write(wishes: Sequence[Wish], *, client: ScimClient, now: datetime) -> set[UUID]:
    if not wishes:
        return set()
    managers = [wish.manager for wish in wishes if wish.manager is not None]
    emails = frozenset(filter(None, (saying.address(wish.new) for wish in wishes)))
    people = {wish.learner_id for wish in wishes} | set(_above(managers))
    known = Known(lock=True, about=About(frozenset(people), emails), source=client.source)
    unknown = [wish.learner_id for wish in wishes if wish.learner_id.bytes not in known.learners]
    if Learner.objects.filter(pk__in=unknown).exists():
        # Erased since we looked: writing now would bring back what the person had taken away.
        raise NotFoundException(detail="There is no such user any more.")
    rows = [_row(wish, known, today=now.date()) for wish in wishes]
    open_before = {pk for pk, user in known.user_of.items() if user.is_active}
    try:
        bring_in_line(known, rows, now=now)
    except RosterFaults as faults:
        raise InvalidValueException(
            detail="; ".join(dict.fromkeys(fault.text for fault in faults.faults))
        ) from None
    return {pk for pk in open_before if not known.user_of[pk].is_active}


def _above(managers: Collection[UUID]) -> Iterable[UUID]:
    if not managers:
        return []
    with connection.cursor() as cursor:
        cursor.execute(ABOVE, [list(managers)])
        return [row[0] for row in cursor.fetchall()]


def _row(wish: Wish, known: Known, *, today: date) -> Row:
    """The person's row: what the provider speaks of as it says it, the rest as it stands."""
    learner = known.learners.get(wish.learner_id.bytes) or Learner(pk=wish.learner_id)
    new, speaks_of = wish.new, wish.speaks_of
    number = str(saying.enterprise(new, "employeeNumber") or "").strip() if "number" in wish.topics else ""
    role = _role(wish, known, learner)
    return Row(
        line=0,
        employee_id=number or learner.employee_number,
        name=(saying.full_name(new) if speaks_of("name") else "") or learner.name or new["userName"],
        email=saying.address(new) if speaks_of("email") else learner.email,
        unit=_unit(wish, known, learner),
        job_role="",
        impact="",
        manager_employee_id="" if speaks_of("manager") else None,
        coach_email=None,
        time_zone=saying.time_zone(new) if speaks_of("time_zone") else learner.time_zone,
        language=saying.language(new, languages()) if speaks_of("language") else learner.language,
        start_date=learner.started_on,
        end_date=_end_date(wish, learner, today=today),
        person=wish.learner_id.bytes,
        manager=wish.manager.bytes if wish.manager else None,
        role_code=role.code if role else "",
    )


def _role(wish: Wish, known: Known, learner: Learner) -> JobRole | None:
    """The role that is said; a title nobody knows yet changes nothing before somebody decides what it means."""
    current = known.role_of.get(learner.job_role_id) if learner.job_role_id else None
    if wish.job_role is not None and "job_role" in wish.topics:
        return wish.job_role
    has_stopped = wish.speaks_of("job_role") and not wish.new.get("title")
    return None if "job_role" in wish.topics and (has_stopped or wish.left_group) else current


def _unit(wish: Wish, known: Known, learner: Learner) -> saying.Path:
    if wish.unit_by_group is not None and "unit" in wish.topics:
        return known.path_of[wish.unit_by_group]
    if wish.speaks_of("unit"):
        return saying.unit_path(wish.new)
    if wish.left_group or learner.unit_id is None:
        return () if "unit" in wish.topics or learner.unit_id is None else known.path_of[learner.unit_id]
    return known.path_of[learner.unit_id]


def _end_date(wish: Wish, learner: Learner, *, today: date) -> date | None:
    """The first day away: today for whoever is let go, none for whoever is back, else what was known."""
    says = wish.new.get("active") if "active" in wish.topics else None
    has_left = learner.left_on is not None and learner.left_on <= today
    if says is False and not has_left:
        return max(today, learner.started_on or today)
    return None if says is True and has_left else learner.left_on
