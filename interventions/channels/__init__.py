"""The ways to reach a learner."""

from interventions.channels.base import Channel, ChannelError
from interventions.channels.card import Card
from interventions.channels.chat import Slack, Teams
from interventions.channels.email import Email
from interventions.channels.moodle import Moodle
from interventions.models import Delivery

CHANNELS: dict[str, Channel] = {
    Delivery.Channel.CARD: Card(),
    Delivery.Channel.EMAIL: Email(),
    Delivery.Channel.SLACK: Slack(),
    Delivery.Channel.TEAMS: Teams(),
    Delivery.Channel.MOODLE: Moodle(),
}

__all__ = ["CHANNELS", "Channel", "ChannelError"]
