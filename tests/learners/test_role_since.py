"""The day on which somebody changed into the role they have: from the roster, a decision about a name, or by hand."""

from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from consent.actors import SYSTEM
from learners import rolenames
from learners.models import JobRole, Role, RoleName
from learners.roster import import_people
from signals.models import EnrolmentMark
from tests.learners.test_admin import LEARNER
from tests.learners.test_roster import WORKER, person, roster
from tests.support.interventions import make_enrolment
from tests.support.learners import NOW, make_job_role, make_learner, make_user

pytestmark = pytest.mark.django_db
ALONE = {**WORKER, "manager_employee_id": ""}
LATER = NOW + timedelta(days=9)


def load(role: str, *, days: int = 0, impact: str = "standard") -> date | None:
    import_people(roster({**ALONE, "job_role": role, "impact": impact}), now=NOW + timedelta(days=days))
    since: date | None = person("2").role_since
    return since


def test_a_change_has_the_day_on_which_the_roster_says_so() -> None:
    assert load("Fitter") is None

    assert load("Signaller", days=9) == LATER.date()
    assert load("Signaller", days=20) == LATER.date()


def test_a_first_role_may_be_old_news_and_none_has_no_day() -> None:
    load("", impact="")

    assert load("Fitter", days=9) is None
    load("Signaller", days=10)
    assert load("", days=11, impact="") is None


def test_only_whoever_had_another_role_has_changed_when_a_name_is_decided() -> None:
    load("Fitter")
    row = RoleName.objects.get(name="Fitter")
    smith = JobRole.objects.create(code="smith", name="Smith")

    rolenames.decide(role_name=row, job_role=smith, by=SYSTEM, now=LATER)

    assert (person("2").job_role, person("2").role_since) == (smith, None)


def test_a_change_wakes_every_active_course_and_nothing_else_does() -> None:
    load("Fitter")
    enrolment = make_enrolment(learner=person("2"))
    other = make_enrolment()
    EnrolmentMark.objects.update(dirty_since=None)

    import_people(
        roster({**ALONE, "job_role": "Fitter", "impact": "standard", "name": "Rob Fielding"}), now=NOW
    )
    assert not EnrolmentMark.objects.filter(dirty_since__isnull=False).exists()
    load("Signaller", days=9)

    woken = EnrolmentMark.objects.filter(dirty_since__isnull=False).values_list("pk", flat=True)
    assert (enrolment.pk in woken, other.pk in woken) == (True, False)


def test_an_administrator_s_change_is_dated_today_unless_they_know_better(client: Client) -> None:
    client.force_login(make_user(Role.ADMIN))
    roles = [make_job_role(code=name) for name in ("fitter", "smith", "guard")]
    learner = make_learner(job_role=roles[0])
    address = f"/admin/learners/learner/{learner.pk}/change/"

    assert client.post(address, {**LEARNER, "job_role": roles[1].pk}).status_code == 302
    learner.refresh_from_db()
    assert learner.role_since == timezone.now().date()
    client.post(address, {**LEARNER, "job_role": roles[2].pk, "role_since": "2026-02-01"})

    learner.refresh_from_db()
    assert (learner.job_role, learner.role_since) == (roles[2], date(2026, 2, 1))
