"""Eight weeks of an organisation whose workers are killed all the time; then its promises are proved from the rows.

    DATABASE_URL=postgres://…/bench REDIS_URL=… python -m tests.bench.simulation [--people 1100] [--workers 3]

Some 100,000 xAPI statements arrive through the record store's own endpoint over simulated weeks. Four times a day
worker processes run every stage beside each other, each in an order of its own, until nothing is left to do; they are
killed with SIGKILL at random moments, and by the mail server (tests/bench/sink.py) before and after it took a mail.
Coaches, managers and learners do what a script has them do. Meanwhile weeks are declared business-critical, people go
on leave, withdraw consent (also while workers run), bounce, and turn out to be one person.

At the end tests/bench/proofs.py looks at the rows and at what the mail server took. Prints one line of JSON and exits
with 1 if anything does not hold. Mail goes to the server on 127.0.0.1 only. Use a database of its own: it fills it.
"""

import argparse
import json
import mmap
import multiprocessing
import os
import random
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import Any, NoReturn

import django

from tests.bench import population, sink
from tests.bench.population import BEGIN, Closed, Refusal, World

ROUNDS = (clock(2), clock(9, 30), clock(15), clock(20, 30))  # two of them at night for most people
ACTS, UPKEEP = 1, 1  # after this round people act; in this one the slower stages run as well
# What statements and sends need; the others are upkeep.
PROMPT = ("resolve", "rescore", "refresh", "judge", "evaluate", "settle", "deliver", "reopen", "collect")
PASSES = 6
PATIENCE_S = 120.0  # for one round


def main() -> int:
    options = _options()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as directory:
        mails = Path(directory) / "mails"
        port, stop = context.Queue(), context.Event()
        server = context.Process(
            target=sink.serve,
            args=(mails, port, stop),
            kwargs={"kill": options.kill_sends, "seed": options.seed},
        )
        server.start()
        os.environ["EMAIL_URL"] = f"smtp://127.0.0.1:{port.get(timeout=30)}"
        django.setup()
        _only_here()
        began = time.perf_counter()
        try:
            simulation = Simulation(options)
            simulation.run()
        finally:
            stop.set()
            server.join(10)
        seconds = time.perf_counter() - began
        from tests.bench.proofs import prove

        found = prove(simulation.world, sink.taken(mails), now=simulation.now)
    told = {
        "people": options.people,
        "days": options.days,
        "statements": simulation.sent,
        "workers": options.workers,
        "seconds": round(seconds),
        "load": round(os.getloadavg()[0], 1),
        "killed": simulation.killed,
        "broken_off": dict(simulation.broken),
        "merged": len(simulation.world.merges),
        "withdrawn": len(simulation.world.refusals),
        **found,
    }
    sys.stdout.write(json.dumps(told, default=str) + "\n")
    return 0 if found["holds"] and not simulation.broken else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Weeks of an organisation under fire.")
    parser.add_argument("--people", type=int, default=1100)
    parser.add_argument("--days", type=int, default=56)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--rate", type=float, default=3.2, help="statements of somebody on an active day")
    parser.add_argument(
        "--kill-rounds", type=float, default=0.5, help="share of rounds in which a worker is killed"
    )
    parser.add_argument("--kill-sends", type=float, default=0.01, help="chance at each step of a mail")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _only_here() -> None:
    from django.db import connection

    host = connection.settings_dict["HOST"]
    if host not in ("127.0.0.1", "localhost", "::1", "") and not host.startswith("/"):
        sys.exit("This bench talks to a database on this machine only.")


class Workers:
    """Processes that run the stages whenever a new round begins, and say when they are done; killed and replaced."""

    def __init__(self, number: int) -> None:
        # Round, simulated moment, whether upkeep is due; then for each worker the round it has finished.
        self._shared = mmap.mmap(-1, 24 + 8 * number)
        self._running: dict[int, int] = {}  # process → place
        self.number, self.round, self.killed = number, 0, 0
        self.broken: Counter[str] = Counter()

    def begin(self, now: datetime, *, upkeep: bool) -> None:
        self.round += 1
        struct.pack_into("<dq", self._shared, 8, now.timestamp(), int(upkeep))
        struct.pack_into("<q", self._shared, 0, self.round)
        for place in set(range(self.number)) - set(self._running.values()):
            self._start(place)

    def until_done(self, *, kill_after: float | None, meanwhile: Callable[[], None]) -> None:
        """Waits for all of them. After so many seconds one is killed, whatever it is doing."""
        began = time.monotonic()
        meanwhile()
        while True:
            self._replace()
            if all(
                struct.unpack_from("<q", self._shared, 24 + 8 * n)[0] == self.round
                for n in range(self.number)
            ):
                return
            if kill_after is not None and time.monotonic() - began > kill_after:
                os.kill(random.choice(list(self._running)), signal.SIGKILL)
                kill_after = None
            if time.monotonic() - began > PATIENCE_S:
                self.stop()
                raise TimeoutError(f"A round was not done after {PATIENCE_S:.0f} seconds.")
            time.sleep(0.005)

    def stop(self) -> None:
        for process in self._running:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        self._running = {}

    def _replace(self) -> None:
        for process in list(self._running):
            done, status = os.waitpid(process, os.WNOHANG)
            if not done:
                continue
            place = self._running.pop(process)
            if os.WIFSIGNALED(status):
                self.killed += 1
            else:
                self.broken[f"worker ended with {os.waitstatus_to_exitcode(status)}"] += 1
            self._start(place)

    def _start(self, place: int) -> None:
        from django.db import connections

        connections.close_all()  # a child must not speak on the parent's connection
        process = os.fork()
        if process:
            self._running[process] = place
            return
        try:
            self._work(place)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        os._exit(1)

    def _work(self, place: int) -> NoReturn:
        import socket

        from config.stages import STAGES

        mine = os.getpid()
        socket.getfqdn = lambda name="": f"worker-{mine}.simulation.example"  # how the mail server knows it
        finished = 0
        parent = os.getppid()
        while os.getppid() == parent:
            (wanted,) = struct.unpack_from("<q", self._shared, 0)
            if wanted == finished:
                time.sleep(0.003)
                continue
            stamp, upkeep = struct.unpack_from("<dq", self._shared, 8)
            now = datetime.fromtimestamp(stamp, UTC)
            turned = [*STAGES[place * 9 :], *STAGES[: place * 9]]
            for turn in range(PASSES):
                stages = [one for one in turned if one.name in PROMPT or (upkeep and not turn)]
                if not sum(one.run(now=now).rows for one in stages if one.name in PROMPT) and turn:
                    break
                for one in stages:
                    if one.name not in PROMPT:
                        one.run(now=now)
            finished = wanted
            struct.pack_into("<q", self._shared, 24 + 8 * place, wanted)
        os._exit(0)


class Simulation:
    """The organisation's weeks."""

    def __init__(self, options: argparse.Namespace) -> None:
        from coaching.demo.endpoint import Endpoint
        from signals.features import serving

        self.options, self.chance = options, random.Random(options.seed)
        self.now = datetime.combine(BEGIN, clock(1), UTC)
        self.world: World = population.populate(options.people, self.chance, now=self.now)
        self.world.moments.append((0.0, self.now))
        self.endpoint = Endpoint("Simulation", self.now)
        self.sent = 0
        self._coming: list[tuple[datetime, bytes]] = []
        serving.warm()
        self.workers = Workers(options.workers)
        self.gone: set[Any] = set()  # merged into somebody else

    @property
    def killed(self) -> int:
        return self.workers.killed

    @property
    def broken(self) -> Counter[str]:
        return self.workers.broken

    def run(self) -> None:
        from coaching.demo import script

        try:
            for day in range(self.options.days):
                date = BEGIN + timedelta(days=day)
                for person in self.world.people:
                    self._coming += population.statements(person, date, rate=self.options.rate)
                self._coming.sort(key=lambda one: one[0])
                for number, hour in enumerate(ROUNDS):
                    self.now = datetime.combine(date, hour, UTC)
                    self.world.moments.append((time.time(), self.now))
                    self._arrive()
                    self._befall(number)
                    self._round(upkeep=number == UPKEEP)
                    if number == ACTS and date.weekday() < 5:
                        self.now += timedelta(hours=1, minutes=30)
                        self.world.moments.append((time.time(), self.now))
                        script.play(now=self.now)
            # Whatever a worker died over is settled when it is no longer in doubt.
            self.now += timedelta(hours=1)
            self.world.moments.append((time.time(), self.now))
            self._round(upkeep=True, quietly=True)
        finally:
            self.workers.stop()

    def _arrive(self) -> None:
        """What happened until now is sent, a hundredth of it twice."""
        due = [body for at, body in self._coming if at <= self.now]
        self._coming = self._coming[len(due) :]
        self.sent += len(due)
        self.endpoint.send([*due, *(body for body in due if self.chance.random() < 0.01)])

    def _round(self, *, upkeep: bool, quietly: bool = False) -> None:
        kills = not quietly and self.chance.random() < self.options.kill_rounds
        self.workers.begin(self.now, upkeep=upkeep)
        self.workers.until_done(
            kill_after=self.chance.uniform(0.02, 0.8) if kills else None,
            meanwhile=(lambda: None) if quietly else self._withdraw_beside_workers,
        )

    def _befall(self, number: int) -> None:
        """What happens to people between two rounds."""
        from interventions import busy_periods
        from learners.models import Learner, OrgUnit

        day, scale = self.now.date(), self.options.people / 1100
        if number == 1:
            self._withdraw(scale * 2, "nudge", beside=False)
            self._withdraw(scale, self.chance.choice(("profile", "manager", "coach")), beside=False)
        if number == 2 and self.chance.random() < 0.5:
            self._merge()
        if number == 3:
            for person in self._some(scale * 5):
                first = day + timedelta(days=self.chance.randrange(0, 3))
                last = first + timedelta(days=self.chance.randrange(2, 10))
                Learner.objects.filter(pk=person.learner_id).update(leave_from=first, leave_until=last)
                self.world.closed = [one for one in self.world.closed if one.of != person.learner_id]
                self.world.closed.append(Closed(person.learner_id, first, last, self.now))
        if number == 2 and day.weekday() in (0, 3):
            unit = OrgUnit.objects.get(pk=self.chance.choice(list(self.world.units)))
            last = day + timedelta(days=6)
            busy_periods.declare(
                unit=unit, name="Quarter close", first=day, last=last, source="admin", by=None, now=self.now
            )
            self.world.closed.append(Closed(unit.pk, day, last, self.now))

    def _some(self, number: float) -> list[population.Person]:
        there = [one for one in self.world.people if one.learner_id not in self.gone]
        whole = int(number) + (self.chance.random() < number % 1)
        return self.chance.sample(there, min(whole, len(there)))

    def _withdraw_beside_workers(self) -> None:
        self._withdraw(0.3 * self.options.people / 1100, "nudge", beside=True)

    def _withdraw(self, number: float, scope: str, *, beside: bool) -> None:
        from consent import record
        from consent.actors import Party
        from consent.scopes import Scope

        for person in self._some(number):
            pk = person.learner_id
            record.withdraw(subject=pk, scope=Scope(scope), by=Party("user", pk), now=self.now)
            self.world.refusals.append(Refusal(pk, scope, self.now, time.time(), beside))

    def _merge(self) -> None:
        from consent.actors import SYSTEM
        from interventions.models import Delivery
        from learners.merging import merge

        duplicate, kept = (one.learner_id for one in self._some(2))
        sent = Delivery.objects.filter(learner__in=(duplicate, kept), sent_at__isnull=False)
        sent_before = dict(sent.values_list("decision_id", "learner_id"))
        try:
            merge.merge(duplicate=duplicate, into=kept, by=SYSTEM, now=self.now)
        except merge.CannotMerge:
            return  # two accounts, or a manager is about to speak with one of them
        self.gone.add(duplicate)
        self.world.sent_before = {**sent_before, **self.world.sent_before}
        self.world.merges.append((duplicate, kept, self.now))
        self.world.refusals += [
            one._replace(learner_id=kept, at=self.now, clock=time.time())
            for one in self.world.refusals
            if one.learner_id == duplicate
        ]


if __name__ == "__main__":
    sys.exit(main())
