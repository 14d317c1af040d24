"""Badges as Open Badges 3.0 (1EdTech): verifiable credentials in JSON, or as signed tokens (VC-JWT).

One that fails its issuer's configured key is refused. One that cannot be checked is taken in as unverified, and says
so in its statement and in the report. Whether it was revoked since is not asked: that would call its issuer.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from signals.models import Feed
from signals.sources import proofs, wording
from signals.sources.base import LARGEST_FILE, Delivered, Fact, FileRefused, Problem, Source, Unusable

TYPE = wording.OWN + "activity-types/badge"
VERIFIED = wording.OWN + "verified"
EXPIRES = wording.OWN + "expires"
ISSUER = wording.OWN + "issuer"
DID = "https://www.w3.org/ns/did"
ADDRESSES = ("emailAddress", "email")


class _Found(NamedTuple):
    line: int
    credential: dict[str, Any]
    token: str  # empty for one in plain JSON


class OpenBadges(Source):
    name = "open_badges"
    label = "Open Badges 3.0 (JSON or JWT)"

    def read(self, delivered: Delivered) -> Iterator[Fact | Problem]:
        keys = _keys_by_issuer()
        for found in _credentials(delivered.content):
            if isinstance(found, Problem):
                yield found
                continue
            try:
                yield _fact(found, keys)
            except Unusable as unusable:
                yield Problem(found.line, unusable.fault, unusable.mend)
            except (KeyError, TypeError, AttributeError, ValueError):
                yield Problem(
                    found.line,
                    "is no Open Badges 3.0 credential",
                    "Export it as version 3.0, in JSON or as a JWT.",
                )


def _keys_by_issuer() -> dict[str, list[Any]]:
    """Per issuer (its id is the feed's address), the keys an admin trusts."""
    keys: dict[str, list[Any]] = {}
    for feed in Feed.objects.filter(source=OpenBadges.name, is_active=True).order_by("pk"):
        keys.setdefault(feed.base_url, []).extend(proofs.public_keys(feed.settings))
    return keys


def _credentials(content: bytes) -> Iterator[_Found | Problem]:
    """Every credential of a file: one, a list of them, one a line; each in JSON or as a token."""
    if len(content) > LARGEST_FILE:
        raise FileRefused(f"The file is larger than {LARGEST_FILE >> 20} MiB", "Split it into several.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused("The file is not UTF-8", "Export the badges again.") from error
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, dict):
        whole = whole.get("credential") or whole.get("credentials") or [whole]
    entries: list[Any]
    if whole is not None:
        entries = whole if isinstance(whole, list) else [whole]
    else:
        entries = [line for line in text.splitlines() if line.strip()]
    for line, entry in enumerate(entries, 1):
        yield _credential(line, entry)


def _credential(line: int, entry: Any) -> _Found | Problem:
    problem = Problem(line, "is neither a JSON credential nor a JWT", "Export it again as Open Badges 3.0.")
    if isinstance(entry, dict):
        return _Found(line, entry, "")
    if not isinstance(entry, str):
        return problem
    entry = entry.strip().strip('"')
    if entry.startswith("{"):
        try:
            return _Found(line, msgspec.json.decode(entry), "")
        except (msgspec.DecodeError, RecursionError):
            return problem
    try:
        payload = proofs.payload_of(entry)
    except ValueError:
        return problem
    # Version 1.1 of the data model put the credential into a claim, version 2.0 makes it the payload.
    return _Found(line, payload.get("vc") or payload, entry)


def _fact(found: _Found, keys: dict[str, list[Any]]) -> Fact:
    credential = found.credential
    kinds = credential["type"]
    if not {"OpenBadgeCredential", "AchievementCredential"} & set(
        kinds if isinstance(kinds, list) else [kinds]
    ):
        raise Unusable("is a credential of another kind", "Only OpenBadgeCredential is taken in.")
    issuer = credential["issuer"]
    issuer_id = str(issuer["id"] if isinstance(issuer, dict) else issuer)
    is_verified, why_not = _check(found, issuer_id, keys)
    subject = credential["credentialSubject"]
    if isinstance(subject, list):
        (subject,) = subject
    achievement = subject["achievement"]
    actor = _holder(subject)
    extensions: dict[str, Any] = {VERIFIED: is_verified, ISSUER: issuer_id}
    expires = credential.get("validUntil") or credential.get("expirationDate")
    if expires:
        extensions[EXPIRES] = wording.stamp(_moment(expires))
    definition: dict[str, Any] = {"type": TYPE}
    if isinstance(achievement.get("name"), str):
        definition["name"] = {"und": achievement["name"][: wording.LONGEST_NAME]}
    statement = {
        "actor": actor,
        "verb": {"id": "http://id.tincanapi.com/verb/earned"},
        "object": {"id": str(achievement["id"]), "definition": definition},
        "context": {"extensions": extensions},
        "timestamp": wording.stamp(_moment(credential.get("validFrom") or credential["issuanceDate"])),
    }
    key = (
        str(credential.get("id") or statement["timestamp"]),
        issuer_id,
        wording.name_of(actor),
        achievement["id"],
    )
    return Fact(found.line, key, statement, note="" if is_verified else f"is unverified: {why_not}")


def _check(found: _Found, issuer: str, keys: dict[str, list[Any]]) -> tuple[bool, str]:
    """Whether its issuer's key made it, and else why that is not known. Raises Unusable where it did not."""
    own = keys.get(issuer)
    if not own:
        return False, "no key of its issuer is configured"
    try:
        if found.token:
            proofs.check_token(found.token, own)
            # A key may only speak for its own issuer.
            if proofs.payload_of(found.token).get("iss", issuer) != issuer:
                raise proofs.Forged
        else:
            proofs.check_proof(found.credential, own)
    except proofs.CannotCheck as fault:
        return False, str(fault)
    except (proofs.Forged, ValueError) as fault:
        raise Unusable(
            "is not signed with its issuer's key",
            "Ask for it again; if the issuer has a new key, add it to the feed's settings.",
        ) from fault
    return True, ""


def _holder(subject: dict[str, Any]) -> dict[str, Any]:
    """Whom it was given to: an address in clear text, a number of ours, or the subject's own id. Raises Unusable."""
    names = subject.get("identifier") or []
    for name in names if isinstance(names, list) else [names]:
        if name.get("hashed") in (True, "true"):
            continue
        if name.get("identityType") in ADDRESSES:
            return wording.person(str(name["identityHash"]))
        if name.get("identityType") in ("identifier", "sourcedId", "systemId"):
            return wording.person(str(name["identityHash"]))
    own = str(subject.get("id") or "")
    if own.startswith("mailto:"):
        return wording.person(own.removeprefix("mailto:"))
    if own.startswith("did:"):
        return wording.account(DID, own)
    if own:
        return {"openid": own}
    raise Unusable(
        "hides whom it was given to (a salted hash)", "Ask the issuer for an export with e-mail addresses."
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(str(text).replace("z", "Z"))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
