"""The mailbox that bounces arrive in, read by IMAP: unread mails, each marked as read once it is taken in."""

import imaplib
import ipaddress
from collections import Counter
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

from interventions import bounces

PATIENCE_S = 30
AT_ONCE = 200
_FAULTS = (imaplib.IMAP4.error, OSError)


class MailboxFault(Exception):
    """The mailbox cannot be read; the message says what to mend."""


def read_waiting(*, now: datetime) -> int:
    """Reads what waits in the mailbox that BOUNCE_MAILBOX_URL names; returns how many mails. A stage."""
    if not settings.BOUNCE_MAILBOX_URL:
        return 0
    return sum(read(settings.BOUNCE_MAILBOX_URL, now=now).values())


def read(address: str, *, now: datetime) -> Counter[bounces.Verdict]:
    """Takes in up to AT_ONCE unread mails; how many of each kind. Raises MailboxFault."""
    counts: Counter[bounces.Verdict] = Counter()
    box, folder = _open(address)
    try:
        _said(box.select(folder), f"there is no mailbox {folder}")
        found = _said(box.uid("SEARCH", "UNSEEN"), "it does not search")
        for uid in (found[0] or b"").split()[:AT_ONCE]:
            answer = _said(
                box.uid("FETCH", uid.decode(), f"(BODY.PEEK[]<0.{bounces.LARGEST}>)"), "it does not fetch"
            )
            raw = next((part[1] for part in answer if isinstance(part, tuple)), None)
            if raw is not None:
                counts += bounces.read_all([raw], now=now)
            # Only now: had we died before, the mail would be read again, which changes nothing.
            _said(box.uid("STORE", uid.decode(), "+FLAGS.SILENT", r"(\Seen)"), "it does not mark as read")
    except _FAULTS as fault:
        raise MailboxFault(f"The mailbox of bounces: {type(fault).__name__}.") from fault
    finally:
        with suppress(*_FAULTS):
            box.logout()
    return counts


def _open(address: str) -> tuple[imaplib.IMAP4, str]:
    """A signed-in connection and the name of the folder. Raises MailboxFault."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise MailboxFault("BOUNCE_MAILBOX_URL is no address.") from None
    host, user, password = parts.hostname or "", unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme not in ("imaps", "imap") or not host or not user:
        raise MailboxFault("Write BOUNCE_MAILBOX_URL as imaps://user:password@host/INBOX.")
    if parts.scheme == "imap" and not _is_here(host):
        raise MailboxFault("A password goes over TLS only: begin BOUNCE_MAILBOX_URL with imaps://.")
    try:
        box = (
            imaplib.IMAP4_SSL(host, port or 993, timeout=PATIENCE_S)
            if parts.scheme == "imaps"
            else imaplib.IMAP4(host, port or 143, timeout=PATIENCE_S)
        )
    except _FAULTS as fault:
        raise MailboxFault(f"{host} is not reached ({type(fault).__name__}).") from fault
    try:
        box.login(user, password)
    except _FAULTS as fault:
        with suppress(*_FAULTS):
            box.logout()
        raise MailboxFault(f"{host} does not let us in; check user and password.") from fault
    return box, f'"{unquote(parts.path.strip("/")) or "INBOX"}"'


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _said(answer: tuple[str, list[Any]], fault: str) -> list[Any]:
    """What a command was answered. Raises MailboxFault."""
    status, data = answer
    if status != "OK":
        raise MailboxFault(f"The mailbox of bounces: {fault}.")
    return data
