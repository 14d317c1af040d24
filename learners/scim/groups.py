"""Groups of an identity provider: each stands for an organisation unit or a job role, as the client's setting says."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from scim2_models import InvalidValueException, UniquenessException

from consent import audit
from consent.actors import Party
from learners.models import OrgUnit, RoleName, ScimClient, ScimGroup, ScimMembership, ScimPerson
from learners.rolenames import note, spelling
from learners.roster.known import About, Known
from learners.scim.people import people_of, place_by_group
from learners.scim.saying import path_of
from learners.scim.schemas import Group

LONGEST_GROUP_NAME = 400
MOST_MEMBERS = 50_000


def create(*, client: ScimClient, wanted: Group, now: datetime) -> ScimGroup:
    """The group with its members; its unit is made where it is missing. Raises UniquenessException."""
    group = ScimGroup(client=client, created_at=now)
    return _keep(group, wanted, now=now, action="scim.group_created")


def change(*, group: ScimGroup, wanted: Group, now: datetime) -> ScimGroup:
    """The group as it is wanted; where it is so already, nothing is written."""
    return _keep(group, wanted, now=now, action="scim.group_changed")


def delete(*, group: ScimGroup, now: datetime) -> None:
    """The group is gone; the unit or job role it stood for stays, its people leave it."""
    members = list(people_of(group.client).filter(memberships__group=group).order_by("pk"))
    client, group_id = group.client, group.pk
    group.delete()
    place_by_group(client=client, people=members, left={one.pk for one in members}, now=now)
    _trace(client, "scim.group_deleted", group_id, now=now, left=len(members))


def _keep(group: ScimGroup, wanted: Group, *, now: datetime, action: str) -> ScimGroup:
    client = group.client
    name = (wanted.display_name or "").strip()
    if not name or len(name) > LONGEST_GROUP_NAME:
        raise InvalidValueException(
            detail=f"displayName: a group's name has 1 to {LONGEST_GROUP_NAME} characters."
        )
    if ScimGroup.objects.filter(client=client, display_name=name).exclude(pk=group.pk).exists():
        raise UniquenessException(detail="displayName: another group has it.")
    members = _members(client, wanted)
    is_new, external_id = group._state.adding, (wanted.external_id or "")[:200]
    is_renamed = group.display_name != name
    if is_new or is_renamed or group.external_id != external_id:
        if is_new or is_renamed:
            _find_meaning(group, name, now=now)
        group.display_name, group.external_id, group.changed_at = name, external_id, now
        group.save()
    before = dict(ScimMembership.objects.filter(group=group).values_list("person_id", "pk"))
    joined = [person for person in members if person.pk not in before]
    gone = before.keys() - {person.pk for person in members}
    ScimMembership.objects.bulk_create(
        [ScimMembership(group=group, person=person, since=now) for person in joined], batch_size=1000
    )
    ScimMembership.objects.filter(pk__in=[before[pk] for pk in gone]).delete()
    moved = {person.pk for person in (members if is_renamed else joined)} | gone
    if joined or gone:
        ScimGroup.objects.filter(pk=group.pk).update(changed_at=now)
        group.changed_at = now
    if moved:
        place_by_group(
            client=client,
            people=list(people_of(client).filter(pk__in=moved).order_by("pk")),
            left=gone,
            now=now,
        )
    if is_new or is_renamed or moved:
        _trace(client, action, group.pk, now=now, joined=len(joined), left=len(gone))
    return group


def _members(client: ScimClient, wanted: Group) -> list[ScimPerson]:
    """The people meant by the members. Raises InvalidValueException where one is nobody of this client."""
    values = list(dict.fromkeys(one.value for one in wanted.members or () if one.value))
    if len(values) > MOST_MEMBERS:
        raise InvalidValueException(detail=f"members: at most {MOST_MEMBERS}.")
    ids = [uuid_of(value) for value in values]
    found = {
        person.learner_id: person
        for person in people_of(client).filter(learner__in=[one for one in ids if one]).order_by("pk")
    }
    missing = [value for value, one in zip(values, ids, strict=True) if one not in found]
    if missing:
        raise InvalidValueException(
            detail=f"members: {missing[0][:64]} is no user here. Groups within groups are not kept."
        )
    return [found[one] for one in ids if one is not None]


def uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _find_meaning(group: ScimGroup, name: str, *, now: datetime) -> None:
    """The unit or role name a group of this name stands for."""
    client = group.client
    if client.groups_mean == ScimClient.Groups.JOB_ROLE:
        named: RoleName | None = note([name], source=client.source, now=now).get(spelling(name))
        group.role_name = named
    if client.groups_mean != ScimClient.Groups.UNIT:
        return
    path = path_of(name)
    if not path:
        raise InvalidValueException(detail="displayName: write a unit as A/B/C.")
    known = Known(lock=False, about=About(frozenset()))
    unit = known.units.get(path)
    if unit is None and group.unit is not None and _may_rename(group, path, known):
        # Renamed over there: its manager, coach and people stay with it here.
        OrgUnit.objects.filter(pk=group.unit.pk).update(name=path[-1])
        return
    if unit is None:
        added: list[OrgUnit] = []
        unit = known.unit(path, added)
        for one in added:  # from the top down
            one.parent = one.parent  # picks up the key the parent was just given
            one.save()
    group.unit = unit


def _may_rename(group: ScimGroup, path: Collection[str], known: Known) -> bool:
    """Whether the unit's own name is all that changes, and it is this group's alone."""
    assert group.unit_id is not None
    now_at = known.path_of[group.unit_id]
    is_alone = not ScimGroup.objects.filter(unit=group.unit_id).exclude(pk=group.pk).exists()
    return is_alone and tuple(path)[:-1] == now_at[:-1]


def _trace(client: ScimClient, action: str, group_id: UUID, *, now: datetime, **counts: int) -> None:
    audit.record(
        actor=Party("scim_client", client.pk),
        action=action,
        target=Party("scim_group", group_id),
        now=now,
        detail=counts,
    )
