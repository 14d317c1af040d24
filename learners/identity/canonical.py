"""One spelling for each way a system can name a person, so that two spellings of one name meet."""

import hashlib
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from consent.crypto import keyed_hash

MAILTO = "mailto:"


def canonical_identifier(agent: dict[str, Any]) -> str | None:
    """The one spelling of what identifies an xAPI agent; None where nothing does.

    ``mbox_sha1sum:…`` for an address and for its SHA-1 alike, ``account:<homePage>|<name>``, ``openid:…``.
    """
    if isinstance(mbox := agent.get("mbox"), str):
        return canonical("mbox", mbox)
    if isinstance(digest := agent.get("mbox_sha1sum"), str):
        return canonical("mbox_sha1sum", digest)
    account = agent.get("account")
    if isinstance(account, dict) and account.get("homePage") and account.get("name"):
        return canonical("account", f"{account['homePage']}|{account['name']}")
    if isinstance(openid := agent.get("openid"), str):
        return canonical("openid", openid)
    return None


def canonical(kind: str, value: str) -> str:
    """The one spelling of an identifier of a kind.

    An account is written ``homePage|name``, an SSO subject ``issuer|subject``. Raises ValueError for another kind.
    """
    value = value.strip()
    if kind == "mbox":
        # Mail servers may tell ANN@ from ann@ (RFC 5321); organisations do not, and their systems differ.
        address = value.casefold().removeprefix(MAILTO)
        # The standard defines mbox_sha1sum over the whole mailto IRI, which is why the scheme goes in.
        return (
            f"mbox_sha1sum:{hashlib.sha1(f'{MAILTO}{address}'.encode(), usedforsecurity=False).hexdigest()}"
        )
    if kind == "mbox_sha1sum":
        return f"mbox_sha1sum:{value.lower()}"
    if kind == "account":
        # An IRI may hold a bar only percent-encoded, so the first one ends it.
        home_page, _, name = value.partition("|")
        return f"account:{_canonical_iri(home_page)}|{name}"
    if kind == "openid":
        return f"openid:{_canonical_iri(value)}"
    if kind == "sso":
        # OpenID Connect Core 1.0, section 5.7: only issuer and subject together name somebody, for good. That pair is
        # an account at the issuer, and learning systems behind the same sign-in send it as exactly that.
        return canonical("account", value)
    if kind == "employee":
        return f"employee:{value.casefold()}"
    raise ValueError(f"{kind!r} is no kind of identifier")


def as_given(kind: str, value: str) -> str | None:
    """The second spelling an e-mail address can be met by: its SHA-1 as somebody wrote it; None where there is none.

    A system that sends only SHA-1 sums has computed them over its own capitals, and a sum cannot be folded
    afterwards. Of all the ways to write an address we can therefore meet two: in small letters, and as given to us.
    """
    if kind != "mbox":
        return None
    address = value.strip()
    if address[: len(MAILTO)].casefold() == MAILTO:
        address = address[len(MAILTO) :]
    if address == address.casefold():
        return None
    return f"mbox_sha1sum:{hashlib.sha1(f'{MAILTO}{address}'.encode(), usedforsecurity=False).hexdigest()}"


def _canonical_iri(iri: str) -> str:
    """The IRI with scheme and host in lower case, where RFC 3986 sees no difference; the rest as written."""
    try:
        parts = urlsplit(iri)
    except ValueError:
        return iri
    if not parts.netloc:
        return iri
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(
        (parts.scheme.lower(), user + at + host.lower(), parts.path, parts.query, parts.fragment)
    )


def employee_hash(employee_number: str) -> bytes:
    """The look-up key of an employee number, as stored in `Learner.employee_hash`."""
    return keyed_hash("employee", employee_number.strip().casefold())


def identifier_hash(canonical: str) -> bytes:
    """The look-up key of a canonical identifier, as stored in `Identifier.hash`."""
    return keyed_hash("identifier", canonical)


def given_hash(kind: str, value: str) -> bytes | None:
    """The look-up key of the second spelling, as stored in `Identifier.given_hash`; None where there is none."""
    spelling = as_given(kind, value)
    return None if spelling is None else identifier_hash(spelling)


def identifier_hash64(canonical: str) -> int:
    """The first eight bytes of `identifier_hash`, as a signed integer, for arrays of keys."""
    return int.from_bytes(identifier_hash(canonical)[:8], "big", signed=True)
