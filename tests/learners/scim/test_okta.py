"""The requests Okta sends over the life of a person, in its order and with its quirks (SCIM 2.0, OIN guide)."""

import pytest

from consent.models import AuditEntry
from learners.identity import canonical, identifier_hash, resolve
from learners.models import Identifier, Learner, Oversight, User
from tests.support.scim import ENTERPRISE, GROUP, USER, Provider

pytestmark = pytest.mark.django_db


def okta_user(first: str, last: str, **more: object) -> dict[str, object]:
    login = f"{first}.{last}@example.test".lower()
    return {
        "schemas": [USER, ENTERPRISE],
        "userName": login,
        "name": {"givenName": first, "familyName": last},
        "emails": [{"primary": True, "value": login, "type": "work"}],
        "displayName": f"{first} {last}",
        "locale": "en-US",
        "externalId": f"00u{first.lower()}",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
        **more,
    }


def test_it_follows_a_person_from_hiring_to_leaving() -> None:
    okta = Provider("Okta", home_page="https://example.okta.com", groups_mean="unit")

    # Okta looks first, in pages of its own size.
    looked = okta.find("Users", 'userName eq "ann.smith@example.test"', startIndex=1, count=100)
    assert (looked.status, looked.body["totalResults"], looked.body["Resources"]) == (200, 0, [])

    # The report arrives before the manager, who is named by a number of the HR system.
    made = okta.post(
        "Users",
        okta_user(
            "Ann",
            "Smith",
            title="Fitter",
            timezone="Europe/Berlin",
            **{ENTERPRISE: {"employeeNumber": "E-100", "department": "North", "manager": {"value": "E-1"}}},
        ),
    )
    assert made.status == 201, made.body
    assert made.headers["Location"] == made.body["meta"]["location"]
    assert made.body["meta"]["version"] == made.etag
    assert "password" not in made.body
    ann = Learner.objects.get(pk=made.body["id"])
    assert (ann.name, ann.email, ann.employee_number) == ("Ann Smith", "ann.smith@example.test", "E-100")
    assert ann.unit is not None and ann.unit.name == "North"
    assert (ann.time_zone, ann.language) == ("Europe/Berlin", "en")
    assert not Oversight.objects.exists()

    boss = okta.post("Users", okta_user("Bea", "Jones", **{ENTERPRISE: {"employeeNumber": "E-1"}}))
    assert boss.status == 201
    relation = Oversight.objects.get(learner=ann)
    assert str(relation.user.learner_id) == boss.body["id"]
    assert okta.get(f"Users/{ann.pk}").body[ENTERPRISE]["manager"]["value"] == boss.body["id"]

    # A second POST of the same person is a conflict that Okta links by.
    again = okta.post("Users", okta_user("Ann", "Smith"))
    assert (again.status, again.body["scimType"]) == (409, "uniqueness")
    assert again.body["status"] == "409"

    # Okta updates profiles by PUT with the whole user, here with a new surname, login and address.
    body = okta.get(f"Users/{ann.pk}").body
    body |= {
        "userName": "ann.jones@example.test",
        "name": {"givenName": "Ann", "familyName": "Jones"},
        "displayName": "Ann Jones",
        "emails": [{"primary": True, "value": "ann.jones@example.test", "type": "work"}],
    }
    put = okta.put(f"Users/{ann.pk}", body)
    assert put.status == 200, put.body
    ann.refresh_from_db()
    assert (ann.name, ann.email) == ("Ann Jones", "ann.jones@example.test")
    old, new = (identifier_hash(canonical("mbox", f"ann.{name}@example.test")) for name in ("smith", "jones"))
    assert resolve([old, new]) == {new: ann.pk}
    account = Identifier.objects.get(learner=ann, kind="account", valid_to__isnull=True)
    assert account.value == "https://example.okta.com|ann.jones@example.test"
    assert Identifier.objects.filter(learner=ann, kind="account", valid_to__isnull=False).count() == 1

    # Group push: the group, then its members, then a rename with the id sent back, then a removal by filter.
    group = okta.post("Groups", {"schemas": [GROUP], "displayName": "Works/South", "members": []})
    assert group.status == 201, group.body
    place = f"Groups/{group.body['id']}"
    added = okta.patch(
        place,
        {
            "op": "add",
            "path": "members",
            "value": [{"value": str(ann.pk), "display": "ann.jones@example.test"}],
        },
    )
    assert added.status == 200 and [one["value"] for one in added.body["members"]] == [str(ann.pk)]
    ann.refresh_from_db()
    assert ann.unit is not None and (ann.unit.name, ann.unit.parent and ann.unit.parent.name) == (
        "South",
        "Works",
    )
    south = ann.unit
    renamed = okta.patch(
        place, {"op": "replace", "value": {"id": group.body["id"], "displayName": "Works/South East"}}
    )
    assert renamed.status == 200, renamed.body
    south.refresh_from_db()
    assert south.name == "South East"
    assert okta.patch(place, {"op": "remove", "path": f'members[value eq "{ann.pk}"]'}).status == 200
    ann.refresh_from_db()
    assert ann.unit is not None and ann.unit.name == "North"  # the department is what is left to say it

    # Deactivation, as Okta does it: a path-less replace.
    off = okta.patch(f"Users/{boss.body['id']}", {"op": "replace", "value": {"active": False}})
    assert (off.status, off.body["active"]) == (200, False)
    assert User.objects.get(learner=boss.body["id"]).is_active is False
    gone = Learner.objects.get(pk=boss.body["id"])
    assert gone.left_on is not None and gone.erased_at is None
    assert Oversight.objects.filter(learner=ann).exists()  # history stays
    back = okta.patch(f"Users/{boss.body['id']}", {"op": "replace", "value": {"active": True}})
    assert (back.status, back.body["active"]) == (200, True)
    assert User.objects.get(learner=boss.body["id"]).is_active is True

    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions.count("scim.person_created") == 2
    assert {"scim.person_changed", "scim.group_created", "scim.group_changed", "scim.read"} <= set(actions)


def test_it_changes_nothing_the_second_time() -> None:
    okta = Provider()
    made = okta.post("Users", okta_user("Ann", "Smith", title="Fitter"))
    place = f"Users/{made.body['id']}"
    first = okta.put(place, okta_user("Ann", "Smith", title="Fitter"))
    traces = AuditEntry.objects.exclude(action="scim.read").count()

    second = okta.put(place, okta_user("Ann", "Smith", title="Fitter"))
    okta.patch(place, {"op": "replace", "value": {"active": True}})

    assert (first.status, second.status) == (200, 200)
    assert first.body == second.body
    assert AuditEntry.objects.exclude(action="scim.read").count() == traces
