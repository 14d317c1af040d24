"""One person's record: handed out whole, erased without a trace of who it was."""

import json
from datetime import date, timedelta

import pytest

from consent.scopes import Scope
from learners import access, privacy
from learners.models import CoachConflict, Enrolment, Identifier, Learner, Oversight, Preferences, Role, User
from learners.models.people import login_hash
from tests.support.learners import (
    NOW,
    TODAY,
    make_baseline,
    make_declared,
    make_enrolment,
    make_goal,
    make_identifier,
    make_learner,
    make_manager,
    make_oversight,
    make_scim_person,
    make_unit,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Learner:
    learner = make_learner(
        name="Ada Lovelace",
        email="ada@example.test",
        employee_number="17",
        employee_hash=b"17",
        time_zone="Europe/Berlin",
        started_on=date(2020, 1, 1),
        manager=make_manager(name="Grace Boss"),
        unit=make_unit(name="Works"),
    )
    make_identifier(learner=learner, value="ada@example.test")
    make_user(Role.LEARNER, login="ada@example.test", name="Ada Lovelace", learner=learner, password="secret")
    make_enrolment(learner=learner, earlier_attempts=1, study_load=60)
    make_declared(learner=learner)
    make_scim_person(learner=learner, said={"userName": "ada@example.test"})
    make_baseline(learner=learner)
    make_goal(learner=learner, words="Run the shop one day")
    Preferences.objects.create(learner=learner, channel="card", changed_at=NOW)
    return learner


def test_it_hands_out_everything_as_json(ada: Learner) -> None:
    found = privacy.export(ada.pk)

    assert json.loads(json.dumps(found)) == found
    assert found["profile"]["name"] == "Ada Lovelace"
    assert found["profile"]["unit"] == "Works"
    assert found["account"]["sign_in_name"] == "ada@example.test"
    assert found["identifiers"][0]["value"] == "ada@example.test"
    assert found["looked_after_by"][0]["kind"] == "manager"
    assert found["enrolments"][0]["state"] == "active"
    assert found["enrolments"][0]["study_load"] == 60
    assert found["declared"][0]["value"] == "woman"
    assert found["identity_provider"]["said"] == {"userName": "ada@example.test"}
    assert found["baseline_skills"][0]["level"] == 2
    assert found["preferences"]["channel"] == "card"
    assert found["goals"][0]["in_own_words"] == "Run the shop one day"
    assert "Grace" not in json.dumps(found)


def test_it_erases_the_person_and_keeps_a_pseudonymous_row(ada: Learner) -> None:
    user = User.objects.get(learner=ada)
    CoachConflict.objects.create(learner=ada, user=make_user("coach"), said_by="learner", said_at=NOW)
    assert [row["said_by"] for row in privacy.export(ada.pk)["not_to_meet"]] == ["The learner"]

    rows = privacy.erase(ada.pk, now=NOW)

    assert rows == {
        "learner": 1,
        "identifier": 1,
        "oversight": 1,
        "user": 1,
        "provisioned": 1,
        "baseline": 1,
        "preferences": 1,
        "goal": 1,
        "declared": 1,
        "coach_conflict": 1,
    }
    ada.refresh_from_db()
    user.refresh_from_db()
    assert (ada.name, ada.email, ada.employee_number, ada.employee_hash, ada.time_zone) == (
        "",
        "",
        "",
        None,
        "",
    )
    assert (ada.started_on, ada.left_on, ada.erased_at) == (None, None, NOW)
    assert (user.login, user.name, user.roles, user.is_active, user.learner) == ("", "", [], False, None)
    assert not user.has_usable_password()
    assert not User.objects.filter(login_hash=login_hash("ada@example.test")).exists()
    assert not Identifier.objects.exists()
    enrolment = Enrolment.objects.get(learner=ada)
    assert (enrolment.earlier_attempts, enrolment.study_load) == (None, None)


def test_it_erases_once(ada: Learner) -> None:
    privacy.erase(ada.pk, now=NOW)

    again = privacy.erase(ada.pk, now=NOW + timedelta(days=1))

    ada.refresh_from_db()
    assert not any(again.values())
    assert ada.erased_at == NOW


def test_it_frees_those_the_erased_looked_after(ada: Learner) -> None:
    user = User.objects.get(learner=ada)
    User.objects.filter(pk=user.pk).update(roles=[Role.MANAGER])
    other = make_learner(manager=user)
    unit = make_unit(manager=user, coach=user)

    privacy.erase(ada.pk, now=NOW)

    unit.refresh_from_db()
    assert (unit.manager, unit.coach) == (None, None)
    assert access.manager_of([other.pk], on=TODAY) == {}
    assert Oversight.objects.get(learner=other).to_date == TODAY
    make_oversight(learner=other, user=make_manager(), kind="manager", from_date=TODAY)


def test_it_leaves_others_alone(ada: Learner) -> None:
    other = make_learner(name="Ben")

    privacy.erase(ada.pk, now=NOW)

    other.refresh_from_db()
    assert (other.name, other.erased_at) == ("Ben", None)


@pytest.mark.parametrize("scope", Scope)
def test_it_has_nothing_to_stop_when_consent_is_withdrawn(ada: Learner, scope: Scope) -> None:
    assert privacy.withdraw(ada.pk, scope, now=NOW) == {}
    assert Learner.objects.filter(pk=ada.pk).exists()
