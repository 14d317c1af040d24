"""Under what circumstances something was done: the session, the device, the network, and what ran unseen.

Read from a statement's context; kept with its event only where the source says it, as most do not. Used to tell the
time somebody spent from the time a clock ran (signals/features/rollup.py).
"""

from functools import lru_cache
from typing import Any, NamedTuple

from consent.crypto import keyed_hash64
from signals.models.events import Device, Network
from signals.xapi.primitives import duration_seconds

OWN = "https://w3id.org/rekindle/xapi/"
# Our own extensions of context, for sources that have no word of their own.
SESSION = OWN + "session"  # text that is the same for all that was done in one sitting
DEVICE = OWN + "device"  # desktop, phone, tablet, tv or other
NETWORK = OWN + "network"  # wired, wifi, cellular or offline
FOREGROUND = OWN + "foreground"  # false: the time this statement accounts for ran while nobody looked
BACKGROUND = OWN + "background-duration"  # how much of it did, as an ISO 8601 duration

# What others call a session: Open edX (event-routing-backends), the video profile, cmi5.
SESSIONS = (
    SESSION,
    "https://w3id.org/xapi/openedx/extensions/session-id",
    "https://w3id.org/xapi/video/extensions/session-id",
    "https://w3id.org/xapi/cmi5/context/extensions/sessionid",
)
# Moodle's logstore_xapi keeps its session in the registration, and names itself in this extension.
LEARNING_LOCKER_INFO = "http://lrs.learninglocker.net/define/extensions/info"
LOGSTORE_XAPI = "https://github.com/xAPI-vle/moodle-logstore_xapi"
# A browser's own name of itself, where a source hands it on.
USER_AGENTS = (
    "http://id.tincanapi.com/extension/browser-info",
    "https://w3id.org/xapi/acrossx/extensions/user-agent",
)

WHOLE = 2**31 - 1  # all of the time the event accounts for, however long that is


class Surroundings(NamedTuple):
    """What the source said, and None for what it did not."""

    session: int | None = None
    device: int | None = None
    network: int | None = None
    background_s: int | None = None


NOTHING_SAID = Surroundings()


def read(context: dict[str, Any]) -> Surroundings:
    """The surroundings a (valid) statement's context tells of. Faulty values count as not said."""
    extensions = context.get("extensions")
    if not extensions:
        return NOTHING_SAID
    found = Surroundings(
        session=_session(extensions, context),
        device=_device(extensions),
        network=_named(Network, extensions.get(NETWORK)),
        background_s=_background(extensions),
    )
    return found if any(part is not None for part in found) else NOTHING_SAID


@lru_cache(maxsize=8192)
def session_key(session: str) -> int:
    """The keyed hash by which events of one session are known."""
    return keyed_hash64("session", session)


def _session(extensions: dict[str, Any], context: dict[str, Any]) -> int | None:
    for name in SESSIONS:
        said = extensions.get(name)
        if isinstance(said, str) and said:
            return session_key(said)
    info = extensions.get(LEARNING_LOCKER_INFO)
    if isinstance(info, dict) and LOGSTORE_XAPI in info and context.get("registration"):
        return session_key(context["registration"].lower())
    return None


def _device(extensions: dict[str, Any]) -> int | None:
    said = _named(Device, extensions.get(DEVICE))
    if said is not None:
        return said
    for name in USER_AGENTS:
        agent = extensions.get(name)
        if isinstance(agent, dict):
            agent = " ".join(str(part) for part in agent.values())
        if isinstance(agent, str) and agent:
            return _device_of(agent)
    return None


@lru_cache(maxsize=2048)
def _device_of(agent: str) -> int:
    """What a browser's User-Agent says it runs on (MDN: "Mobi" for phones; tablets leave it out)."""
    if "iPad" in agent or "Tablet" in agent or ("Android" in agent and "Mobi" not in agent):
        return Device.TABLET
    if "Mobi" in agent or "iPhone" in agent:
        return Device.PHONE
    if "TV" in agent:
        return Device.TV
    return Device.DESKTOP


def _named(kind: type[Device] | type[Network], said: Any) -> int | None:
    return kind[said.upper()].value if isinstance(said, str) and said.upper() in kind.__members__ else None


def _background(extensions: dict[str, Any]) -> int | None:
    said = extensions.get(BACKGROUND)
    seconds = duration_seconds(said) if isinstance(said, str) else None
    if seconds is not None:
        return min(round(seconds), WHOLE)
    return WHOLE if extensions.get(FOREGROUND) is False else None
