"""What a channel is: one small class. Adding one: subclass, register in interventions.channels, write its test."""

from interventions.models import Delivery


class ChannelError(Exception):
    """The channel could not deliver; ``permanent`` says whether trying again can help."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


class Channel:
    """Delivers one message. Raises ChannelError."""

    # Sending twice does no harm, so an interrupted send may be repeated.
    repeatable = False

    def send(self, delivery: Delivery) -> str:
        """Sends it and returns the provider's answer, without personal data."""
        raise NotImplementedError
