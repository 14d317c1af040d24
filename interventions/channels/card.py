"""The card on the learner's own page: being sent is being there."""

from datetime import datetime

from interventions.channels.base import Channel
from interventions.models import Delivery


class Card(Channel):
    repeatable = True

    def send(self, delivery: Delivery, *, now: datetime) -> str:
        return "shown on the learner's page"
