"""A whole run of a course, lived day by day with a simulated clock; then every recorded decision is decided anew.

    DATABASE_URL=postgres://…/bench REDIS_URL=… python -m tests.bench.replay DIRECTORY [--module DDD]
        [--presentation 2013J] [--days 261] [--json F]

Imports the people and plan of a run of the Open University tables, puts units, managers, coaches and roles over them,
and lets each of its days pass: what was learned the day before arrives through the record store's own endpoint, every
stage runs, coaches, managers and learners do what a script drawn by hash has them do, and what they approved goes out
in the afternoon. Mail goes to a sandbox that is thrown away. A second call goes on where the first one stopped.

At the end ``manage.py backtest`` walks all of it. Exits with 1 unless each decision that the rules made comes out with
the same SHA-256. Run it on a database of its own: it fills it.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coaching.demo.importing import Imported
    from coaching.demo.oulad import Oulad, Run

TEAMS, COACHES = 40, 6
IMPACTS = (("standard", 70), ("elevated", 22), ("critical", 8))  # share in 100
WITH_ACCOUNT = 60  # share in 100 who have a page of their own; the others are reached by mail alone
REFUSALS = (("nudge", 4), ("manager", 4), ("profile", 2))  # share in 100 who say no
MORNING, ACTS, AFTERNOON = clock(9, 30), clock(11), clock(15)


def main() -> int:
    options = _options()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.pop("EMAIL_URL", None)
    import django

    django.setup()
    from django.conf import settings

    with tempfile.TemporaryDirectory() as directory:
        settings.EMAIL_FILE_PATH = directory
        began = time.monotonic()
        run, days = _live(options)
        seconds = time.monotonic() - began
        found = _walk(run, Path(directory))
    told = {
        "run": f"{options.module} {options.presentation}",
        "days": days,
        "seconds_to_live_through": round(seconds),
        "load": round(os.getloadavg()[0], 1),
        **found,
    }
    print(json.dumps(told))
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0 if found["equal"] and not found["different"] and not found["forgotten"] else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A run lived day by day, and decided anew.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--module", default="DDD")
    parser.add_argument("--presentation", default="2013J")
    parser.add_argument("--days", type=int, default=1000, help="stop after this day of the run")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _live(options: argparse.Namespace) -> tuple["Run", int]:
    """Lets the days pass that have not passed here yet; the run and its last day."""
    from coaching.demo import script
    from coaching.demo.endpoint import Endpoint
    from coaching.demo.importing import send
    from coaching.demo.oulad import open_tables
    from config.stages import run_all
    from interventions.models import Decision

    tables = open_tables(options.directory)
    (run,) = tables.select(presentations=[options.presentation], modules=[options.module])
    begins = datetime.combine(run.starts_on, MORNING, UTC)
    imported = _organisation(tables, run, begins - timedelta(days=60))
    endpoint = Endpoint("Replay", begins)
    latest = Decision.objects.order_by("-at").values_list("at", flat=True).first()
    first = 0 if latest is None else (latest.date() - run.starts_on).days + 1
    last = min(options.days, run.length_days)
    if first == 0:
        send(tables, imported, endpoint, to_day=-2)
    for day in range(first, last + 1):
        began = time.monotonic()
        date = run.starts_on + timedelta(days=day)
        send(tables, imported, endpoint, from_day=day - 1, to_day=day - 1)
        arrived = time.monotonic()
        spent = _stages(datetime.combine(date, MORNING, UTC))
        ticked = time.monotonic()
        if date.weekday() < 5:
            script.play(now=datetime.combine(date, ACTS, UTC))
            run_all(now=datetime.combine(date, AFTERNOON, UTC), only=("deliver", "collect"))
        slowest = sorted(spent.items(), key=lambda one: -one[1])[:3]
        told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in slowest)
        people = time.monotonic() - ticked
        sys.stderr.write(
            f"day {day}: {time.monotonic() - began:.1f} s: send {arrived - began:.1f}, {told}, people {people:.1f}\n"
        )
    return run, last


def _stages(now: datetime) -> dict[str, float]:
    """Runs every stage once; how many seconds each took."""
    from config.stages import STAGES

    spent = {}
    for stage in STAGES:
        began = time.monotonic()
        stage.run(now=now)
        spent[stage.name] = time.monotonic() - began
    return spent


def _organisation(tables: "Oulad", run: "Run", at: datetime) -> "Imported":
    """The run's people in made-up teams with managers and coaches; twice changes nothing."""
    from coaching.demo.importing import prepare
    from consent import record
    from consent.actors import Party
    from consent.scopes import Scope
    from learners.models import JobRole, OrgUnit, Role, User
    from learners.models.people import login_hash

    roles = [
        JobRole.objects.get_or_create(code=f"replay-{impact}", defaults={"name": impact, "impact": impact})[0]
        for impact, share in IMPACTS
        for _ in range(share)
    ]
    units = [
        OrgUnit.objects.get_or_create(
            code=f"replay-{number}", defaults={"name": f"Team {number}", "time_zone": "Europe/London"}
        )[0]
        for number in range(TEAMS)
    ]

    def profile(person: int) -> dict[str, Any]:
        return {
            "name": f"Person {person}",
            "email": f"person-{person}@replay.example",
            "unit": units[_draw("unit", person) % TEAMS],
            "job_role": roles[_draw("role", person) % 100],
        }

    known = bool(User.objects.count())
    people = [person.id for person in tables.people(run)]
    imported = prepare(
        tables, run, starts_by=None, now=at, profiles={number: profile(number) for number in people}
    )
    if known:
        return imported

    def user(login: str, role: Role, learner: Any = None) -> User:
        address = f"{login}@replay.example"
        return User(
            login=address,
            login_hash=login_hash(address),
            name=login,
            roles=[role],
            learner=learner,
            password="!",  # nobody signs in here
        )

    coaches = User.objects.bulk_create([user(f"coach{number}", Role.COACH) for number in range(COACHES)])
    managers = User.objects.bulk_create([user(f"manager{number}", Role.MANAGER) for number in range(TEAMS)])
    for number, unit in enumerate(units):
        unit.manager, unit.coach = managers[number], coaches[number % COACHES]
    OrgUnit.objects.bulk_update(units, ["manager", "coach"])
    User.objects.bulk_create(
        [
            user(f"person-{person}", Role.LEARNER, learner)
            for person, learner in imported.learners.items()
            if _draw("account", person) % 100 < WITH_ACCOUNT
        ]
    )
    for person, learner in imported.learners.items():
        chance = _draw("refuses", person) % 100
        for scope, share in REFUSALS:
            if chance < share:
                record.withdraw(subject=learner.pk, scope=Scope(scope), by=Party("user", learner.pk), now=at)
                break
            chance -= share
    return imported


def _draw(*what: object) -> int:
    from coaching.demo.drawing import draw

    return draw("replay", *what)


def _walk(run: "Run", directory: Path) -> dict[str, Any]:
    """What ``manage.py backtest`` says of the whole of it."""
    from django.core.management import call_command

    from interventions.models import Decision

    path = directory / "backtest.json"
    first, last = (
        Decision.objects.order_by(order).values_list("at", flat=True)[0].date().isoformat()
        for order in ("at", "-at")
    )
    began = time.monotonic()
    call_command("backtest", "--from", first, "--to", last, "--json", str(path), stdout=sys.stderr)
    seconds = time.monotonic() - began
    told = json.loads(path.read_text(encoding="utf-8"))
    return {
        "from": first,
        "to": last,
        "people": told["people"],
        "decisions": told["points"],
        **{
            key: told["reproduced"][key]
            for key in ("equal", "different", "by_a_person", "forgotten", "digest")
        },
        "first_differences": told["reproduced"]["first_differences"],
        "seconds_to_walk": round(seconds, 1),
        "really_sent": told["really_sent"],
        "walked": {key: told["policies"][0][key] for key in told["really_sent"]},
    }


if __name__ == "__main__":
    sys.exit(main())
