"""The people of the simulation: who they are, what they do in their courses day by day, and what befalls them."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

BEGIN = date(2026, 3, 2)  # a Monday; Easter and two changes of the clocks lie in the weeks after it
HOME = "https://simulation.example"
ADL = "http://adlnet.gov/expapi/verbs/"
ZONES = ("Europe/London", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "")
BERLIN_HOLIDAYS = (date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 1))  # in Bavaria, as its calendar says
IMPACTS = ("standard",) * 6 + ("elevated",) * 3 + ("critical",)
KINDS = ("steady",) * 5 + ("fading",) * 3 + ("failing",) * 2


class Refusal(NamedTuple):
    """A consent withdrawn: from this moment, by both clocks, nothing may be done for the purpose."""

    learner_id: UUID
    scope: str
    at: datetime
    clock: float  # when the withdrawing call had returned
    is_beside_workers: bool  # workers ran meanwhile, so what was claimed before may still be under way


class Closed(NamedTuple):
    """Days on which somebody, or a unit, is not to be disturbed, and since when that is known."""

    of: UUID | int
    first: date
    last: date
    since: datetime


@dataclass
class Person:
    """What the simulation itself knows of somebody; what the product knows is not asked when it is judged."""

    learner_id: UUID
    account: str
    email: str
    zone: str
    unit: int
    kind: str
    courses: list[str]
    chance: random.Random


@dataclass
class World:
    """Everything that was done to the people, for the proofs."""

    people: list[Person] = field(default_factory=list)
    units: dict[int, str] = field(default_factory=dict)  # unit → zone
    refusals: list[Refusal] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    merges: list[tuple[UUID, UUID, datetime]] = field(default_factory=list)  # duplicate, kept, at
    # Decision → whom it had been sent to when their record was merged: a merge moves cards, and may give places back.
    sent_before: dict[UUID, UUID] = field(default_factory=dict)
    moments: list[tuple[float, datetime]] = field(default_factory=list)  # this machine's clock → simulated

    def simulated(self, clock: float) -> datetime:
        """The simulated moment at a moment of this machine's clock."""
        return max((began, at) for began, at in self.moments if began <= clock)[1]


def populate(number: int, chance: random.Random, *, now: datetime) -> World:
    """Units, managers, coaches, courses and so many learners."""
    from learners.identity import canonical, identifier_hash
    from learners.models import Course, Enrolment, Identifier, JobRole, Learner, OrgUnit, Role, User
    from learners.models.people import login_hash

    run = uuid4().hex[:8]
    courses = [
        Course.objects.create(iri=f"{HOME}/{run}/course-{n}", name=f"Course {n}", length_days=150)
        for n in range(3)
    ]
    roles = [
        JobRole.objects.get_or_create(
            code=f"simulation-{impact}", defaults={"name": impact, "impact": impact}
        )[0]
        for impact in IMPACTS
    ]

    def user(name: str, role: Role, learner: Any = None) -> User:
        login = f"{name}-{run}@simulation.example"
        return User(
            login=login, login_hash=login_hash(login), name=name, roles=[role], learner=learner, password="!"
        )

    coaches = User.objects.bulk_create([user(f"coach{n}", Role.COACH) for n in range(4)])
    managers = User.objects.bulk_create([user(f"manager{n}", Role.MANAGER) for n in range(25)])
    units = [
        OrgUnit.objects.create(
            code=f"s-{run}-{n}",
            name=f"Unit {n}",
            time_zone=ZONES[n % 5],
            holidays="DE-BY" if ZONES[n % 5] == "Europe/Berlin" else "",
            manager=managers[n] if n < 24 else None,
            coach=coaches[n % 4],
        )
        for n in range(25)
    ]
    world = World(units={unit.pk: unit.time_zone for unit in units})
    learners, accounts = [], []
    for n in range(number):
        draw = chance.random()
        prefix = "gone" if draw < 0.03 else "later" if draw < 0.06 else "person"
        learners.append(
            Learner(
                name=f"Person {n}",
                email="" if draw > 0.98 else f"{prefix}-{run}-{n}@simulation.example",
                unit=units[n % 25],
                job_role=chance.choice(roles),
            )
        )
        accounts.append(f"simulated-{run}-{n:06}")
    Learner.objects.bulk_create(learners)
    Identifier.objects.bulk_create(
        [
            Identifier(
                learner=learner,
                kind="account",
                hash=identifier_hash(canonical("account", f"{HOME}|{account}")),
                value=f"{HOME}|{account}",
            )
            for learner, account in zip(learners, accounts, strict=True)
        ]
    )
    User.objects.bulk_create(
        [user(f"person{n}", Role.LEARNER, one) for n, one in enumerate(learners) if chance.random() < 0.6]
    )
    enrolments = []
    for learner, account in zip(learners, accounts, strict=True):
        mine = chance.sample(courses, 2 if chance.random() < 0.4 else 1)
        enrolments += [
            Enrolment(learner=learner, course=one, starts_on=BEGIN, enrolled_at=now) for one in mine
        ]
        unit = learner.unit_id
        assert unit is not None
        world.people.append(
            Person(
                learner.pk,
                account,
                learner.email,
                world.units[unit],
                unit,
                chance.choice(KINDS),
                [one.iri for one in mine],
                random.Random(chance.random()),
            )
        )
    Enrolment.objects.bulk_create(enrolments)
    return world


def statements(person: Person, day: date, *, rate: float) -> Iterator[tuple[datetime, bytes]]:
    """What somebody does on a day, dated; ``rate``: statements a day of somebody steady."""
    chance, since = person.chance, (day - BEGIN).days
    share = {"steady": 0.6, "fading": max(0.02, 0.7 - 0.03 * since), "failing": 0.45}[person.kind]
    if chance.random() > share:
        return
    for _ in range(1 + int(chance.expovariate(1 / rate))):
        at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(seconds=chance.randrange(86_399))
        course = person.courses[0] if chance.random() < 0.8 else person.courses[-1]
        made: dict[str, Any] = {
            "id": str(UUID(int=chance.getrandbits(128), version=4)),
            "actor": {"account": {"homePage": HOME, "name": person.account}},
            "verb": {"id": f"{ADL}experienced"},
            "object": {"id": f"{course}/part-{chance.randrange(200)}"},
            "context": {"contextActivities": {"parent": [{"id": course}]}},
            "timestamp": at.isoformat(),
        }
        if chance.random() < 0.15:
            good = chance.random() < (0.3 if person.kind == "failing" else 0.85)
            made["verb"] = {"id": f"{ADL}scored"}
            scaled = round(chance.uniform(0.6, 1) if good else chance.uniform(0, 0.45), 2)
            made["result"] = {"score": {"scaled": scaled}, "success": good}
        yield at, json.dumps(made).encode()
