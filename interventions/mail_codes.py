"""What a mail server's codes say (RFC 3463, RFC 5321): whether an address refuses for good, or something else does."""

import re

# 5.1.x speaks of the address, 5.2.1 of a mailbox that is switched off. A full one (5.2.2) may empty again, and 5.7.x
# is about us, as are 5.1.7 and 5.1.8, which speak of the sender's address.
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_ABOUT_THE_SENDER = ("5.1.7", "5.1.8")
_NO_SUCH_MAILBOX = (550, 551, 553)  # RFC 5321, where no enhanced code says more
_SAYS_NOTHING_MORE = ("5.0.0",)
_REPLY = re.compile(r"\b([245]\d\d)\b")


def enhanced(text: str) -> str:
    """The first enhanced code in a text; empty without one."""
    found = _ENHANCED.search(text)
    return found.group(1) if found else ""


def reply(text: str) -> int:
    """The first reply code in a text, such as 550; 0 without one."""
    found = _REPLY.search(text)
    return int(found.group(1)) if found else 0


def is_no_mailbox(code: int, text: str) -> bool:
    """Whether this refuses the address itself for good."""
    if code < 500:
        return False
    said = enhanced(text)
    if said and said not in _SAYS_NOTHING_MORE:
        return (said.startswith("5.1.") and said not in _ABOUT_THE_SENDER) or said == "5.2.1"
    return code in _NO_SUCH_MAILBOX
