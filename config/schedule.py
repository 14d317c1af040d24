"""When each stage runs, in the order of the data's path. The beat makes certain what a nudge makes prompt."""

from typing import Any

from celery.schedules import crontab

from config.celery import Queue
from config.stages import STAGES

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    stage.name: {
        "task": "config.tasks.run_stage",
        "schedule": stage.every_seconds,
        "kwargs": {"stage": stage.name},
        # A beat that nobody answered in time is not worth answering late: the next one finds the same rows.
        "options": {"queue": stage.queue.value, "expires": max(stage.every_seconds, 5)},
    }
    for stage in STAGES
}

# The second day of a month, when the last statements of the month before have come in. Later ones: the month after.
BEAT_SCHEDULE["archive"] = {
    "task": "config.tasks.archive_months",
    "schedule": crontab(minute=30, hour=2, day_of_month=2),
    "options": {"queue": Queue.UPKEEP.value},
}

# Daily, at a quiet hour. `manage.py retention --dry-run` says beforehand what would go.
BEAT_SCHEDULE["retention"] = {
    "task": "config.tasks.keep_to_periods",
    "schedule": crontab(minute=10, hour=3),
    "options": {"queue": Queue.UPKEEP.value},
}

# Each night, when nobody waits for the queue. Only the gate promotes (signals/training/promotion.py).
BEAT_SCHEDULE["retrain"] = {
    "task": "config.tasks.retrain",
    "schedule": crontab(minute=20, hour=1),
    "options": {"queue": Queue.UPKEEP.value},
}
