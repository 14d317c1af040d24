"""Who is meant, what is changed and what is left alone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from consent import subject_requests
from consent.actors import SYSTEM
from learners import rolenames
from learners.identity import canonical, employee_hash, identifier_hash, resolve
from learners.merging.merge import merge
from learners.models import JobRole, Learner, Oversight, RoleName, ScimClient, ScimPerson, User
from learners.rolenames import decide
from learners.roster import import_people
from learners.scim import people
from tests.support.learners import NOW, make_job_role, make_learner, make_unit
from tests.support.scim import ENTERPRISE, GROUP, Provider, enterprise, user

pytestmark = pytest.mark.django_db

ROSTER = (
    "employee_id,name,email,unit,job_role,impact,manager_employee_id,time_zone,language,start_date,end_date\n"
    "17,Ann Old,ann@example.test,Works,Fitter,critical,18,Europe/Berlin,de,2020-01-01,\n"
    "18,Bea Boss,bea@example.test,Works,,,,,,,\n"
)


@pytest.fixture
def provider() -> Provider:
    return Provider()


def learner_of(answer: Any) -> Learner:
    assert answer.status in (200, 201), answer.body
    return Learner.objects.get(pk=answer.body["id"])


@pytest.mark.parametrize(
    "more",
    [enterprise(employeeNumber="17"), {}],
    ids=["by number", "by address"],
)
def test_it_knows_those_of_the_roster(provider: Provider, more: dict[str, Any]) -> None:
    import_people(ROSTER.encode(), now=NOW)

    ann = learner_of(provider.post("Users", user("ann", displayName="Ann New", **more)))

    assert Learner.objects.count() == 2
    assert (ann.name, ann.employee_number) == ("Ann New", "17")
    # What the provider never mentioned stays as the roster has it.
    assert (ann.time_zone, ann.language, ann.started_on) == ("Europe/Berlin", "de", date(2020, 1, 1))
    assert ann.unit is not None and ann.job_role is not None
    assert Oversight.objects.filter(learner=ann, to_date__isnull=True).count() == 1


def test_it_takes_the_roster_s_later_word(provider: Provider) -> None:
    import_people(ROSTER.encode(), now=NOW)
    made = provider.post("Users", user("ann", **enterprise(employeeNumber="17", department="Works")))
    import_people(ROSTER.replace(",Works,Fitter", ",Yard,Fitter").encode(), now=NOW)

    answer = provider.get(f"Users/{made.body['id']}")
    provider.patch(f"Users/{made.body['id']}", {"op": "replace", "path": "displayName", "value": "Ann X"})

    assert answer.body[ENTERPRISE]["department"] == "Yard"
    ann = Learner.objects.get(pk=made.body["id"])
    assert ann.unit is not None and ann.unit.name == "Yard" and ann.name == "Ann X"


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (user("bea", userName="ANN@example.test"), "userName"),
        (user("bea", **enterprise(employeeNumber="e-1")), "provisioned already"),
        (user("bea", emails=[{"value": "ANN@example.test", "primary": True}]), "provisioned already"),
        (
            user("bea", emails=[{"value": "ann@example.test"}], **enterprise(employeeNumber="other")),
            "another employee number",
        ),
    ],
)
def test_it_gives_nobody_what_is_somebody_else_s(
    provider: Provider, second: dict[str, Any], said: str
) -> None:
    provider.post("Users", user("ann", **enterprise(employeeNumber="E-1")))

    answer = provider.post("Users", second)

    assert (answer.status, answer.body["scimType"]) == (409, "uniqueness")
    assert said in answer.body["detail"]
    assert Learner.objects.count() == ScimPerson.objects.count() == 1


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "userName", "value": "ann@example.test"},
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "ann@example.test"},
        {"op": "add", "path": f"{ENTERPRISE}:employeeNumber", "value": "E-1"},
    ],
)
def test_it_refuses_a_change_to_what_is_somebody_else_s(
    provider: Provider, operation: dict[str, Any]
) -> None:
    provider.post("Users", user("ann", **enterprise(employeeNumber="E-1")))
    bea = provider.post("Users", user("bea"))

    answer = provider.patch(f"Users/{bea.body['id']}", operation)

    assert (answer.status, answer.body["scimType"]) == (409, "uniqueness")
    assert provider.get(f"Users/{bea.body['id']}").body == bea.body


def test_it_does_not_take_a_newcomer_for_the_leaver_whose_address_they_got(provider: Provider) -> None:
    left = provider.post("Users", user("ann"))
    provider.delete(f"Users/{left.body['id']}")

    newcomer = provider.post("Users", user("ann", externalId="somebody-new"))
    returned = provider.post("Users", user("ann"))

    assert (newcomer.status, newcomer.body["scimType"]) == (409, "uniqueness")
    assert "somebody who left" in newcomer.body["detail"]
    assert (returned.status, returned.body["id"]) == (201, left.body["id"])


def test_it_moves_people_to_a_new_provider_once_the_old_one_is_out_of_use(provider: Provider) -> None:
    ann = provider.post("Users", user("ann"))
    entra = Provider("Entra")
    refused = entra.post("Users", user("ann", externalId="entra-1"))
    ScimClient.objects.filter(name="Okta").update(is_active=False)

    taken = entra.post("Users", user("ann", externalId="entra-1"))

    assert refused.status == 409
    assert (taken.status, taken.body["id"]) == (201, ann.body["id"])
    assert ScimPerson.objects.get().client.name == "Entra"


def test_it_waits_for_a_manager_and_gives_the_people_when_they_come(provider: Provider) -> None:
    names = ["E-9", "ext-boss", "BOSS@example.test"]
    people = [
        learner_of(provider.post("Users", user(f"p{number}", **enterprise(manager={"value": name}))))
        for number, name in enumerate(names)
    ]
    waiting = provider.get(f"Users/{people[0].pk}").body[ENTERPRISE]["manager"]["value"]

    boss = learner_of(provider.post("Users", user("boss", **enterprise(employeeNumber="E-9"))))

    assert waiting == "E-9"
    held = Oversight.objects.filter(kind="manager", to_date__isnull=True)
    assert {one.learner_id for one in held} == {one.pk for one in people}
    assert {one.user.learner_id for one in held.select_related("user")} == {boss.pk}
    assert User.objects.get(learner=boss).roles == ["learner", "manager"]
    assert provider.get(f"Users/{people[0].pk}").body[ENTERPRISE]["manager"]["value"] == str(boss.pk)


def test_it_dates_a_change_of_manager(provider: Provider) -> None:
    bosses = [provider.post("Users", user(name)).body["id"] for name in ("bea", "cid")]
    ann = learner_of(provider.post("Users", user("ann", **enterprise(manager={"value": bosses[0]}))))

    provider.patch(
        f"Users/{ann.pk}", {"op": "replace", "path": f"{ENTERPRISE}:manager", "value": {"value": bosses[1]}}
    )

    first, second = Oversight.objects.filter(learner=ann).order_by("pk").select_related("user")
    assert [str(one.user.learner_id) for one in (first, second)] == bosses
    assert first.to_date is not None and second.to_date is None


def test_it_refuses_managers_in_a_circle_and_takes_nobody_for_their_own(provider: Provider) -> None:
    a = provider.post("Users", user("a")).body["id"]
    b = provider.post("Users", user("b", **enterprise(manager={"value": a}))).body["id"]
    c = provider.post("Users", user("c", **enterprise(manager={"value": b}))).body["id"]

    circle = provider.patch(f"Users/{a}", {"op": "add", "path": f"{ENTERPRISE}:manager", "value": c})
    own = provider.patch(f"Users/{a}", {"op": "add", "path": f"{ENTERPRISE}:manager", "value": a})

    assert (circle.status, circle.body["scimType"]) == (400, "invalidValue")
    assert "circle" in circle.body["detail"]
    assert own.status == 200
    assert not Oversight.objects.filter(learner=a).exists()


def test_it_does_not_open_an_account_that_an_administrator_closed(provider: Provider) -> None:
    boss = provider.post("Users", user("boss")).body["id"]
    provider.post("Users", user("ann", **enterprise(manager={"value": boss})))
    User.objects.update(is_active=False)

    provider.patch(f"Users/{boss}", {"op": "replace", "path": "active", "value": False})
    provider.patch(f"Users/{boss}", {"op": "replace", "path": "active", "value": True})

    assert Learner.objects.get(pk=boss).left_on is None
    assert not User.objects.get(learner=boss).is_active


def test_it_keeps_a_title_nobody_knows_and_changes_the_role_once_somebody_decides(provider: Provider) -> None:
    fitter = make_job_role(name="Fitter")
    ann = learner_of(provider.post("Users", user("ann", title="fitter ")))
    bea = learner_of(provider.post("Users", user("bea", title="Sr. Fitter")))
    assert (ann.job_role, bea.job_role) == (fitter, None)
    assert JobRole.objects.count() == 1
    waiting = RoleName.objects.undecided().get()
    assert (waiting.name, waiting.source, waiting.proposal) == ("Sr. Fitter", "scim:Okta", fitter)

    decide(role_name=waiting, job_role=fitter, by=SYSTEM, now=NOW)

    bea.refresh_from_db()
    assert bea.job_role == fitter
    assert provider.get(f"Users/{bea.pk}").body["title"] == "Sr. Fitter"
    cid = learner_of(provider.post("Users", user("cid", title="SR.  FITTER")))
    assert cid.job_role == fitter


def test_it_lets_an_unknown_title_take_no_known_role_away(provider: Provider) -> None:
    import_people(ROSTER.encode(), now=NOW)

    ann = learner_of(provider.post("Users", user("ann", title="Something else entirely")))

    assert ann.job_role is not None and ann.job_role.name == "Fitter"


def test_it_forgets_the_erased_and_takes_them_for_new_afterwards(provider: Provider) -> None:
    made = provider.post("Users", user("ann"))
    ann = learner_of(made)

    subject_requests.erase(subject=ann.pk, by=SYSTEM, now=NOW)

    assert not ScimPerson.objects.exists()
    assert provider.get(f"Users/{ann.pk}").status == 404
    again = provider.post("Users", user("ann"))
    assert again.status == 201 and again.body["id"] != str(ann.pk)


def test_it_maps_groups_to_job_roles_where_the_client_says_so() -> None:
    provider = Provider(groups_mean="job_role")
    welder, fitter = make_job_role(name="Welder"), make_job_role(name="Fitter")
    ann = learner_of(provider.post("Users", user("ann", title="Fitter", **enterprise(department="Works"))))
    unit = ann.unit

    group = provider.post(
        "Groups", {"schemas": [GROUP], "displayName": "Welder", "members": [{"value": str(ann.pk)}]}
    )
    ann.refresh_from_db()
    assert (ann.job_role, ann.unit) == (welder, unit)
    provider.patch(f"Users/{ann.pk}", {"op": "replace", "path": "displayName", "value": "Ann X"})
    ann.refresh_from_db()
    assert ann.job_role == welder  # the group counts before the title

    assert provider.delete(f"Groups/{group.body['id']}").status == 204
    ann.refresh_from_db()
    assert ann.job_role == fitter


def test_it_uses_groups_for_nothing_where_the_client_says_so() -> None:
    provider = Provider(groups_mean="nothing")
    works = make_unit(name="Works")
    ann = make_learner(
        name="Ann", email="", unit=works, employee_number="1", employee_hash=employee_hash("1")
    )
    made = provider.post("Users", user("ann", **enterprise(employeeNumber="1")))

    group = provider.post(
        "Groups", {"schemas": [GROUP], "displayName": "Everyone", "members": [{"value": made.body["id"]}]}
    )

    ann.refresh_from_db()
    assert (group.status, ann.unit) == (201, works)
    assert provider.get(f"Users/{ann.pk}").body["groups"] == [
        {"value": group.body["id"], "display": "Everyone"}
    ]


def test_it_counts_the_group_joined_last_and_falls_back_to_the_other(provider: Provider) -> None:
    ann = learner_of(provider.post("Users", user("ann")))
    groups = [
        provider.post(
            "Groups", {"schemas": [GROUP], "displayName": name, "members": [{"value": str(ann.pk)}]}
        )
        for name in ("North", "South")
    ]
    ann.refresh_from_db()
    assert ann.unit is not None and ann.unit.name == "South"

    provider.put(f"Groups/{groups[1].body['id']}", {"schemas": [GROUP], "displayName": "South"})
    ann.refresh_from_db()
    assert ann.unit is not None and ann.unit.name == "North"

    provider.delete(f"Groups/{groups[0].body['id']}")
    ann.refresh_from_db()
    assert ann.unit is None


def test_it_refuses_two_groups_of_one_name(provider: Provider) -> None:
    provider.post("Groups", {"schemas": [GROUP], "displayName": "North"})

    again = provider.post("Groups", {"schemas": [GROUP], "displayName": "North"})

    assert (again.status, again.body["scimType"]) == (409, "uniqueness")


def test_it_opens_and_closes_the_identifier_with_the_address(provider: Provider) -> None:
    ann = learner_of(provider.post("Users", user("ann")))
    old, new = (identifier_hash(canonical("mbox", f"{name}@example.test")) for name in ("ann", "neu"))
    assert resolve([old]) == {old: ann.pk}

    provider.patch(
        f"Users/{ann.pk}",
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "neu@example.test"},
    )

    assert resolve([old, new]) == {new: ann.pk}
    assert ann.identifiers.count() == 2


def test_it_brings_nobody_back_who_was_erased_while_it_was_writing(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = learner_of(provider.post("Users", user("ann")))
    note = rolenames.note

    def erased_meanwhile(*args: Any, **kwargs: Any) -> Any:
        subject_requests.erase(subject=ann.pk, by=SYSTEM, now=NOW)
        return note(*args, **kwargs)

    monkeypatch.setattr(people, "note", erased_meanwhile)

    answer = provider.patch(f"Users/{ann.pk}", {"op": "replace", "path": "displayName", "value": "Ann Again"})

    assert answer.status == 404
    assert Learner.objects.get(pk=ann.pk).name != "Ann Again"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_makes_one_person_of_many_requests_at_once() -> None:
    provider = Provider()

    def post(_: int) -> int:
        try:
            return provider.post("Users", user("ann", **enterprise(department="Works"))).status
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = sorted(pool.map(post, range(6)))

    assert answers == [201, 409, 409, 409, 409, 409]
    assert Learner.objects.count() == ScimPerson.objects.count() == 1


@pytest.mark.parametrize("by", ["patch", "delete"])
def test_it_lets_somebody_leave_whose_record_was_found_to_be_a_second_one(
    provider: Provider, by: str
) -> None:
    made = provider.post("Users", user("ann", displayName="Ann Twice"))
    into = make_learner(name="Ann Once")
    merge(duplicate=UUID(made.body["id"]), into=into.pk, by=SYSTEM, now=NOW)

    if by == "patch":
        asked = {"op": "replace", "value": {"active": False, "displayName": "Other"}}
        assert provider.patch(f"Users/{made.body['id']}", asked).status == 200
        assert provider.get(f"Users/{made.body['id']}").body["active"] is False
    else:
        assert provider.delete(f"Users/{made.body['id']}").status == 204

    into.refresh_from_db()
    assert into.left_on is not None
    assert into.name == "Ann Once"  # in anything else a second record has no say
    assert not User.objects.filter(learner=into, is_active=True).exists()


def test_it_leaves_a_kept_record_alone_that_a_provider_speaks_of_itself(provider: Provider) -> None:
    first = provider.post("Users", user("ann"))
    second = provider.post("Users", user("ann2"))
    merge(duplicate=UUID(second.body["id"]), into=UUID(first.body["id"]), by=SYSTEM, now=NOW)

    assert provider.delete(f"Users/{second.body['id']}").status == 204

    assert Learner.objects.get(pk=first.body["id"]).left_on is None
