"""The requests Microsoft Entra ID sends over the life of a person, in its order and with its quirks."""

import pytest

from learners.models import Learner, Oversight
from tests.support.scim import ENTERPRISE, GROUP, USER, Provider

pytestmark = pytest.mark.django_db


def entra_user(name: str, **more: object) -> dict[str, object]:
    return {
        "schemas": [USER, ENTERPRISE],
        "externalId": f"{name}-object-id",
        "userName": f"{name}@corp.example.test",
        "active": True,
        "displayName": name.title(),
        "emails": [{"primary": True, "type": "work", "value": f"{name}@example.test"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": name.title(), "familyName": name.title(), "givenName": name.title()},
        "roles": [],
        **more,
    }


def test_it_follows_a_person_from_hiring_to_leaving() -> None:
    entra = Provider("Entra", groups_mean="unit")

    # "Test connection" asks for somebody who cannot exist.
    tested = entra.find("Users", 'userName eq "9f1d6c6e-4c9b-4d7f-8f83-6f0d1d6c7a11"')
    assert (tested.status, tested.body["totalResults"]) == (200, 0)

    ann = entra.post(
        "Users", entra_user("ann", **{ENTERPRISE: {"department": "Works", "employeeNumber": "7"}})
    )
    bea = entra.post("Users", entra_user("bea"))
    assert (ann.status, bea.status) == (201, 201), (ann.body, bea.body)
    place = f"Users/{ann.body['id']}"

    # It finds people by userName, without regard to case, or by externalId.
    for asked in (
        'userName eq "ANN@corp.example.test"',
        'externalId eq "ann-object-id"',
        ['emails[type eq "work"].value eq "x@y.z"', 'emails.value eq "ann@example.test"'][1],
        'emails[type eq "work" and value eq "ann@example.test"]',
    ):
        found = entra.find("Users", asked)
        assert [one["id"] for one in found.body["Resources"]] == [ann.body["id"]], asked

    # Several changes in one PATCH: operations in capitals, paths with filters, dotted and by URN.
    changed = entra.patch(
        place,
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "ann.new@example.test"},
        {"op": "Replace", "path": "name.familyName", "value": "Newname"},
        {"op": "Replace", "path": "displayName", "value": "Ann Newname"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Works/North"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": bea.body["id"]},
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+49 1"},
    )
    assert changed.status == 200, changed.body
    learner = Learner.objects.get(pk=ann.body["id"])
    assert (learner.email, learner.name) == ("ann.new@example.test", "Ann Newname")
    assert learner.unit is not None and learner.unit.name == "North"
    assert str(Oversight.objects.get(learner=learner).user.learner_id) == bea.body["id"]
    assert changed.body[ENTERPRISE]["manager"] == {"value": bea.body["id"]}

    # Without a path, keys may be dotted, URNs or filters.
    flat = entra.patch(
        place,
        {
            "op": "replace",
            "value": {
                "displayName": "Ann Flat",
                "name.givenName": "Annie",
                f"{ENTERPRISE}:department": "Works/South",
                'emails[type eq "work"].value': "ann.flat@example.test",
            },
        },
    )
    assert flat.status == 200, flat.body
    learner.refresh_from_db()
    assert (learner.name, learner.email) == ("Ann Flat", "ann.flat@example.test")
    assert learner.unit is not None and learner.unit.name == "South"

    # Old tenants wrap values and name the manager without its schema; taking one away needs no value.
    wrapped = entra.patch(
        place,
        {"op": "Replace", "path": "displayName", "value": [{"$ref": None, "value": "Ann Wrapped"}]},
        {"op": "Add", "path": "manager", "value": [{"$ref": "https://x/Users/1", "value": bea.body["id"]}]},
    )
    assert (wrapped.status, wrapped.body["displayName"]) == (200, "Ann Wrapped")
    assert entra.patch(place, {"op": "Remove", "path": f"{ENTERPRISE}:manager"}).status == 200
    assert not Oversight.objects.filter(learner=learner, to_date__isnull=True).exists()
    assert Oversight.objects.filter(learner=learner).count() == 1  # dated, not deleted

    # Groups: asked for without their members, filled and emptied by value.
    group = entra.post(
        "Groups", {"schemas": [GROUP], "externalId": "group-object-id", "displayName": "Works", "members": []}
    )
    assert group.status == 201, group.body
    at = f"Groups/{group.body['id']}"
    assert "members" not in entra.get(f"{at}?excludedAttributes=members").body
    found = entra.find("Groups", 'displayName eq "Works"', excludedAttributes="members")
    assert [one["id"] for one in found.body["Resources"]] == [group.body["id"]]
    for person in (ann, bea):
        assert (
            entra.patch(at, {"op": "Add", "path": "members", "value": [{"value": person.body["id"]}]}).status
            == 200
        )
    learner.refresh_from_db()
    assert learner.unit is not None and learner.unit.name == "Works"
    emptied = entra.patch(at, {"op": "Remove", "path": "members", "value": [{"value": ann.body["id"]}]})
    assert [one["value"] for one in emptied.body["members"]] == [bea.body["id"]]  # not the whole group

    # Soft deletion sends a boolean as text; a hard one follows after 30 days.
    off = entra.patch(place, {"op": "Replace", "path": "active", "value": "False"})
    assert (off.status, off.body["active"]) == (200, False)
    assert entra.delete(place).status == 204
    assert entra.get(place).status == 404
    assert entra.delete(place).status == 404
    learner.refresh_from_db()
    assert learner.left_on is not None and learner.name == "Ann Wrapped"

    # Rehired: the same person, the same id.
    again = entra.post("Users", entra_user("ann", **{ENTERPRISE: {"employeeNumber": "7"}}))
    assert (again.status, again.body["id"]) == (201, ann.body["id"])
    learner.refresh_from_db()
    assert learner.left_on is None


def test_it_lets_people_leave_a_group_as_entra_asks_for_it() -> None:
    entra = Provider("Entra")
    ann, bea = (entra.post("Users", entra_user(name)).body["id"] for name in ("ann", "bea"))
    group = entra.post("Groups", {"schemas": [GROUP], "displayName": "Works", "members": [{"value": ann}]})
    at = f"Groups/{group.body['id']}"
    entra.patch(at, {"op": "Add", "path": "members", "value": [{"$ref": None, "value": bea}]})

    gone = entra.patch(at, {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": ann}]})
    assert (gone.status, [one["value"] for one in gone.body["members"]]) == (200, [bea])

    gone = entra.patch(at, {"op": "Remove", "path": "members", "value": [{"value": bea, "display": "B."}]})
    assert (gone.status, gone.body.get("members")) == (200, None)


def test_it_says_whether_somebody_has_this_manager() -> None:
    entra = Provider("Entra")
    boss = entra.post("Users", entra_user("boss")).body["id"]
    ann = entra.post("Users", entra_user("ann", **{ENTERPRISE: {"manager": {"value": boss}}})).body["id"]

    def has(manager: str) -> int:
        found = entra.find("Users", f'id eq "{ann}" and manager eq "{manager}"', attributes="id")
        assert found.status == 200, found.body
        return int(found.body["totalResults"])

    assert (has(boss), has(ann)) == (1, 0)
