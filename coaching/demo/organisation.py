"""The sample organisation: Harrowgate Lines, an invented railway, over one real run of a course.

Its people learn as 383 real, anonymous students did; their names, jobs and teams are made up, drawn by hash, the same
on every machine.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import transaction

from coaching.demo import refresher, rules
from coaching.demo.drawing import draw
from coaching.demo.importing import Imported, prepare
from coaching.demo.names import FAMILY, GIVEN
from coaching.demo.oulad import Oulad, Run, open_tables
from consent import record
from consent.actors import Party
from consent.scopes import Scope
from learners.identity import canonical, identifier_hash
from learners.models import Competency, Identifier, JobRole, Learner, OrgUnit, Role, RoleCompetency, User
from learners.models.people import login_hash

DATA = Path(__file__).parent / "data"
COURSE_NAME = "Safety and Service Programme (sample data)"
DAY_TODAY = 60  # about this day of the run is today
PASSWORD = "rekindle-demo"  # noqa: S105  (printed for everybody to see)
DOMAIN = "harrowgate-lines.example"
SIGN_INS = {"admin": [Role.ADMIN, Role.STEWARD], "reviewer": [Role.REVIEWER]}

UNITS = (  # code, name, parent, time zone
    ("hl", "Harrowgate Lines", None, "Europe/London"),
    ("hl-ops", "Operations", "hl", ""),
    ("hl-ops-depot-n", "Depot North", "hl-ops", ""),
    ("hl-ops-depot-s", "Depot South", "hl-ops", ""),
    ("hl-ops-signals", "Signals and Track", "hl-ops", ""),
    ("hl-ops-control", "Control Room", "hl-ops", ""),
    ("hl-service", "Customer Service", "hl", ""),
    ("hl-service-stations", "Stations", "hl-service", ""),
    ("hl-service-onboard", "On-board Service", "hl-service", ""),
    ("hl-service-sales", "Group Sales", "hl-service", ""),
    ("hl-berlin", "Harrowgate Berlin", "hl", "Europe/Berlin"),
    ("hl-office", "Offices", "hl", ""),
)
TEAMS = tuple(code for code, *_ in UNITS if code not in ("hl", "hl-ops", "hl-service"))
ROLES = (  # code, name, impact, share in 100, lessons of its competencies
    ("fitter", "Maintenance fitter", "elevated", 22, ("lock-out-tag-out",)),
    ("signaller", "Signaller", "critical", 7, ("lock-out-tag-out", "personal-data-at-work")),
    ("station", "Station assistant", "standard", 33, ("spotting-phishing",)),
    ("onboard", "Train host", "standard", 20, ("feedback-four-sentences",)),
    ("sales", "Group sales adviser", "standard", 10, ("price-objection",)),
    ("analyst", "Planning analyst", "standard", 8, ("personal-data-at-work",)),
)
REFUSALS = ((Scope.NUDGE, 4), (Scope.MANAGER, 4), (Scope.PROFILE, 2))  # share in 100 who say no


@dataclass(frozen=True)
class Sample:
    """The organisation as loaded."""

    tables: Oulad
    run: Run
    imported: Imported
    coaches: list[User]
    managers: list[User]


def load(*, now: datetime) -> Sample:
    """Makes sure of the organisation; twice changes nothing."""
    tables = open_tables(DATA)
    (run,) = tables.select(presentations=["2013J"], modules=["AAA"])
    with transaction.atomic():
        units, roles = _units(), _roles()
        people = [person.id for person in tables.people(run)]
        refresher.make_course()
        imported = prepare(
            tables,
            run,
            starts_by=now.date() - timedelta(days=DAY_TODAY - 3),
            now=now,
            name=COURSE_NAME,
            profiles={
                number: _profile(place, number, units, roles, now.date())
                for place, number in enumerate(people)
            },
        )
        coaches, managers = _accounts(imported, units)
        rules.put_in_force(
            owner=User.objects.get_by_natural_key(f"admin@{DOMAIN}"),
            reviewer=User.objects.get_by_natural_key(f"reviewer@{DOMAIN}"),
            now=datetime.combine(imported.writer.starts_on, time(9), UTC),
        )
        _refusals(imported, datetime.combine(imported.writer.starts_on, time(9), UTC))
    return Sample(tables, run, imported, coaches, managers)


def _units() -> dict[str, OrgUnit]:
    made: dict[str, OrgUnit] = {}
    for code, name, parent, zone in UNITS:
        made[code], _ = OrgUnit.objects.get_or_create(
            code=code, defaults={"name": name, "parent": made.get(parent or ""), "time_zone": zone}
        )
    return made


def _roles() -> list[JobRole]:
    drawn = []
    for code, name, impact, share, keys in ROLES:
        role, _ = JobRole.objects.get_or_create(code=code, defaults={"name": name, "impact": impact})
        for competency in Competency.objects.filter(lessons__key__in=keys):
            RoleCompetency.objects.get_or_create(job_role=role, competency=competency)
        drawn += [role] * share
    return drawn


def _profile(
    place: int, number: int, units: dict[str, OrgUnit], roles: list[JobRole], today: date
) -> dict[str, Any]:
    given, family = GIVEN[draw("given", number) % len(GIVEN)], FAMILY[draw("family", number) % len(FAMILY)]
    team = TEAMS[draw("team", number) % len(TEAMS)]
    german = team == "hl-berlin"
    is_new = draw("new here", number) % 40 == 0
    since = (
        today - timedelta(days=45)
        if is_new
        else date(2015, 1, 1) + timedelta(days=draw("since", number) % 3000)
    )
    # Some came from another job, five or six weeks ago.
    moved = not is_new and draw("new role", number) % 30 == 0
    employee = f"EMP-2041-{place:05}"
    return {
        "name": f"{given} {family}",
        "email": f"{given}.{family}.{place:03}@{DOMAIN}".lower(),
        "employee_number": employee,
        "employee_hash": identifier_hash(f"employee:{employee}"),
        "unit": units[team],
        "job_role": roles[draw("role", number) % len(roles)],
        "time_zone": "" if german or draw("zone", number) % 20 else "America/New_York",
        "language": "de" if german else "en",
        "role_since": today - timedelta(days=35 + draw("moved", number) % 10) if moved else None,
        "started_on": since,
    }


def _accounts(imported: Imported, units: dict[str, OrgUnit]) -> tuple[list[User], list[User]]:
    """A sign-in for every learner, and for three coaches, a manager per team, an administrator and a reviewer."""
    password = make_password(PASSWORD)  # slow by design, so once
    learners = list(imported.learners.values())
    wanted = [
        _user(f"coach{number}", f"{GIVEN[number]} {FAMILY[-number]}", [Role.COACH], password)
        for number in (1, 2, 3)
    ]
    wanted += [
        _user(f"manager{number}", f"{GIVEN[-number]} {FAMILY[number]}", [Role.MANAGER], password)
        for number in range(1, len(TEAMS) + 1)
    ]
    wanted += [_user(login, login.title(), roles, password) for login, roles in SIGN_INS.items()]
    wanted += [
        _user(learner.email.partition("@")[0], learner.name, [Role.LEARNER], password, learner=learner)
        for learner in learners
    ]
    User.objects.bulk_create(wanted, ignore_conflicts=True)
    by_login = {
        bytes(user.login_hash): user
        for user in User.objects.filter(login_hash__in=[u.login_hash for u in wanted])
    }
    there = [by_login[bytes(user.login_hash)] for user in wanted]
    coaches, managers = there[:3], there[3 : 3 + len(TEAMS)]
    for place, team in enumerate(TEAMS):
        OrgUnit.objects.filter(code=team).update(manager=managers[place], coach=coaches[place % 3])
    OrgUnit.objects.filter(code="hl").update(coach=coaches[0])
    Identifier.objects.bulk_create(
        [
            Identifier(
                learner=learner,
                kind=Identifier.Kind.MBOX,
                hash=identifier_hash(canonical("mbox", f"mailto:{learner.email}")),
                value=f"mailto:{learner.email}",
            )
            for learner in learners
        ],
        ignore_conflicts=True,
    )
    return coaches, managers


def _user(login: str, name: str, roles: list[Role], password: str, *, learner: Learner | None = None) -> User:
    address = f"{login}@{DOMAIN}"
    return User(
        login=address,
        login_hash=login_hash(address),
        name=name,
        roles=list(roles),
        learner=learner,
        password=password,
        language=learner.language if learner else "en",
    )


def _refusals(imported: Imported, at: datetime) -> None:
    """Some people say no to one thing or another, before anything begins."""
    for number, learner in imported.learners.items():
        chance = draw("refuses", number) % 100
        for scope, share in REFUSALS:
            if chance < share:
                record.withdraw(subject=learner.pk, scope=scope, by=Party("user", _person(learner)), now=at)
                break
            chance -= share


def _person(learner: Learner) -> UUID:
    return learner.pk
