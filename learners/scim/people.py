"""Makes, changes and lets go people as an identity provider says, on the roster's own path.

Everything here runs inside one transaction after `wait_for_turn`, so that two clients, or a client and a roster, never
work on the same people at once.
"""

import unicodedata
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Q
from scim2_models import InvalidValueException, UniquenessException

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
from learners.scim import saying
from learners.scim.saying import Said
from learners.scim.wishes import EVERYTHING, Wish, apply


def user_name_hash(name: str) -> bytes:
    """The look-up key of a userName, which the standard compares without case."""
    return keyed_hash("scim user name", unicodedata.normalize("NFC", name.strip()).casefold())


def external_hash(external_id: str) -> bytes:
    """The look-up key of an externalId, which the standard compares with case."""
    return keyed_hash("scim external id", external_id)


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
    closed = apply(
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
    apply(wishes, client=client, now=now)


def _roles_by_title(client: ScimClient, people: Sequence[ScimPerson], now: datetime) -> dict[int, JobRole]:
    titles = {person.pk: str(person.said.get("title") or "") for person in people}
    names = note(titles.values(), source=client.source, now=now)
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
    own = {person.learner_id, *Learner.objects.kept_records([person.learner_id]).values()}
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
    role_name = note([title], source=client.source, now=now).get(spelling(title))
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
    closed = apply([wish], client=client, now=now)
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
    found = found or (_holder(reference) if "@" in reference else None)
    kept = Learner.objects.kept_records([found.pk]) if found is not None else {}
    return learners.get(pk=kept[found.pk]) if found is not None and kept else found


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
        apply(given, client=client, now=now)
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
        kept = Learner.objects.kept_records([person.learner_id])
        who = kept.get(person.learner_id, person.learner_id)
        User.objects.filter(learner=who, is_active=False).update(is_active=True)
    person.closed_account = False


def _name_account(client: ScimClient, person: ScimPerson, said: Said, *, now: datetime) -> None:
    """Statements may name the person by their userName: the dated xAPI account says so."""
    if not client.home_page or Learner.objects.kept_records([person.learner_id]):
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
