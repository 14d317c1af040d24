"""The sample organisation's layer gives the rules we ship something to speak of."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from coaching.demo import refresher
from coaching.demo.layer import layer
from coaching.demo.rules import put_in_force
from coaching.demo.statements import HOME_PAGE, account_name
from config.stages import run_all
from interventions.models import Decision
from interventions.snapshot import restore
from learners.identity import canonical, identifier_hash
from learners.models import Competency, Course, Enrolment, Identifier, JobRole, Learner, Role, RoleCompetency
from tests.support.interventions import make_admin
from tests.support.learners import make_user
from tests.support.signals import make_credential, send, statement

STARTS_ON = date(2026, 9, 22)
MAIN = "https://ou.example/course"
# Enough of them for each kind of thing to happen to somebody, and few enough to let sixty days pass.
PEOPLE = [number for number in range(400) if refresher.plan_of(number)][:14]


def make_person(number: int, role: JobRole, course: Course, *, moved: bool) -> None:
    learner = Learner.objects.create(
        email=f"person-{number}@works.example",
        job_role=role,
        started_on=date(2020, 1, 1),
        role_since=STARTS_ON + timedelta(days=20) if moved else None,
    )
    name = canonical("account", f"{HOME_PAGE}|{account_name(number)}")
    Identifier.objects.create(learner=learner, kind="account", hash=identifier_hash(name), value=name)
    Enrolment.objects.create(
        learner=learner,
        course=course,
        starts_on=STARTS_ON,
        enrolled_at=datetime.combine(STARTS_ON, time(), UTC),
    )


def steady(day: datetime) -> list[dict[str, Any]]:
    """Everybody looks into the main course, so that there all is well."""
    return [
        statement(
            activity=f"{MAIN}/page-{number}",
            actor={"account": {"homePage": HOME_PAGE, "name": account_name(number)}},
            at=day,
            course=MAIN,
        )
        for number in PEOPLE
    ]


@pytest.mark.slow
@pytest.mark.django_db
def test_each_rule_that_the_layer_is_made_for_speaks() -> None:
    morning = datetime.combine(STARTS_ON, time(9, 30), UTC)
    put_in_force(owner=make_admin(), reviewer=make_user(Role.REVIEWER), now=morning)
    refresher.make_course()
    role = JobRole.objects.create(code="fitter", name="Fitter")
    RoleCompetency.objects.create(
        job_role=role, competency=Competency.objects.get(lessons__key="spotting-phishing")
    )
    main = Course.objects.create(iri=MAIN, name="Main course")
    for place, number in enumerate(PEOPLE):
        make_person(number, role, main, moved=place < 2)
    credential = make_credential("all", "bulk", "backfill", now=morning).credential

    for day in range(60):
        now = morning + timedelta(days=day + 1)
        sent: list[Any] = layer(PEOPLE, starts_on=STARTS_ON, first=day, last=day)
        if day % 3 == 0:
            sent += steady(now - timedelta(hours=1))
        send(*sent, credential=credential, now=now, bulk=True)
        run_all(now=now, only=("refresh", "evaluate"))

    spoke = set(Decision.objects.filter(rule__isnull=False).values_list("rule__key", flat=True))
    assert {"two-sessions", "recertification", "onboarding-done", "first-lesson", "well-done"} <= spoke
    soon = Decision.objects.filter(rule__key="two-sessions").order_by("at")[0]
    assert soon.snapshot is not None and soon.enrolment.course.iri == refresher.IRI
    seen = restore(soon.snapshot).seen
    assert seen.due_at is not None and seen.steps_done is not None and seen.steps is not None
    assert timedelta() <= seen.due_at - soon.at < timedelta(days=5)
    assert seen.steps_done / seen.steps < 0.6
