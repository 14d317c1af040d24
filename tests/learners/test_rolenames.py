"""Names of job roles from many systems: what they mean, what they resemble, and who decides."""

import pytest
from django.test import Client
from django.urls import reverse

from consent.actors import SYSTEM
from consent.models import AuditEntry
from learners.models import JobRole, Learner, Role, RoleName, ScimClient
from learners.rolenames import decide, note, resembling, spelling
from learners.roster import import_people
from tests.support.learners import NOW, make_job_role, make_role_name, make_user

pytestmark = pytest.mark.django_db

HEADER = (
    "employee_id,name,email,unit,job_role,impact,manager_employee_id,time_zone,language,start_date,end_date\n"
)


def roster(*roles: str) -> bytes:
    return (HEADER + "".join(f"{n},P,,,{role},,,,,,\n" for n, role in enumerate(roles))).encode()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Senior  Fitter", "senior fitter"),
        ("Ｆitter", "fitter"),
        (" Fitter ", "FITTER"),
        ("Straße", "STRASSE"),
    ],
)
def test_it_reads_two_spellings_as_one_name(one: str, other: str) -> None:
    assert spelling(one) == spelling(other)


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("Sr. Fitter", "Senior Fitter"),
        ("Fitter, senior", "Senior Fitter"),
        ("Data Protection Oficer", "Data protection officer"),
        ("Zoo keeper", None),
        ("Head of Sales", None),
    ],
)
def test_it_finds_what_a_name_resembles(name: str, like: str | None) -> None:
    roles = [
        JobRole(code=one, name=one) for one in ("Senior Fitter", "Data protection officer", "Accountant")
    ]

    found = resembling(name, roles)

    assert (found.job_role.name if found else None) == like


def test_it_proposes_and_applies_nothing_by_itself() -> None:
    fitter = make_job_role(name="Senior Fitter")

    row = note(["Sr. Fitter", "senior fitter", "Zoo keeper"], source="scim:Okta", now=NOW)

    assert (row["sr. fitter"].job_role, row["sr. fitter"].proposal) == (None, fitter)
    assert row["senior fitter"].job_role == fitter
    assert (row["zoo keeper"].job_role, row["zoo keeper"].proposal) == (None, None)
    assert set(RoleName.objects.undecided().values_list("name", flat=True)) == {"Sr. Fitter", "Zoo keeper"}


def test_it_notes_a_name_once() -> None:
    first = note(["Fitter"], source="roster", now=NOW)
    second = note(["fitter ", "FITTER"], source="roster", now=NOW)

    assert first["fitter"].pk == second["fitter"].pk
    assert RoleName.objects.count() == 1


def test_it_finds_a_role_that_was_made_after_the_name_was_first_heard() -> None:
    note(["Fitter"], source="scim:Okta", now=NOW)
    fitter = make_job_role(name="Fitter")

    assert note(["Fitter"], source="scim:Okta", now=NOW)["fitter"].job_role == fitter


def test_it_lets_a_system_s_own_word_count_before_everybody_s() -> None:
    everywhere, here = make_job_role(), make_job_role()
    make_role_name(source="", name="Op", job_role=everywhere, decided_at=NOW)
    make_role_name(source="scim:Okta", name="Op", job_role=here, decided_at=NOW)

    assert note(["op"], source="scim:Okta", now=NOW)["op"].job_role == here
    assert note(["op"], source="scim:Entra", now=NOW)["op"].job_role == everywhere


def test_it_makes_the_roster_s_role_and_proposes_what_it_resembles() -> None:
    make_job_role(name="Senior Fitter")

    difference = import_people(roster("Sr. Fitter", "Zoo keeper"), now=NOW)

    assert "new job role Sr. Fitter (standard), which resembles Senior Fitter" in difference.structure
    assert "new job role Zoo keeper (standard)" in difference.structure
    assert RoleName.objects.undecided().get().proposal == JobRole.objects.get(name="Senior Fitter")
    assert Learner.objects.filter(job_role__name="Sr. Fitter").count() == 1


def test_it_moves_the_roster_s_people_once_somebody_decides_and_keeps_them_there() -> None:
    senior = make_job_role(name="Senior Fitter", impact="critical")
    import_people(roster("Sr. Fitter", "Senior Fitter"), now=NOW)

    changed = decide(role_name=RoleName.objects.undecided().get(), job_role=senior, by=SYSTEM, now=NOW)
    again = import_people(roster("Sr. Fitter", "Senior Fitter"), now=NOW)

    assert changed == 1
    assert again.is_empty
    assert Learner.objects.filter(job_role=senior).count() == 2
    assert AuditEntry.objects.get(action="role_name.decided").detail["people"] == 1


def test_it_does_not_let_two_names_of_one_role_take_turns_at_its_impact() -> None:
    senior = make_job_role(name="Senior Fitter", impact="critical")
    make_role_name(source="roster", name="Sr. Fitter", job_role=senior, decided_at=NOW)
    people = (HEADER + "1,P,,,Sr. Fitter,standard,,,,,\n2,P,,,Senior Fitter,critical,,,,,\n").encode()

    import_people(people, now=NOW)

    assert import_people(people, now=NOW).is_empty
    assert JobRole.objects.get().impact == "critical"


def test_it_can_be_decided_that_a_name_means_nothing_we_keep() -> None:
    row = make_role_name(name="n/a", proposal=make_job_role())

    decide(role_name=row, job_role=None, by=SYSTEM, now=NOW)

    assert not RoleName.objects.undecided().exists()


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_user(Role.ADMIN))
    return client


def test_it_is_decided_in_the_admin(admin: Client) -> None:
    fitter, welder = make_job_role(name="Fitter"), make_job_role(name="Welder")
    proposed = make_role_name(name="Fiter", proposal=fitter, similarity=0.9)
    unknown = make_role_name(name="Joiner of metals")
    page = reverse("admin:learners_rolename_changelist")

    waiting = admin.get(page, {"state": "waiting"}).content.decode()
    admin.post(page, {"action": "accept", "_selected_action": [proposed.pk, unknown.pk]})
    admin.post(reverse("admin:learners_rolename_change", args=[unknown.pk]), {"job_role": welder.pk})
    admin.post(
        reverse("admin:learners_rolename_add"), {"source": "", "name": "Weld-Op", "job_role": welder.pk}
    )

    assert "Fiter" in waiting and "Joiner of metals" in waiting
    for row, role in ((proposed, fitter), (unknown, welder)):
        row.refresh_from_db()
        assert row.job_role == role and row.decided_at is not None
    assert RoleName.objects.get(key="weld-op").decided_at is not None
    admin.get(page)  # shows what was said
    assert "Fiter" not in admin.get(page, {"state": "waiting"}).content.decode()


def test_it_makes_shows_renews_and_takes_back_a_client_in_the_admin(admin: Client) -> None:
    fields = {"name": "Okta", "groups_mean": "nothing", "home_page": ""}

    made = admin.post(reverse("admin:learners_scimclient_add"), {**fields, "is_active": "on"}, follow=True)
    token = made.content.decode().split("token ")[1].split(". It is")[0]
    client = ScimClient.objects.get()
    asked = Client().get("/scim/v2/Users", headers={"Authorization": f"Bearer {token}"})
    page = reverse("admin:learners_scimclient_changelist")
    admin.post(page, {"action": "renew", "_selected_action": [client.pk]})
    after = Client().get("/scim/v2/Users", headers={"Authorization": f"Bearer {token}"})
    admin.post(reverse("admin:learners_scimclient_change", args=[client.pk]), fields)

    client.refresh_from_db()
    assert (asked.status_code, after.status_code, client.is_active) == (200, 401, False)
    assert (client.groups_mean, token not in admin.get(page).content.decode()) == ("nothing", True)
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"scim.client_created", "scim.client_renewed", "scim.client_revoked"} <= actions
    assert admin.post(reverse("admin:learners_scimclient_delete", args=[client.pk])).status_code == 403
