"""The admin: pseudonyms in lists, whole names found by hash, nothing personal in its log."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from consent import audit
from consent.models import AuditEntry
from learners.identity import employee_hash
from learners.models import (
    CoachConflict,
    Course,
    Enrolment,
    Identifier,
    JobRole,
    Learner,
    OrgUnit,
    Role,
    User,
)
from tests.support.learners import (
    NOW,
    make_competency,
    make_course,
    make_enrolment,
    make_identifier,
    make_job_role,
    make_learner,
    make_manager,
    make_unit,
    make_user,
)

pytestmark = pytest.mark.django_db

MODELS = ("user", "learner", "orgunit", "jobrole", "competency", "course", "enrolment")


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_user(Role.ADMIN, login="root@example.test"))
    return client


def inlines(**counts: int) -> dict[str, Any]:
    """The hidden fields of inline forms without rows."""
    return {
        f"{prefix}-{field}": value
        for prefix, total in counts.items()
        for field, value in (("TOTAL_FORMS", total), ("INITIAL_FORMS", 0))
    }


LEARNER = {
    "name": "Ada Lovelace",
    "email": "ada@example.test",
    "employee_number": "A17",
    "language": "en",
    **inlines(identifiers=0, oversight=0, baseline=0),
}
USER = {"login": "new@example.test", "name": "New", "roles": ["coach"], "language": "en", "is_active": "on"}

AS_A_COACH = inlines(coach_profile=0, coach_skills=0, helps_in=0)


@pytest.mark.parametrize("model", MODELS)
def test_it_opens_lists_and_forms(model: str, admin: Client) -> None:
    make_enrolment(learner=make_learner(unit=make_unit(manager=make_manager()), job_role=make_job_role()))
    make_competency()

    listed: Any = admin.get(f"/admin/learners/{model}/")

    assert listed.status_code == 200
    assert admin.get(f"/admin/learners/{model}/add/").status_code == 200
    pk = listed.context["cl"].result_list[0].pk
    assert admin.get(f"/admin/learners/{model}/{pk}/change/").status_code == 200


@pytest.mark.parametrize("role", [None, Role.LEARNER, Role.MANAGER, Role.COACH, Role.REVIEWER])
def test_it_is_closed_to_other_roles(role: Role | None, client: Client) -> None:
    client.force_login(make_user(role=role))

    assert client.get("/admin/learners/learner/").status_code == 302


@pytest.mark.parametrize("model", ["learner", "user", "enrolment"])
def test_it_lists_no_names_and_asks_no_query_per_row(
    model: str, admin: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(15):
        learner = make_learner(name="Lovelace", email="", unit=make_unit(), job_role=make_job_role())
        make_user(name="Lovelace", learner=learner)
        make_enrolment(learner=learner)

    with django_assert_max_num_queries(12):
        page = admin.get(f"/admin/learners/{model}/")

    assert b"Lovelace" not in page.content


def test_it_lists_who_is_kept_apart_without_names_or_a_query_per_row(
    admin: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(15):
        learner, coach = make_learner(name="Lovelace"), make_user("coach", name="Lovelace")
        CoachConflict.objects.create(learner=learner, user=coach, said_by="admin", said_at=timezone.now())

    with django_assert_max_num_queries(12):
        page = admin.get("/admin/learners/coachconflict/")

    assert b"Lovelace" not in page.content


def found(client: Client, model: str, term: str) -> list[Any]:
    answer: Any = client.get(f"/admin/learners/{model}/", {"q": term})
    return list(answer.context["cl"].result_list)


def test_it_finds_a_learner_by_whole_address_number_or_uuid(admin: Client) -> None:
    ada = make_learner(employee_hash=employee_hash("A17"))
    make_identifier(learner=ada, value="ada@example.test")
    make_learner()

    for term in ("ADA@example.test", " a17 ", str(ada.pk)):
        assert found(admin, "learner", term) == [ada]
    assert found(admin, "learner", "ada") == []
    assert len(found(admin, "learner", "")) == 2


def test_it_finds_a_user_by_whole_sign_in_name_or_uuid(admin: Client) -> None:
    ada = make_user(login="ada@example.test")

    assert found(admin, "user", "Ada@example.test") == found(admin, "user", str(ada.pk)) == [ada]
    assert found(admin, "user", "ada") == []
    assert len(found(admin, "user", "")) == 2


def test_it_filters_users_by_role(admin: Client) -> None:
    coach = make_user(Role.COACH, Role.MANAGER)

    answer: Any = admin.get("/admin/learners/user/", {"role": "coach"})

    assert list(answer.context["cl"].result_list) == [coach]


def test_it_makes_a_user_with_roles_and_password(admin: Client) -> None:
    answer = admin.post("/admin/learners/user/add/", {**USER, "new_password": "correct horse battery"})

    user = User.objects.get_by_natural_key("new@example.test")
    assert answer.status_code == 302
    assert user.roles == ["coach"]
    assert user.check_password("correct horse battery")


def test_it_keeps_the_password_when_none_is_given(admin: Client) -> None:
    user = make_user(login="new@example.test", password="the old one")

    admin.post(
        f"/admin/learners/user/{user.pk}/change/", {**USER, "login": "other@example.test", "roles": []}
    )

    user.refresh_from_db()
    assert user.check_password("the old one")
    assert (User.objects.get_by_natural_key("other@example.test"), user.roles) == (user, [])


def test_it_makes_a_user_who_must_be_invited_without_a_password(admin: Client) -> None:
    admin.post("/admin/learners/user/add/", USER)

    assert not User.objects.get_by_natural_key("new@example.test").has_usable_password()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"login": "ROOT@example.test"}, "Somebody signs in by this name already."),
        ({"new_password": "short"}, "This password is too short"),
        ({"roles": ["emperor"]}, "Select a valid choice"),
        ({"time_zone": "Mars/Base"}, "Select a valid choice"),
    ],
)
def test_it_refuses_a_faulty_user(change: dict[str, Any], fault: str, admin: Client) -> None:
    answer = admin.post("/admin/learners/user/add/", {**USER, **change})

    assert fault in answer.content.decode()
    assert User.objects.count() == 1


def test_it_makes_a_learner_who_can_be_looked_up(admin: Client) -> None:
    admin.post("/admin/learners/learner/add/", LEARNER)

    learner = Learner.objects.get(employee_hash=employee_hash("a17"))
    assert learner.name == "Ada Lovelace"
    assert Identifier.objects.get(learner=learner).value == "ada@example.test"


def test_it_moves_the_identifier_with_the_address(admin: Client) -> None:
    admin.post("/admin/learners/learner/add/", LEARNER)
    learner = Learner.objects.get()
    identifier = Identifier.objects.get()
    shown = {
        "identifiers-TOTAL_FORMS": 1,
        "identifiers-INITIAL_FORMS": 1,
        "identifiers-0-id": identifier.pk,
        "identifiers-0-learner": learner.pk,
        "identifiers-0-kind": "mbox",
        "identifiers-0-value": identifier.value,
        "identifiers-0-valid_from": identifier.valid_from or "",
    }

    answer = admin.post(
        f"/admin/learners/learner/{learner.pk}/change/", {**LEARNER, **shown, "email": "new@example.test"}
    )

    assert answer.status_code == 302
    still_open = Identifier.objects.filter(valid_to__isnull=True)
    assert [one.value for one in still_open] == ["new@example.test"]
    assert Identifier.objects.count() == 2


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"email": "TAKEN@example.test"}, "This already names Learner"),
        ({"employee_number": "b18"}, "Somebody else has this employee number."),
        (
            {
                **inlines(identifiers=1),
                "identifiers-0-kind": "mbox",
                "identifiers-0-value": "taken@example.test",
            },
            "This already names Learner",
        ),
        (
            {**inlines(identifiers=1), "identifiers-0-kind": "account", "identifiers-0-value": "no bar"},
            "Write an account as homePage|name.",
        ),
        (
            {
                **inlines(identifiers=2),
                "identifiers-0-kind": "mbox",
                "identifiers-0-value": "two@example.test",
                "identifiers-1-kind": "mbox",
                "identifiers-1-value": "TWO@example.test",
            },
            "One identifier is there twice.",
        ),
    ],
)
def test_it_refuses_a_faulty_learner(change: dict[str, Any], fault: str, admin: Client) -> None:
    make_identifier(learner=make_learner(employee_hash=employee_hash("B18")), value="taken@example.test")

    answer = admin.post("/admin/learners/learner/add/", {**LEARNER, **change})

    assert fault in answer.content.decode()
    assert Learner.objects.count() == 1


def test_it_accepts_the_same_address_as_an_identifier_typed_by_hand(admin: Client) -> None:
    row = {"identifiers-0-kind": "mbox", "identifiers-0-value": "ADA@example.test"}

    answer = admin.post("/admin/learners/learner/add/", {**LEARNER, **inlines(identifiers=1), **row})

    assert (answer.status_code, Identifier.objects.count()) == (302, 1)


def test_it_accepts_any_iri_for_a_course_and_nothing_else(admin: Client) -> None:
    fields = {"name": "Safety", "kind": "course", "pass_mark": "0.4", **inlines(plan=0)}

    admin.post("/admin/learners/course/add/", {**fields, "iri": "urn:course:1"})
    answer = admin.post("/admin/learners/course/add/", {**fields, "iri": "course 2"})

    assert b"Write an IRI" in answer.content
    assert Course.objects.get().iri == "urn:course:1"


def test_it_adds_an_identifier_with_its_hash(admin: Client) -> None:
    row = {"identifiers-0-kind": "account", "identifiers-0-value": "https://lms.test|ada"}

    admin.post("/admin/learners/learner/add/", {**LEARNER, **inlines(identifiers=1), **row})

    from learners.identity import canonical, identifier_hash, resolve

    hashed = identifier_hash(canonical("account", "https://LMS.test|ada"))
    assert resolve([hashed]) == {hashed: Learner.objects.get().pk}


def test_it_leaves_a_trace_of_opening_a_learners_page(admin: Client) -> None:
    learner = make_learner()

    admin.get(f"/admin/learners/learner/{learner.pk}/change/")

    assert str(learner.pk) in str(AuditEntry.objects.get(action="admin.learner_read").detail)


def test_it_hides_the_erased(admin: Client) -> None:
    gone = make_learner(erased_at=NOW)

    assert found(admin, "learner", "") == []
    assert admin.get(f"/admin/learners/learner/{gone.pk}/change/").status_code == 302


def test_it_keeps_names_out_of_its_log(admin: Client) -> None:
    admin.post("/admin/learners/learner/add/", LEARNER)
    admin.post("/admin/learners/user/add/", USER)
    learner, user = Learner.objects.get(), User.objects.get_by_natural_key("new@example.test")
    admin.post(f"/admin/learners/learner/{learner.pk}/change/", {**LEARNER, "name": "Ada King"})
    admin.post(f"/admin/learners/user/{user.pk}/change/", {**USER, **AS_A_COACH, "name": "Newer"})

    log = "".join(f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all())
    assert LogEntry.objects.count() == 4
    assert not any(secret in log for secret in ("Ada", "King", "New", "new@", "ada@", "A17"))


@pytest.mark.parametrize("model", ["user", "learner", "enrolment"])
def test_it_deletes_nothing_that_evidence_hangs_on(model: str, admin: Client) -> None:
    enrolment = make_enrolment()
    pk = {"user": make_user().pk, "learner": enrolment.learner_id, "enrolment": enrolment.pk}[model]

    assert admin.post(f"/admin/learners/{model}/{pk}/delete/", {"post": "yes"}).status_code == 403


def test_it_shows_units_by_their_path(admin: Client) -> None:
    make_unit(name="North", parent=make_unit(name="Works"))

    assert b"Works / North" in admin.get("/admin/learners/orgunit/").content
    assert b"Works / North" in admin.get("/admin/learners/learner/add/").content


def test_it_refuses_a_circle_of_units(admin: Client) -> None:
    top = make_unit()
    below = make_unit(parent=make_unit(parent=top))

    answer = admin.post(
        f"/admin/learners/orgunit/{top.pk}/change/", {"code": "top", "name": "Top", "parent": below.pk}
    )

    assert b"A unit cannot lie below itself." in answer.content
    assert OrgUnit.objects.get(pk=top.pk).parent is None


def test_it_edits_a_role_with_its_competencies_and_a_course_with_its_plan(admin: Client) -> None:
    competency = make_competency()
    admin.post(
        "/admin/learners/jobrole/add/",
        {
            "code": "fitter",
            "name": "Fitter",
            "impact": "critical",
            **inlines(rolecompetency_set=1),
            "rolecompetency_set-0-competency": competency.pk,
            "rolecompetency_set-0-level": 3,
            "rolecompetency_set-0-position": 0,
        },
    )
    admin.post(
        "/admin/learners/course/add/",
        {
            "iri": "https://lms.test/c",
            "name": "Safety",
            "kind": "course",
            "pass_mark": "0.4",
            **inlines(plan=1),
            "plan-0-activity_iri": "https://lms.test/a",
            "plan-0-name": "Quiz",
            "plan-0-due_day": 7,
            "plan-0-weight": 1,
        },
    )

    assert list(JobRole.objects.get().competencies.all()) == [competency]
    assert JobRole.objects.get().rolecompetency_set.get().level == 3
    assert Course.objects.get().plan.get().name == "Quiz"


def test_it_enrols_and_ends(admin: Client) -> None:
    learner, course = make_learner(), make_course(length_days=10)
    fields = {"learner": learner.pk, "course": course.pk, "starts_on": "2026-03-01", "state": "active"}

    admin.post("/admin/learners/enrolment/add/", fields)
    enrolment = Enrolment.objects.get()
    assert (str(enrolment.due_on), enrolment.ended_at) == ("2026-03-11", None)

    admin.post(f"/admin/learners/enrolment/{enrolment.pk}/change/", {**fields, "state": "withdrawn"})
    enrolment.refresh_from_db()
    assert enrolment.ended_at is not None


def test_it_keeps_what_a_coach_knows_and_where_they_help(admin: Client) -> None:
    coach, unit, course = make_user("coach"), make_unit(), make_course()
    sent = {
        **USER,
        "login": "kim@example.test",
        **AS_A_COACH,
        "coach_profile-TOTAL_FORMS": "1",
        "coach_profile-0-languages": "de, fr",
        "coach_profile-0-most_cases": "4",
        "coach_skills-TOTAL_FORMS": "1",
        "coach_skills-0-course": str(course.pk),
        "helps_in-TOTAL_FORMS": "1",
        "helps_in-0-unit": str(unit.pk),
    }

    saved = admin.post(f"/admin/learners/user/{coach.pk}/change/", sent)

    assert saved.status_code == 302, saved.content.decode()
    assert (coach.coach_profile.languages, coach.coach_profile.most_cases) == (["de", "fr"], 4)
    assert coach.coach_skills.get().course == course
    assert coach.helps_in.get().unit == unit


def test_it_says_what_to_mend_in_a_coach_s_skill(admin: Client) -> None:
    coach = make_user("coach")
    sent = {
        **USER,
        **AS_A_COACH,
        "coach_skills-TOTAL_FORMS": "1",
        "coach_skills-0-course": str(make_course().pk),
        "coach_skills-0-competency": str(make_competency().pk),
    }

    refused = admin.post(f"/admin/learners/user/{coach.pk}/change/", sent)

    assert b"Choose a competency or a course, one of the two." in refused.content


def test_it_keeps_two_people_apart_and_says_who_said_so(admin: Client) -> None:
    learner, coach = make_learner(coach=make_user("coach")), make_user("coach")

    admin.post("/admin/learners/coachconflict/add/", {"learner": str(learner.pk), "user": str(coach.pk)})

    row = CoachConflict.objects.get()
    assert (row.learner, row.user, row.said_by) == (learner, coach, "admin")
    assert admin.get("/admin/learners/coachconflict/").status_code == 200
    assert list(audit.about(learner.pk).filter(action="admin.read.coachconflict"))
    admin.post(f"/admin/learners/coachconflict/{row.pk}/delete/", {"post": "yes"})
    assert [
        *AuditEntry.objects.filter(action__startswith="coach.")
        .values_list("action", flat=True)
        .order_by("pk")
    ] == [
        "coach.kept_apart",
        "coach.may_meet_again",
    ]
