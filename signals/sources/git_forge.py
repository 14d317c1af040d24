"""Contributions to code, as a Git forge's webhook tells them: commits pushed, and changes merged.

GitHub and Gitea (Forgejo, Gogs) sign the body with HMAC-SHA256; GitLab sends the secret itself. What a commit says and
changes is not kept, only who contributed, to which repository, and when.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from signals.sources import wording
from signals.sources.base import Delivered, Fact, FileRefused, Problem, Source, Unusable

LARGEST_DELIVERY = 20 * 1024 * 1024
COMMIT = wording.OWN + "activity-types/commit"
CHANGE = wording.OWN + "activity-types/change-request"
REPOSITORY = wording.OWN + "activity-types/repository"
# Addresses by which forges hide the real one: number+name@ or name@.
_HIDDEN = re.compile(r"(?:\d+[-+])?([^@]+)@(?:users\.)?noreply\.(.+)")


class NotSigned(Exception):
    """The call does not prove that it comes from the forge."""


class Call:
    """What a forge's headers say, in one spelling."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.is_gitlab = bool(headers.get("X-Gitlab-Event"))
        self.event = (
            headers.get("X-Gitlab-Event") or headers.get("X-GitHub-Event") or headers.get("X-Gitea-Event", "")
        )
        self.delivery = (
            headers.get("X-Gitlab-Event-UUID")
            or headers.get("Idempotency-Key")
            or headers.get("X-GitHub-Delivery")
            or headers.get("X-Gitea-Delivery", "")
        )[:100]
        self._token = headers.get("X-Gitlab-Token", "")
        signature = headers.get("X-Hub-Signature-256", "").removeprefix("sha256=")
        self._signature = signature or headers.get("X-Gitea-Signature", "")

    def check(self, body: bytes, secret: str) -> None:
        """Raises NotSigned unless whoever called knows the secret. Takes as long whatever is wrong."""
        if self.is_gitlab:
            given, right = self._token, secret
        else:
            given = self._signature
            right = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        if not secret or not hmac.compare_digest(given.encode(), right.encode()):
            raise NotSigned


class GitForge(Source):
    name = "git_forge"
    label = "Code contributions (webhook of GitHub, GitLab, Gitea)"

    def read(self, delivered: Delivered) -> Iterator[Fact | Problem]:
        """The contributions in one delivery's body; none for events that are none (a star, an issue)."""
        try:
            body = msgspec.json.decode(delivered.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise FileRefused(
                "The delivery is not JSON", "Set the webhook's content type to application/json."
            ) from error
        if not isinstance(body, dict):
            raise FileRefused("The delivery is no object", "Send what the forge sends.")
        for line, (make, part) in enumerate(_parts(body), 1):
            try:
                yield make(body, part, line)
            except Unusable as unusable:
                yield Problem(line, unusable.fault, unusable.mend)
            except (KeyError, TypeError, AttributeError, ValueError):
                yield Problem(line, "is not as this forge writes it", "Tell us the forge and its version.")


def _parts(body: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    if isinstance(body.get("commits"), list) and body.get("ref"):
        for commit in body["commits"]:
            yield _commit, commit
    change = body.get("pull_request")
    if isinstance(change, dict) and body.get("action") == "closed" and change.get("merged"):
        yield _pull_request, change
    attributes: Any = body.get("object_attributes")
    is_merge_request = body.get("object_kind") == "merge_request" and isinstance(attributes, dict)
    if is_merge_request and attributes.get("action") == "merge":
        yield _merge_request, attributes


def _commit(body: dict[str, Any], commit: dict[str, Any], line: int) -> Fact:
    repository, forge = _repository(body)
    author = commit["author"]
    actor = _author(author.get("email") or "", author.get("username") or author.get("login") or "", forge)
    thing = {"id": str(commit["url"]), "definition": {"type": COMMIT}}
    # A commit pushed to two branches is one contribution.
    return _fact(
        line, ("commit", repository["id"], str(commit["id"])), actor, thing, repository, commit["timestamp"]
    )


def _pull_request(body: dict[str, Any], change: dict[str, Any], line: int) -> Fact:
    repository, forge = _repository(body)
    actor = wording.account(forge, str(change["user"]["login"]))
    thing: dict[str, Any] = {"id": str(change["html_url"]), "definition": {"type": CHANGE}}
    return _fact(line, ("change", thing["id"]), actor, thing, repository, change["merged_at"])


def _merge_request(body: dict[str, Any], change: dict[str, Any], line: int) -> Fact:
    repository, forge = _repository(body)
    # GitLab names the author only by number; of those it describes, the one with that number.
    people = [body.get("user"), *(body.get("assignees") or ()), *(body.get("reviewers") or ())]
    author = next((one for one in people if one and one.get("id") == change.get("author_id")), None)
    if author is None:
        raise Unusable("does not say who made the change", "Nothing to mend: its commits have been counted.")
    thing: dict[str, Any] = {"id": str(change["url"]), "definition": {"type": CHANGE}}
    actor = wording.account(forge, str(author["username"]))
    return _fact(
        line,
        ("change", thing["id"]),
        actor,
        thing,
        repository,
        change.get("merged_at") or change["updated_at"],
    )


def _repository(body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The repository as an activity, and the forge's address."""
    told = body.get("repository") or {}
    url = (body.get("project") or {}).get("web_url") or told.get("html_url") or told["homepage"]
    parts = urlsplit(str(url))
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError
    return {"id": str(url), "definition": {"type": REPOSITORY}}, f"{parts.scheme}://{parts.netloc}"


def _author(email: str, username: str, forge: str) -> dict[str, Any]:
    """By the address, which the roster knows; by the forge's own name where the address is hidden or missing."""
    hidden = _HIDDEN.fullmatch(email.casefold())
    if email and not hidden:
        return wording.person(email)
    name = username or (hidden.group(1) if hidden else "")
    if not name:
        raise Unusable("names nobody", "Ask the author to set user.email in Git.")
    return wording.account(forge, name)


def _fact(
    line: int,
    key: tuple[str, ...],
    actor: dict[str, Any],
    thing: dict[str, Any],
    repository: dict[str, Any],
    at: str,
) -> Fact:
    # GitLab writes "2026-03-02 09:00:00 UTC" in places.
    moment = datetime.fromisoformat(str(at).replace(" UTC", "Z").replace(" ", "T", 1))
    if moment.tzinfo is None:
        raise Unusable("has a time without a zone", "Tell us the forge and its version.")
    statement = {
        "actor": actor,
        "verb": {"id": wording.VERBS + "contributed"},
        "object": thing,
        "context": {"contextActivities": {"category": [repository]}},
        "timestamp": wording.stamp(moment),
    }
    return Fact(line, key, statement)
