"""What a channel is: one small class. Adding one: subclass, register in interventions.channels, write its test."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from interventions.models import Delivery


class ChannelError(Exception):
    """The channel could not deliver.

    ``permanent``: trying again cannot help. ``bounced``: because the address itself refuses; codes, for the record.
    ``wait_seconds``: how long the other side asks us to wait at least. ``in_doubt``: it may have arrived all the same,
    so nothing else says it in its place.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        bounced: str = "",
        wait_seconds: int = 0,
        in_doubt: bool = False,
    ) -> None:
        super().__init__(message)
        self.in_doubt = in_doubt
        self.permanent = permanent
        self.bounced = bounced
        self.wait_seconds = wait_seconds


def unsure(what: str) -> ChannelError:
    """It went out, and nobody knows whether it arrived: not repeated, so that nobody hears it twice."""
    return ChannelError(f"{what}; it may have arrived, so it is not repeated", permanent=True, in_doubt=True)


class Channel:
    """Delivers one message. Raises ChannelError."""

    # Sending twice does no harm, so an interrupted send may be repeated.
    repeatable = False

    def send(self, delivery: Delivery, *, now: datetime) -> str:
        """Sends it and returns the provider's answer, without personal data."""
        raise NotImplementedError

    def refused(self, deliveries: Sequence[Delivery]) -> dict[UUID, ChannelError]:
        """Those of these messages that are known beforehand not to get through, and why; asked once for all of them."""
        return {}

    @contextmanager
    def session(self) -> Iterator[None]:
        """Around a batch of sends: what can be kept open between two of them is."""
        yield
