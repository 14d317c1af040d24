"""Requests to addresses that people typed in: never into our own network, never redirected, bounded in time and size.

The name is looked up once and the connection goes to that very address, so that an answer of the name server that
changes in between (DNS rebinding) leads nowhere else. Proxies of the environment are not used.
"""

import ipaddress
import socket
from collections.abc import Mapping
from time import monotonic
from typing import NamedTuple
from urllib.parse import urlsplit

import urllib3
from django.conf import settings

PATIENCE_S = 10.0
LONGEST_READ_S = 30.0  # for a whole body
LARGEST = 10_000
LONGEST_WAIT_S = 86_400
# What may be otherwise later; every other 4xx is an answer for good.
_MAY_RELENT = (408, 409, 425, 429)


# Faults from before a request is sent.
_NEVER_THERE = (
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.SSLError,
)


class NotSent(Exception):
    """Nothing came back; ``permanent`` says that trying again cannot help.

    ``in_doubt``: the request was on its way, so the other side may have done what it asks.
    """

    def __init__(self, message: str, *, permanent: bool, in_doubt: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.in_doubt = in_doubt


class Answer(NamedTuple):
    """What the other side said."""

    status: int
    text: str  # the beginning of the body
    wait_seconds: int = 0  # its Retry-After
    is_cut: bool = False  # there was more

    def without_words(self) -> "Answer":
        """What may be kept of an answer about somebody: its words may name them."""
        return self._replace(text="")

    @property
    def is_permanent(self) -> bool:
        """A refusal that trying again does not change; a redirect is one, since none is followed."""
        return 300 <= self.status < 500 and self.status not in _MAY_RELENT


def faults_of(address: str) -> str:
    """Why nothing would be sent to this address, in a sentence; empty where it would. Asks the name server."""
    try:
        _place(address)
    except NotSent as fault:
        return str(fault)
    return ""


def post(address: str, *, body: bytes, headers: Mapping[str, str], largest: int = LARGEST) -> Answer:
    """Posts once and returns the answer, whatever its status, up to so many bytes. Raises NotSent."""
    return _request("POST", address, body=body, headers=headers, largest=largest)


def put(address: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Puts once and returns the answer, whatever its status. Raises NotSent."""
    return _request("PUT", address, body=body, headers=headers)


def get(address: str, *, headers: Mapping[str, str]) -> Answer:
    """Asks once and returns the answer, whatever its status. Raises NotSent."""
    return _request("GET", address, body=None, headers=headers, largest=LARGEST)


def _request(
    method: str, address: str, *, body: bytes | None, headers: Mapping[str, str], largest: int = LARGEST
) -> Answer:
    place = _place(address)
    timeout = urllib3.Timeout(connect=PATIENCE_S, read=PATIENCE_S)
    pool: urllib3.HTTPConnectionPool
    if place.is_secure:
        pool = urllib3.HTTPSConnectionPool(
            place.ip,
            place.port,
            timeout=timeout,
            retries=False,
            server_hostname=place.host,
            assert_hostname=place.host,
        )
    else:
        pool = urllib3.HTTPConnectionPool(place.ip, place.port, timeout=timeout, retries=False)
    try:
        answer = pool.urlopen(
            method,
            place.path,
            body=body,
            headers={**headers, "Host": place.authority, "User-Agent": "Rekindle"},
            redirect=False,
            assert_same_host=False,
            preload_content=False,
        )
        # What it says of its own length is not believed, nor what it unpacks to.
        said = _read(answer, largest + 1)
        text = said[:largest].decode(errors="replace")
        wait = answer.headers.get("Retry-After", "")
        answer.close()
        return Answer(
            answer.status,
            text,
            min(int(wait), LONGEST_WAIT_S) if wait.isdigit() else 0,
            is_cut=len(said) > largest,
        )
    except (urllib3.exceptions.HTTPError, OSError) as fault:
        raise NotSent(
            f"not reached ({type(fault).__name__})",
            permanent=False,
            in_doubt=not isinstance(fault, _NEVER_THERE),
        ) from fault
    finally:
        pool.close()


def _read(answer: urllib3.BaseHTTPResponse, most: int) -> bytes:
    """The beginning of the body. One that comes drop by drop is cut off: patience alone is for each drop anew."""
    until = monotonic() + LONGEST_READ_S
    said = b""
    while len(said) < most and monotonic() < until:
        some = answer.read1(most - len(said), decode_content=True)
        if not some:
            break
        said += some
    return said


class _Place(NamedTuple):
    is_secure: bool
    host: str
    authority: str
    ip: str
    port: int
    path: str


def _place(address: str) -> _Place:
    """Where a request to this address goes. Raises NotSent."""
    try:
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise NotSent("this is no address", permanent=True) from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise NotSent("an address begins with https://", permanent=True)
    if parts.username or parts.password:
        raise NotSent("an address holds no user and password", permanent=True)
    ips = _addresses(parts.hostname, port)
    # All of them: which one a name server names first is chance.
    ours = [ip for ip in ips if not _may_go_to(ip)]
    if ours or not ips:
        raise NotSent(
            "the address is in a private network, and OUTGOING_PRIVATE_NETWORKS does not allow it",
            permanent=True,
        )
    if parts.scheme != "https" and not _is_allowed_privately(ips[0]):
        raise NotSent("an address outside begins with https://", permanent=True)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Place(parts.scheme == "https", parts.hostname, parts.netloc, ips[0], port, path)


def _addresses(host: str, port: int) -> list[str]:
    """What a name means now. Raises NotSent."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass  # a name, or one of the older ways to write an address, which the look-up reads
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotSent("the name is not known", permanent=False) from None
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def _may_go_to(ip: str) -> bool:
    one = ipaddress.ip_address(ip)
    # An address of version 4 in the clothes of version 6 is judged as what it is.
    mapped = getattr(one, "ipv4_mapped", None)
    one = mapped or one
    return (one.is_global and not one.is_multicast) or _is_allowed_privately(str(one))


def _is_allowed_privately(ip: str) -> bool:
    one = ipaddress.ip_address(ip)
    networks = [ipaddress.ip_network(network, strict=False) for network in settings.OUTGOING_PRIVATE_NETWORKS]
    return any(one in network for network in networks if network.version == one.version)
