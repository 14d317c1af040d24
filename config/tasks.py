"""The stages as Celery tasks, and the nudges between them. A lost task costs time, never data."""

import logging
from typing import Any

from celery import shared_task
from celery.signals import worker_init
from django.core.cache import cache
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from config.celery import Queue
from config.stages import BY_NAME, FOLLOWS

log = logging.getLogger(__name__)

DEBOUNCE_SECONDS = 5  # forgotten when the task starts; this bounds what a lost task can hold back


@worker_init.connect
def warm(**_: Any) -> None:
    """Compiles the features once, before a worker takes its first task, so that nobody waits for it."""
    from signals.features import serving

    serving.warm()


@shared_task(queue=Queue.PATH.value, ignore_result=True)
def run_stage(*, stage: str) -> int:
    """Runs one stage until its work is done, then nudges the one that follows."""
    # Forget the nudge first: whatever arrives from here on deserves another.
    cache.delete(_key(stage))
    done = BY_NAME[stage].run(now=timezone.now())
    if done and stage in FOLLOWS:
        nudge(stage=FOLLOWS[stage])
    return done


@shared_task(queue=Queue.UPKEEP.value, ignore_result=True)
def archive_months() -> int:
    """Writes the months that are over to the cold store. Not a stage: nobody waits for it, and nothing follows."""
    from signals.archive.write import archive

    return len(archive(now=timezone.now()).files)


@shared_task(queue=Queue.UPKEEP.value, ignore_result=True)
def keep_to_periods() -> int:
    """Lets go what is past its period: the promise in the consent scopes must not hang on somebody's memory.

    Nothing moves to the cold store here: only an operator knows that its directory is one that lasts.
    """
    from consent import retention

    return retention.apply(now=timezone.now(), moving=False)


@shared_task(queue=Queue.UPKEEP.value, ignore_result=True)
def retrain() -> str:
    """Learns anew from what has ended; only the gate promotes. What came of it is a row, also where it failed."""
    from signals.training import nightly

    return str(nightly.run(now=timezone.now()).outcome)


def nudge(*, stage: str) -> None:
    """Hurries a stage along; many nudges in a row become one. Without a broker the beat does the work later."""
    try:
        if cache.add(_key(stage), 1, timeout=DEBOUNCE_SECONDS):
            run_stage.apply_async(kwargs={"stage": stage}, queue=BY_NAME[stage].queue.value, retry=False)
    except (OperationalError, RedisError, OSError) as fault:
        log.warning("no nudge for stage %s: %s", stage, type(fault).__name__)


def on_stored(**_: Any) -> None:
    """Statements were stored."""
    nudge(stage="refresh")


def on_work_left(*, stage: str, **_: Any) -> None:
    """An app says that a stage has work."""
    nudge(stage=stage)


def _key(stage: str) -> str:
    return f"nudged:{stage}"
