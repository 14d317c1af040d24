"""The Celery application. Its queues are one enum, each with the reason it exists."""

import os
from enum import StrEnum

from celery import Celery
from kombu import Queue as BrokerQueue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Queue(StrEnum):
    PATH = "path"  # the stages from dirty mark to decision: people wait for these
    DELIVERY = "delivery"  # talks to the outside and may hang: must not hold up the path
    UPKEEP = "upkeep"  # sealing, partitions, retention: whenever there is time


app = Celery("rekindle")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = [BrokerQueue(queue.value) for queue in Queue]
app.conf.task_default_queue = Queue.UPKEEP.value
app.autodiscover_tasks()
