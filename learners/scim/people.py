"""Makes, changes and lets go people as an identity provider says, on the roster's own path.

Everything here runs inside one transaction after `wait_for_turn`, so that two clients, or a client and a roster, never
work on the same people at once.
"""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connection
from django.db.models import Q
from scim2_models import InvalidValueException, NotFoundException, UniquenessException

from consent import audit
from consent.actors import Party
from consent.crypto import keyed_hash
from learners.identity import (
    IdentifierTaken,
    add_identifier,
    canonical,
    close_identifier,
    employee_hash,
    identifier_hash,
    resolve,
)
from learners.models import (
    Identifier,
    JobRole,
    Learner,
    RoleName,
    ScimClient,
    ScimMembership,
    ScimPerson,
    User,
)
from learners.rolenames import note, spelling
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


def user_name_hash(name: str) -> bytes:
    """The look-up key of a userName, which the standard compares without case."""
    return keyed_hash("scim user name", unicodedata.normalize("NFC", name.strip()).casefold())


def external_hash(external_id: str) -> bytes:
    """The look-up key of an externalId, which the standard compares with case."""
    return keyed_hash("scim external id", external_id)


def source_of(client: ScimClient) -> str:
    """What this client is called among the sources of role names."""
    return f"scim:{client.name}"


def people_of(client: ScimClient) -> Any:
    """Those a client provisions, with what is needed to answer about them."""
    return ScimPerson.objects.filter(
        client=client, deleted_at__isnull=True, learner__erased_at__isnull=True
    ).select_related("learner__job_role", "role_name")


def create(*, client: ScimClient, user: Any, now: datetime) -> ScimPerson:
    """The person, newly provisioned: somebody the roster knows already, somebody who comes back, or somebody new.

    Raises UniquenessException where the userName, number or address is somebody else's.
    """
    said = saying.said_by(user)
    said.setdefault("active", True)
    learner_id, person = _recognise(client, said, today=now.date())
    if person is None:  # saved once the learner is
        person = ScimPerson(learner_id=learner_id or Learner().pk, created_at=now, said={})
    person.client, person.deleted_at = client, None
    return _keep(client, person, said, old={}, now=now, action="scim.person_created")


def change(*, client: ScimClient, person: ScimPerson, current: Said, said: Said, now: datetime) -> ScimPerson:
    """The person with these words in place of what holds now. Where they are the same, nothing is written."""
    if said == current:
        return person
    return _keep(client, person, said, old=current, now=now, action="scim.person_changed")


def leave(*, client: ScimClient, person: ScimPerson, now: datetime) -> None:
    """The person no longer works here, and the client no longer speaks of them. What they learned stays on record."""
    said = {**person.said, "active": False}
    closed = _apply(
        [Wish(person.learner_id, person.said, said, frozenset({"active"}))], client=client, now=now
    )
    ScimMembership.objects.filter(person=person).delete()
    person.closed_account = person.closed_account or person.learner_id in closed
    person.said, person.deleted_at, person.changed_at, person.waits_for = said, now, now, None
    person.save(update_fields=["said", "deleted_at", "changed_at", "waits_for", "closed_account"])
    _trace(client, "scim.person_left", person.learner_id, now=now)


def place_by_group(
    *, client: ScimClient, people: Sequence[ScimPerson], left: Collection[int], now: datetime
) -> None:
    """Puts people into the unit or job role of their groups; `left`: keys of those who just left one."""
    if client.groups_mean == ScimClient.Groups.NOTHING or not people:
        return
    meaning = _by_groups(client, people)
    is_unit = client.groups_mean == ScimClient.Groups.UNIT
    topics = frozenset({"unit"} if is_unit else {"job_role"})
    roles = {} if is_unit else _roles_by_title(client, people, now)
    wishes = []
    for person in people:
        unit_id, job_role = meaning.get(person.pk, (None, None))
        wishes.append(
            Wish(
                person.learner_id,
                person.said,
                person.said,
                topics,
                job_role=job_role or roles.get(person.pk),
                unit_by_group=unit_id,
                left_group=person.pk in left and person.pk not in meaning,
            )
        )
    _apply(wishes, client=client, now=now)


def _roles_by_title(client: ScimClient, people: Sequence[ScimPerson], now: datetime) -> dict[int, JobRole]:
    titles = {person.pk: str(person.said.get("title") or "") for person in people}
    names = note(titles.values(), source=source_of(client), now=now)
    found = {pk: names.get(spelling(title)) for pk, title in titles.items()}
    return {pk: row.job_role for pk, row in found.items() if row is not None and row.job_role is not None}


# who is meant


def _recognise(client: ScimClient, said: Said, *, today: date) -> tuple[UUID | None, ScimPerson | None]:
    """Whom a new user is: a learner we know, with their row if one was ever made."""
    number = str(saying.enterprise(said, "employeeNumber") or "").strip()
    email = saying.address(said)
    by_number = (
        Learner.objects.filter(employee_hash=employee_hash(number), erased_at__isnull=True).first()
        if number
        else None
    )
    before = None
    if said.get("externalId"):
        before = (
            ScimPerson.objects.filter(client=client, external_hash=external_hash(said["externalId"]))
            .select_related("learner")
            .order_by("-changed_at", "pk")
            .first()
        )
    by_email = _holder(email)
    learner = by_number
    if learner is None and before is not None and not _another_number(before.learner, number):
        learner = before.learner
    if learner is None and by_email is not None:
        if _another_number(by_email, number):
            raise UniquenessException(
                detail="emails: this address names somebody with another employee number."
            )
        if by_email.left_on is not None and by_email.left_on <= today:
            # Somebody new may have been given the address of somebody who left.
            raise UniquenessException(
                detail="emails: this address still names somebody who left. Send the externalId or employeeNumber they "
                "had if it is the same person; else close their identifier in the admin first."
            )
        learner = by_email
    if learner is None:
        return None, None
    person = ScimPerson.objects.filter(learner=learner).select_related("learner", "client").first()
    if (
        person is not None
        and person.deleted_at is None
        and (person.client == client or person.client.is_active)
    ):
        raise UniquenessException(
            detail="This person is provisioned already"
            + (
                f", with the id {person.learner_id}."
                if person.client == client
                else " by another identity provider; take that one out of use, or let go of the person there."
            )
        )
    return learner.pk, person


def _another_number(learner: Learner, number: str) -> bool:
    return bool(number and learner.employee_hash and bytes(learner.employee_hash) != employee_hash(number))


def _holder(email: str) -> Learner | None:
    """Whom an address names now."""
    if not email:
        return None
    named = resolve([identifier_hash(canonical("mbox", email))])
    return Learner.objects.filter(pk__in=named.values()).first()


def _check_unique(client: ScimClient, person: ScimPerson, said: Said) -> None:
    others = ScimPerson.objects.filter(client=client, deleted_at__isnull=True).exclude(pk=person.pk)
    if others.filter(user_name_hash=user_name_hash(said["userName"])).exists():
        raise UniquenessException(detail="userName: somebody else has it.")
    # Somebody's second record and the one that was kept are one person.
    own = {person.learner_id, *_kept_records([person.learner_id]).values()}
    number = str(saying.enterprise(said, "employeeNumber") or "").strip()
    if number:
        holders = Learner.objects.filter(employee_hash=employee_hash(number)).exclude(pk__in=own)
        if holders.exists():
            raise UniquenessException(detail="employeeNumber: somebody else has it.")
    email = saying.address(said)
    if email:
        try:
            validate_email(email)
        except ValidationError:
            raise InvalidValueException(
                detail="emails: the address that counts is no e-mail address."
            ) from None
        holder = _holder(email)
        if holder is not None and holder.pk not in own:
            raise UniquenessException(detail="emails: this address names somebody else.")


# writing


def _keep(
    client: ScimClient, person: ScimPerson, said: Said, *, old: Said, now: datetime, action: str
) -> ScimPerson:
    """Brings the learner in line with what is said and keeps the words."""
    said["userName"] = said["userName"].strip()
    if not said["userName"]:
        raise InvalidValueException(detail="userName is empty.")
    _check_unique(client, person, said)
    title = str(said.get("title") or "")
    role_name = note([title], source=source_of(client), now=now).get(spelling(title))
    manager, waits_for = _manager(client, person.learner_id, said)
    unit_id, group_role = _by_groups(client, [person]).get(person.pk, (None, None))
    was_away = Learner.objects.filter(pk=person.learner_id, left_on__lte=now.date()).exists()
    wish = Wish(
        person.learner_id,
        old,
        said,
        EVERYTHING,
        job_role=group_role or (role_name.job_role if role_name else None),
        unit_by_group=unit_id,
        manager=manager,
    )
    closed = _apply([wish], client=client, now=now)
    person.closed_account = person.closed_account or person.learner_id in closed
    if was_away and said.get("active") is True:
        _reopen_account(person)
    _name_account(client, person, said, now=now)
    person.said, person.role_name, person.waits_for = said, role_name, waits_for
    person.user_name_hash = user_name_hash(said["userName"])
    person.external_hash = external_hash(said["externalId"]) if said.get("externalId") else None
    person.changed_at = now
    person.save()
    _trace(client, action, person.learner_id, now=now, attributes=saying.changed_topics(old, said))
    _give_waiting(client, person, said, now=now)
    kept: ScimPerson = people_of(client).get(pk=person.pk)
    return kept


def _apply(wishes: Sequence[Wish], *, client: ScimClient, now: datetime) -> set[UUID]:
    """Writes what these wishes come to, on the roster's path; those whose account was closed by it."""
    kept = _kept_records([wish.learner_id for wish in wishes])
    if kept:
        _note_leaving(wishes, kept, today=now.date())
        wishes = _about_kept(wishes, kept)
    closed = _write(wishes, client=client, now=now)
    return closed | {merged for merged, into in kept.items() if into in closed}


def _kept_records(learner_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Those that were found to be somebody's second record → the record that was kept."""
    found: dict[UUID, UUID] = {}
    rows = Learner.objects.filter(pk__in=learner_ids, merged_into__isnull=False).select_related("merged_into")
    for row in rows:
        into = row.merged_into
        while into is not None and into.merged_into is not None:  # merges can follow each other
            into = into.merged_into
        if into is not None:
            found[row.pk] = into.pk
    return found


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
    known = Known(lock=True, about=About(frozenset(people), emails), source=source_of(client))
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


# managers


def _manager(client: ScimClient, learner_id: UUID, said: Said) -> tuple[UUID | None, bytes | None]:
    """The manager somebody has, or the hash under which one is waited for. Nobody is their own manager."""
    reference = saying.manager_reference(said)
    if not reference:
        return None, None
    found = _called(client, reference)
    if found is None:
        return None, _waiting_hash(client, reference)
    if found.pk == learner_id:
        return None, None
    if not found.email and not User.objects.filter(learner=found).exists():
        return None, _waiting_hash(client, reference)  # nothing to sign in by yet
    return found.pk, None


def _called(client: ScimClient, reference: str) -> Learner | None:
    """Whom a provider means: by our id, employee number, externalId, userName or address, in this order."""
    learners = Learner.objects.filter(erased_at__isnull=True)
    try:
        found = learners.filter(pk=UUID(reference)).first()
    except ValueError:
        found = None
    if found is None:
        found = learners.filter(employee_hash=employee_hash(reference)).first()
    if found is None:
        named = Q(external_hash=external_hash(reference)) | Q(user_name_hash=user_name_hash(reference))
        person = people_of(client).filter(named).order_by("pk").first()
        found = person.learner if person else None
    return found or (_holder(reference) if "@" in reference else None)


def _waiting_hash(client: ScimClient, reference: str) -> bytes:
    return keyed_hash("scim manager", f"{client.pk}:{reference.casefold()}")


def _give_waiting(client: ScimClient, person: ScimPerson, said: Said, *, now: datetime) -> None:
    """Those whose manager was not known before: this person may be the one."""
    names = (
        str(person.learner_id),
        saying.enterprise(said, "employeeNumber"),
        said.get("externalId"),
        said["userName"],
        saying.address(said),
    )
    hashes = [_waiting_hash(client, str(name)) for name in names if name]
    waiting = people_of(client).filter(waits_for__in=hashes).exclude(pk=person.pk).order_by("pk")
    given = []
    for one in waiting:
        manager, still = _manager(client, one.learner_id, one.said)
        if still is None:
            given.append(Wish(one.learner_id, one.said, one.said, frozenset({"manager"}), manager=manager))
    if given:
        _apply(given, client=client, now=now)
        ScimPerson.objects.filter(learner__in=[wish.learner_id for wish in given]).update(waits_for=None)


# groups


def _by_groups(
    client: ScimClient, people: Sequence[ScimPerson]
) -> dict[int, tuple[int | None, JobRole | None]]:
    """The unit or job role that each person's groups give; of several the one joined last."""
    found: dict[int, tuple[int | None, JobRole | None]] = {}
    if client.groups_mean == ScimClient.Groups.NOTHING:
        return found
    memberships = (
        ScimMembership.objects.filter(person__in=[one for one in people if one.pk])
        .select_related("group__role_name__job_role")
        .order_by("since", "pk")
    )
    for membership in memberships:
        group = membership.group
        if client.groups_mean == ScimClient.Groups.UNIT and group.unit_id:
            found[membership.person_id] = (group.unit_id, None)
        elif client.groups_mean == ScimClient.Groups.JOB_ROLE:
            named: RoleName | None = group.role_name
            if named is not None and named.job_role is not None:
                found[membership.person_id] = (None, named.job_role)
    return found


# accounts


def _reopen_account(person: ScimPerson) -> None:
    """Somebody is back: their account opens again if leaving had closed it, not if an administrator had."""
    if person.closed_account:
        who = _kept_records([person.learner_id]).get(person.learner_id, person.learner_id)
        User.objects.filter(learner=who, is_active=False).update(is_active=True)
    person.closed_account = False


def _name_account(client: ScimClient, person: ScimPerson, said: Said, *, now: datetime) -> None:
    """Statements may name the person by their userName: the dated xAPI account says so."""
    if not client.home_page or _kept_records([person.learner_id]):
        return  # a second record's identifiers went to the one that was kept
    value = f"{client.home_page}|{said['userName']}"
    hashed = identifier_hash(canonical("account", value))
    prefix = f"{client.home_page}|"
    for old in Identifier.objects.filter(
        learner=person.learner_id, kind=Identifier.Kind.ACCOUNT, valid_to__isnull=True
    ):
        if old.value.startswith(prefix) and bytes(old.hash) != hashed:
            close_identifier(identifier=old, now=now)
    for taken in Identifier.objects.filter(
        hash=hashed, valid_to__isnull=True, learner__left_on__lte=now.date()
    ).exclude(learner=person.learner_id):
        close_identifier(identifier=taken, now=now)  # a user name given anew, after its holder left
    learner = Learner.objects.get(pk=person.learner_id)
    try:
        add_identifier(learner=learner, kind=Identifier.Kind.ACCOUNT, value=value, now=now)
    except IdentifierTaken:
        raise UniquenessException(detail="userName: statements name somebody else by this account.") from None


def _trace(
    client: ScimClient, action: str, learner_id: UUID, *, now: datetime, attributes: Sequence[str] = ()
) -> None:
    audit.record(
        actor=Party("scim_client", client.pk),
        action=action,
        target=Party("learner", learner_id),
        now=now,
        detail={"attributes": list(attributes)} if attributes else {},
    )
