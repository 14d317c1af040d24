"""One learner's way along the whole path, with a clock the test moves."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from config.stages import run_all
from learners.identity import add_identifier
from learners.models import Course, Enrolment, JobRole, Learner, OrgUnit, Oversight, Role, User
from signals import ingest
from signals.models import Credential

HOME = "https://lms.example"
COURSE = "https://lms.example/courses/lock-out"
MONDAY = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)  # a working hour in London
ADL = "http://adlnet.gov/expapi/verbs/"


@dataclass
class Journey:
    """A learner with manager and coach in one course that began on a Monday."""

    impact: str = "standard"
    email: str = "robin.fielding@works.example"
    now: datetime = MONDAY
    learner: Learner = field(init=False)
    enrolment: Enrolment = field(init=False)
    manager: User = field(init=False)
    coach: User = field(init=False)
    credential: Credential = field(init=False)

    def __post_init__(self) -> None:
        unit = OrgUnit.objects.create(code=f"depot-{uuid4()}", name="Depot", time_zone="Europe/London")
        role = JobRole.objects.create(code=f"fitter-{uuid4()}", name="Fitter", impact=self.impact)
        self.learner = Learner.objects.create(
            name="Robin Fielding", email=self.email, unit=unit, job_role=role, time_zone="Europe/London"
        )
        self.account = f"robin-{self.learner.pk}"
        add_identifier(learner=self.learner, kind="account", value=f"{HOME}|{self.account}", now=self.now)
        User.objects.create_user(
            f"{self.learner.pk}@learn.example", learner=self.learner, roles=[Role.LEARNER]
        )
        self.manager = User.objects.create_user(f"{uuid4()}@works.example", name="Mo", roles=[Role.MANAGER])
        self.coach = User.objects.create_user(f"{uuid4()}@works.example", name="Kim", roles=[Role.COACH])
        for user, kind in ((self.manager, "manager"), (self.coach, "coach")):
            Oversight.objects.create(learner=self.learner, user=user, kind=kind, from_date=date(2025, 1, 1))
        course, _ = Course.objects.get_or_create(
            iri=COURSE, defaults={"name": "Lock-out basics", "length_days": 120}
        )
        self.enrolment = Enrolment.objects.create(
            learner=self.learner, course=course, starts_on=self.now.date(), enrolled_at=self.now
        )
        self.credential, _ = Credential.objects.get_or_create(
            key="journey",
            defaults={
                "name": "journey",
                "secret_hash": b"",
                "permissions": ["all", "bulk", "backfill"],
                "created_at": self.now,
            },
        )

    def statement(
        self, verb: str = "experienced", *, at: datetime | None = None, **result: Any
    ) -> dict[str, Any]:
        """A statement of this learner in the course."""
        made: dict[str, Any] = {
            "id": str(uuid4()),
            "actor": {"account": {"homePage": HOME, "name": self.account}},
            "verb": {"id": ADL + verb},
            "object": {"id": f"{COURSE}/part-{uuid4()}"},
            "context": {"contextActivities": {"parent": [{"id": COURSE}]}},
            "timestamp": (at or self.now).isoformat(),
        }
        return {**made, "result": result} if result else made

    def send(self, *statements: dict[str, Any]) -> None:
        ingest.ingest([json.dumps(s).encode() for s in statements], credential=self.credential, now=self.now)

    def does(self, verb: str = "experienced", **result: Any) -> dict[str, Any]:
        """Does something in the course now; returns the statement."""
        statement = self.statement(verb, **result)
        self.send(statement)
        return statement

    def tick(self, **later: float) -> None:
        """Lets time pass and runs every stage."""
        self.now += timedelta(**later)
        run_all(now=self.now)
