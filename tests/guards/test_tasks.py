"""Every task names one of our queues, and every beat entry names a task that exists."""

from django.conf import settings

from config.celery import Queue, app
from tests.guards.project import APPS


def our_tasks() -> dict[str, object]:
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if name.split(".")[0] in (*APPS, "config")}


def test_it_names_a_queue_on_every_task() -> None:
    queues = {queue.value for queue in Queue}

    homeless = [name for name, task in our_tasks().items() if str(getattr(task, "queue", None)) not in queues]

    assert not homeless, f"these tasks name no queue of config.celery.Queue: {homeless}"


def test_it_schedules_only_tasks_that_exist() -> None:
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert scheduled <= set(our_tasks())
