"""The stages of the data's path, in order. Tasks, beat, ``tick`` and ``/readyz`` all read this one list."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from math import inf
from time import monotonic
from typing import NamedTuple

from config.celery import Queue

ROUNDS = 10_000  # a stage that never finds its work done would otherwise never end


class Ran(NamedTuple):
    """What became of a stage's run."""

    rows: int
    is_done: bool  # else time ran out, and there may be more


@dataclass(frozen=True)
class Stage:
    """A plain function ``(*, now) -> rows worked on``, and when the beat calls it whether or not it was nudged."""

    name: str
    function: str
    queue: Queue
    every_seconds: float

    def run(self, *, now: datetime, seconds: float = inf) -> Ran:
        """Works until nothing is left, or until so many seconds have passed; a batch begun is finished."""
        module, _, name = self.function.rpartition(".")
        work: Callable[..., int] = getattr(import_module(module), name)
        total, over = 0, monotonic() + seconds
        for _ in range(ROUNDS):
            done = work(now=now)
            total += done
            if not done:
                break
            if monotonic() >= over:
                return Ran(total, is_done=False)
        return Ran(total, is_done=True)


STAGES = (
    Stage("partitions", "signals.partitions.make_ahead", Queue.UPKEEP, 3600),
    Stage("name", "signals.sources.people.name_awaited", Queue.PATH, 60),
    Stage("pull", "signals.sources.pulling.pull_due", Queue.DELIVERY, 300),
    Stage("compress", "signals.dictionaries.learn", Queue.UPKEEP, 3600),
    Stage("resolve", "signals.normalize.resolve_parked", Queue.PATH, 60),
    Stage("rescore", "signals.risk.rescore.mark", Queue.PATH, 30),
    Stage("refresh", "signals.features.refresh.refresh", Queue.PATH, 5),
    Stage("judge", "interventions.outcomes.judge", Queue.PATH, 60),
    Stage("evaluate", "interventions.evaluate.evaluate", Queue.PATH, 5),
    Stage("settle", "interventions.route.settle", Queue.PATH, 60),
    Stage("deliver", "interventions.deliver.deliver", Queue.DELIVERY, 15),
    Stage("enrol", "interventions.platform_enrolments.enrol_due", Queue.DELIVERY, 15),
    Stage("webhooks", "interventions.webhooks.send_due", Queue.DELIVERY, 15),
    Stage("bounces", "interventions.mailboxes.read_waiting", Queue.DELIVERY, 300),
    Stage("measure", "interventions.outcomes.measure", Queue.UPKEEP, 600),
    Stage("automation", "interventions.earning.assess", Queue.UPKEEP, 3600),
    Stage("reopen", "interventions.asks.reopen", Queue.UPKEEP, 300),
    Stage("collect", "coaching.inbox.collect", Queue.PATH, 30),
    Stage("rooms", "coaching.rooms.tell", Queue.DELIVERY, 300),
    Stage("contracts", "signals.sources.contracts.check", Queue.UPKEEP, 900),
    Stage("doubts", "signals.second_looks.draw", Queue.UPKEEP, 3600),
    Stage("disagree", "signals.risk.disagreements.ask_people", Queue.UPKEEP, 3600),
    Stage("unshadow", "signals.risk.shadow.sweep", Queue.UPKEEP, 600),
    Stage("promote", "signals.training.nightly.answer_asked", Queue.UPKEEP, 60),
    Stage("audit", "signals.training.audits.answer", Queue.UPKEEP, 60),
    Stage("untreated", "signals.labels.by_itself.untreated", Queue.UPKEEP, 3600),
    Stage("tally", "signals.quality.tally.tally", Queue.UPKEEP, 120),
    Stage("recount", "signals.quality.tally.recount", Queue.UPKEEP, 3600),
    Stage("inspect", "signals.quality.findings.inspect", Queue.UPKEEP, 900),
    Stage("tell", "signals.quality.alerts.tell", Queue.DELIVERY, 300),
    Stage("lessons", "interventions.lesson_expiry.tell_owners", Queue.DELIVERY, 3600),
    Stage("gather", "learners.merging.gather.gather", Queue.UPKEEP, 600),
    Stage("link", "learners.linking.comparing.link", Queue.UPKEEP, 86400),
    Stage("outdated", "signals.features.outdated.mark", Queue.UPKEEP, 60),
    Stage("quantiles", "signals.features.quantiles.renew", Queue.UPKEEP, 3600),
    Stage("mastery", "signals.mastery.fit.fit", Queue.UPKEEP, 86400),
    Stage("seal", "consent.audit.seal", Queue.UPKEEP, 60),
)

BY_NAME = {stage.name: stage for stage in STAGES}
# What a stage leaves is taken up by the next of these at once; everything else waits for the beat.
FOLLOWS = {
    "name": "resolve",
    "resolve": "refresh",
    "rescore": "refresh",
    "refresh": "evaluate",
    "judge": "evaluate",
    "evaluate": "collect",
    "settle": "collect",
}


def run_all(*, now: datetime, only: Collection[str] = BY_NAME) -> dict[str, int]:
    """Runs every stage (or only those named) once, in order; stage → rows."""
    return {stage.name: stage.run(now=now).rows for stage in STAGES if stage.name in only}
