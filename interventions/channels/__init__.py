"""The ways to reach a learner."""

from interventions.channels.base import Channel, ChannelError
from interventions.channels.card import Card
from interventions.channels.chat import Chat, Slack, Teams
from interventions.channels.email import Email
from interventions.channels.moodle import Moodle
from interventions.models import ChatConnection, Delivery

CHATS: dict[str, Chat] = {
    ChatConnection.Kind.SLACK: Slack(),
    ChatConnection.Kind.TEAMS: Teams(),
    ChatConnection.Kind.MOODLE: Moodle(),
}
CHANNELS: dict[str, Channel] = {
    Delivery.Channel.CARD: Card(),
    Delivery.Channel.EMAIL: Email(),
    **CHATS,  # a chat's kind is its channel
}

__all__ = ["CHANNELS", "CHATS", "Channel", "ChannelError"]
