"""The weekly cap under fire: many processes, one learner, half a year, wrong clocks and SIGKILL.

    DATABASE_URL=postgres://postgres@127.0.0.1:5432/scratch python -m tests.bench.cap [--triggers 10000] [--workers 16]

Makes one learner with as many steps to send as there are triggers, spread by chance over 26 simulated weeks. Worker
processes each take a part in the order of time, on clocks that are off by up to ten minutes, so that they also meet
each other's past and future. A worker reserves a place, waits (in simulated time) for up to three days, and uses the
place or gives it back. Workers kill themselves by chance in the middle of it, inside transactions as well, and are
killed from outside; a new process takes up the same trigger again.

Afterwards no 168 hours may hold more than two places that were used, and none of the sends that the workers noted may
lack its place. By true time the same holds but for what two clocks differ. Prints one line of JSON and exits with 1
if anything does not hold. Removes what it made. Talks to a database on 127.0.0.1 or a unix socket only.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import django

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
PERIOD = timedelta(weeks=26)
SKEW = timedelta(minutes=10)
WINDOW = timedelta(hours=168)
LONGEST_SECONDS = 900
# Chances at each trigger: to die before, inside and after the transactions; to call the step off instead of sending.
CRASH, CALL_OFF = 0.002, 0.1


class Plan(NamedTuple):
    """What all workers share."""

    learner_id: UUID
    decisions: list[UUID]  # in the order of time
    at: list[datetime]  # by the true clock


def main() -> int:
    options = _options()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.db import connection

    host = connection.settings_dict["HOST"]
    if host not in ("127.0.0.1", "localhost", "::1", "") and not host.startswith("/"):
        sys.exit("This bench talks to a database on this machine only.")
    chance = random.Random(options.seed)
    plan = _prepare(options.triggers, chance)
    connection.close()
    with tempfile.TemporaryDirectory() as directory:
        began = time.perf_counter()
        killed, died = _run(plan, options, chance, Path(directory))
        seconds = time.perf_counter() - began
        sent = _noted(Path(directory))
    found = _verify(plan, sent)
    _remove(plan)
    told = {
        "triggers": options.triggers,
        "workers": options.workers,
        "weeks": PERIOD.days // 7,
        "seconds": round(seconds, 1),
        "killed_from_outside": killed,
        "killed_inside": died,
        **found,
    }
    sys.stdout.write(json.dumps(told) + "\n")
    return 0 if found["holds"] else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The weekly cap under fire.")
    parser.add_argument("--triggers", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--kills", type=int, default=40, help="at most so many SIGKILLs from outside")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _prepare(triggers: int, chance: random.Random) -> Plan:
    from interventions.models import Decision, Episode
    from interventions.policy import store
    from learners.models import Course, Enrolment, Learner

    learner = Learner.objects.create()
    course = Course.objects.create(iri=f"https://bench.example/{uuid4()}", name="Bench")
    enrolment = Enrolment.objects.create(
        learner=learner, course=course, starts_on=date(2026, 1, 5), enrolled_at=BEGIN
    )
    episode = Episode.objects.create(
        enrolment=enrolment, triggers=["inactivity"], ladder="normal", opened_at=BEGIN, signal_at=BEGIN
    )
    at = sorted(BEGIN + PERIOD * chance.random() for _ in range(triggers))
    made = Decision.objects.bulk_create(
        (
            Decision(
                enrolment=enrolment,
                episode=episode,
                step=step,
                policy=store.live(),
                action="nudge",
                known_seq=0,
                at=moment,
                snapshot={},
            )
            for step, moment in enumerate(at)
        ),
        batch_size=1000,
    )
    return Plan(learner.pk, [decision.pk for decision in made], at)


def _run(plan: Plan, options: argparse.Namespace, chance: random.Random, directory: Path) -> tuple[int, int]:
    """Starts the workers, kills and replaces them until each has seen all of its part; kills from outside, inside."""
    running: dict[int, int] = {}  # process → number of the worker
    killed, died = 0, 0
    deadline = time.monotonic() + LONGEST_SECONDS
    for number in range(options.workers):
        running[_start(plan, options, number, directory)] = number
    next_kill = time.monotonic() + 0.5
    while running:
        process, status = os.waitpid(-1, os.WNOHANG)
        if process in running:
            number = running.pop(process)
            if os.WIFSIGNALED(status):
                died += 1
                running[_start(plan, options, number, directory)] = number
            elif os.waitstatus_to_exitcode(status):
                sys.exit(f"Worker {number} broke: see its output above.")
            continue
        if time.monotonic() > deadline:
            for process in running:
                os.kill(process, signal.SIGKILL)
            sys.exit(f"Not done after {LONGEST_SECONDS} seconds.")
        if killed < options.kills and time.monotonic() > next_kill:
            os.kill(chance.choice(list(running)), signal.SIGKILL)
            killed += 1
            next_kill = time.monotonic() + chance.uniform(0.1, 0.8)
        time.sleep(0.01)
    return killed, died - killed


def _start(plan: Plan, options: argparse.Namespace, number: int, directory: Path) -> int:
    process = os.fork()
    if process:
        return process
    try:
        _work(plan, options, number, directory)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def _work(plan: Plan, options: argparse.Namespace, number: int, directory: Path) -> None:
    """One process's life: its part of the triggers from where the one before it died."""
    skew = SKEW * random.Random(f"{options.seed}:{number}").uniform(-1, 1)
    chance = random.Random(os.urandom(8))
    place = directory / f"{number}.place"
    sent = os.open(directory / f"{number}.sent", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    mine = range(number, len(plan.decisions), options.workers)
    begin = int(place.read_text()) if place.exists() else 0
    for turn in range(begin, len(mine)):
        _write_whole(place, str(turn))
        index = mine[turn]
        true_at = _trigger(plan, index, skew, chance)
        if true_at is not None:
            os.write(sent, f"{plan.decisions[index]} {true_at.isoformat()}\n".encode())


def _trigger(plan: Plan, index: int, skew: timedelta, chance: random.Random) -> datetime | None:
    """Asks for a place and uses it; the true time of the send, or None."""
    from django.db import transaction

    from interventions import limits
    from interventions.models import AlertSlot, Decision

    kind = AlertSlot.Kind.LEARNER
    decision_id = plan.decisions[index]
    of_this_trigger = random.Random(index)  # the same when it is taken up again
    waits = timedelta(hours=72 * of_this_trigger.random() ** 3)
    due_at = plan.at[index] + waits
    _perhaps_die(chance)
    has_place = (
        AlertSlot.objects.filter(decision_id=decision_id).exclude(state=AlertSlot.State.RELEASED).exists()
    )
    if not has_place:
        with transaction.atomic():
            placed = limits.reserve(kind=kind, wanted={decision_id: (plan.learner_id, due_at + skew)})
            _perhaps_die(chance)
        if not placed:
            return None
    _perhaps_die(chance)
    if of_this_trigger.random() < CALL_OFF:
        limits.release(decision_ids=[decision_id])
        return None
    true_at = due_at + timedelta(hours=3 * of_this_trigger.random())
    with transaction.atomic():
        used = limits.commit(decision=Decision(pk=decision_id), kind=kind, now=true_at + skew)
        _perhaps_die(chance)
    _perhaps_die(chance)
    return true_at if used else None


def _perhaps_die(chance: random.Random) -> None:
    if chance.random() < CRASH:
        os.kill(os.getpid(), signal.SIGKILL)


def _write_whole(path: Path, text: str) -> None:
    """Never half of it, whenever the process dies."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


def _noted(directory: Path) -> dict[UUID, datetime]:
    """What the workers say they sent: decision → true time. One taken up again may be noted twice."""
    found = {}
    for path in directory.glob("*.sent"):
        for line in path.read_text().splitlines():
            decision_id, at = line.split()
            found[UUID(decision_id)] = datetime.fromisoformat(at)
    return found


def _verify(plan: Plan, sent: dict[UUID, datetime]) -> dict[str, object]:
    from interventions.models import AlertSlot

    slots = AlertSlot.objects.filter(learner=plan.learner_id, state=AlertSlot.State.COMMITTED)
    used: dict[UUID, datetime] = {
        decision_id: during.lower for decision_id, during in slots.values_list("decision_id", "during")
    }
    by_ledger, by_truth = (
        most_in_window(list(used.values()), WINDOW),
        most_in_window([at for pk, at in sent.items() if pk in used], WINDOW - 2 * SKEW),
    )
    without_place = sum(pk not in used for pk in sent)
    return {
        "places_used": len(used),
        "most_in_168_h": by_ledger,
        "most_in_168_h_less_clock_difference": by_truth,
        "sent_without_a_place": without_place,
        "holds": by_ledger <= 2 and by_truth <= 2 and not without_place and bool(used),
    }


def most_in_window(moments: Sequence[datetime], window: timedelta) -> int:
    """How many of these lie within one window, at most; its end does not belong to it."""
    ordered = sorted(moments)
    most, first = 0, 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


def _remove(plan: Plan) -> None:
    from learners.models import Course, Enrolment, Learner

    courses = list(Enrolment.objects.filter(learner=plan.learner_id).values_list("course_id", flat=True))
    Enrolment.objects.filter(learner=plan.learner_id).delete()
    Learner.objects.filter(pk=plan.learner_id).delete()
    Course.objects.filter(pk__in=courses).delete()


if __name__ == "__main__":
    sys.exit(main())
