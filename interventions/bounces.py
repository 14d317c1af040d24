"""Mails that came back late: delivery reports (RFC 3464) that a mail server sent after it had accepted a mail.

A report is believed where it names a delivery of ours: by the signed return path where BOUNCE_ADDRESS is set, else by
our Message-ID, which only the recipient and the servers on the way know. It marks an address only if that is the
learner's own. Everything else is ignored and counted.
"""

import email
import logging
import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from email.message import Message
from email.utils import parseaddr
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from django.conf import settings

from interventions import mail_codes, reachability, return_paths
from interventions.addresses import hash_of
from interventions.models import Delivery, UnreachableAddress

logger = logging.getLogger(__name__)
LARGEST = 2_000_000  # bytes that are read of one mail; what a report says stands at its beginning
_OURS = re.compile(r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@rekindle>", re.IGNORECASE)
_STATUS = re.compile(r"\b([245])\.\d{1,3}\.\d{1,3}\b")
# Where servers write to whom a mail was delivered, though the list or alias behind it has another name.
_RECEIVED_FOR = ("To", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Failed-Recipients")
_DEEPEST = 12
# What the library raises on mails that somebody made to be unreadable: parts in parts without end, unknown character
# sets, addresses that are none. One such mail must not keep the others from being read.
_UNREADABLE = (RecursionError, ValueError, LookupError, TypeError, AttributeError)


class Verdict(StrEnum):
    """What became of one mail that was read."""

    GONE = "for good: the address is unreachable"
    REFUSED = "for good, but not because of the address: taken back"
    KNOWN = "for good, and known before"
    TEMPORARY = "for now: nothing follows"
    NOT_OURS = "no report on a mail of ours"
    NO_REPORT = "no delivery report"


class _Report(NamedTuple):
    """What a report says of the one recipient it is about."""

    action: str
    status: str
    diagnosis: str
    recipients: frozenset[str]


def read(raw: bytes, *, now: datetime) -> Verdict:
    """Takes in one mail, whatever it is, and says what followed. Reading it twice changes nothing."""
    try:
        parts = list(_parts(email.message_from_bytes(raw[:LARGEST])))
        report = _report(parts)
        named = _named(parts)
        written_to = {address for part in parts for address in _addresses(part, "To")}
    except _UNREADABLE:
        return Verdict.NO_REPORT
    if report is None:
        return Verdict.NO_REPORT
    delivery = _of(named) if named else None
    if delivery is None:
        return Verdict.NOT_OURS
    if report.action != "failed" or not report.status.startswith("5."):
        return Verdict.TEMPORARY
    codes = " ".join(one for one in (report.status, _reply(report.diagnosis)) if one)
    address = _whose(delivery, report.recipients | written_to)
    # The server at the end is more exact than the one that reports, which may only say 5.0.0.
    exact = mail_codes.enhanced(report.diagnosis) or report.status
    if address and mail_codes.is_no_mailbox(mail_codes.reply(report.diagnosis) or 500, exact):
        is_new = reachability.came_back(
            address=address,
            kind=UnreachableAddress.Kind.BOUNCED,
            detail=f"report {codes}",
            now=now,
            delivery_id=delivery.pk,
        )
        return Verdict.GONE if is_new else Verdict.KNOWN
    taken = reachability.take_back(delivery_id=delivery.pk, detail=f"report {codes}", now=now)
    return Verdict.REFUSED if taken else Verdict.KNOWN


def read_all(mails: Iterable[bytes], *, now: datetime) -> Counter[Verdict]:
    """Takes in several; how many of each came."""
    counts: Counter[Verdict] = Counter()
    for raw in mails:
        counts[read(raw, now=now)] += 1
    if counts:
        logger.info("bounces_read", extra={"counts": {one.name.lower(): counts[one] for one in counts}})
    return counts


def _parts(mail: Message, depth: int = 0) -> Iterable[Message]:
    """The mail and everything in it that can be taken for a message or a part, in order."""
    yield mail
    if depth < _DEEPEST and mail.is_multipart():
        for part in mail.get_payload():
            if isinstance(part, Message):
                yield from _parts(part, depth + 1)


def _report(parts: list[Message]) -> _Report | None:
    """The first report on a recipient in it, failures before all others."""
    found = []
    for part in parts:
        if part.get_content_type() not in ("message/delivery-status", "message/global-delivery-status"):
            continue
        blocks = part.get_payload()
        # Read as messages by the library; what a server encoded all the same is one text.
        if not isinstance(blocks, list):
            blocks = [email.message_from_string(one) for one in re.split(r"\r?\n\r?\n", _body(part))]
        for block in blocks:
            if not isinstance(block, Message):
                continue
            status = _STATUS.search(_field(block, "Status"))
            if status is None:
                continue  # the report's own block, or nothing that can be read
            found.append(
                _Report(
                    action=_field(block, "Action").lower().split(" ")[0],
                    status=status.group(0),
                    diagnosis=_field(block, "Diagnostic-Code"),
                    recipients=frozenset(
                        address
                        for name in ("Original-Recipient", "Final-Recipient")
                        if "@" in (address := _typed(_field(block, name)))
                    ),
                )
            )
    return next((one for one in found if one.action == "failed"), found[0] if found else None)


def _named(parts: list[Message]) -> UUID | None:
    """The delivery that a mail says it is about, where it can be believed."""
    if not settings.BOUNCE_ADDRESS:
        return _message_id(parts[1:])
    texts = [_field(parts[0], name) for name in _RECEIVED_FOR]
    return next((pk for text in texts if (pk := return_paths.read(text)) is not None), None)


def _of(delivery_id: UUID) -> Delivery | None:
    mails = Delivery.objects.filter(channel=Delivery.Channel.EMAIL).select_related("learner")
    return mails.filter(pk=delivery_id).first()


def _message_id(parts: list[Message]) -> UUID | None:
    """Ours, from the headers of the mail that came back: as a message, or as text of headers alone."""
    for part in parts:
        texts = [_field(part, "Message-ID")]
        if part.get_content_type() in ("text/rfc822-headers", "message/rfc822-headers"):
            texts.append(_body(part))
        for text in texts:
            if found := _OURS.search(text):
                return UUID(found.group(1))
    return None


def _whose(delivery: Delivery, said: Iterable[str]) -> str:
    """The address among these that is the learner's; empty where none is, and it is not sure which came back."""
    known = set(reachability.known_hashes(delivery.learner_id))
    for address in sorted(said):
        if hash_of(address) in known:
            return address
    # Servers that forward name another one; where the learner only ever had one, it is that.
    return delivery.learner.email if len(known) == 1 else ""


def _addresses(part: Message, name: str) -> list[str]:
    texts = [_field(part, name)]
    if part.get_content_type() == "text/rfc822-headers":
        texts.append(_field(email.message_from_string(_body(part)), name))
    return [address for text in texts if "@" in (address := parseaddr(text)[1])]


def _typed(text: str) -> str:
    """The address in "rfc822; robin@works.example"."""
    return parseaddr(text.rpartition(";")[2].strip())[1]


def _body(part: Message) -> str:
    raw = part.get_payload(decode=True)
    return raw.decode(errors="replace") if isinstance(raw, bytes) else ""


def _field(part: Message, name: str) -> str:
    """A header as one line, whatever somebody wrote into it."""
    return " ".join(str(part.get(name) or "").split())[:1000]


def _reply(diagnosis: str) -> str:
    return str(code) if (code := mail_codes.reply(diagnosis)) else ""
