"""Small factories for what systems send us and what we know."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from learners.identity import canonical_identifier, identifier_hash
from learners.models import Course, Enrolment, Identifier, Learner
from signals.ingest import Ingested, ingest
from signals.models import Credential
from signals.xapi import credentials

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ADL = "http://adlnet.gov/expapi/verbs/"
COURSE = "https://lms.example.com/course/safety"
HOME = "https://lms.example.com"


def make_credential(
    *permissions: str, name: str = "lms", now: datetime = NOW, first_day: date | None = None
) -> credentials.NewCredential:
    """A credential with these permissions (else all)."""
    made = credentials.create(name=name, permissions=permissions or ("all",), now=now)
    if first_day is not None:
        made.credential.first_day = first_day
        made.credential.save(update_fields=["first_day"])
    return made


def headers_of(made: credentials.NewCredential, **more: str) -> dict[str, str]:
    """The headers with which this credential talks to the record store."""
    token = base64.b64encode(f"{made.key}:{made.secret}".encode()).decode()
    return {"Authorization": f"Basic {token}", "X-Experience-API-Version": "1.0.3", **more}


def account(name: str) -> dict[str, Any]:
    """An agent known by an account in the learning system."""
    return {"account": {"homePage": HOME, "name": name}}


def statement(
    verb: str = "experienced",
    activity: str = "https://lms.example.com/page/1",
    *,
    actor: dict[str, Any] | None = None,
    id: str | UUID | None = None,
    at: datetime | str | None = None,
    course: str | None = COURSE,
    scaled: float | None = None,
    type: str | None = None,
    count: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A valid statement; ``verb`` is an IRI or the last part of one of ADL's, ``more`` replaces whole properties."""
    out: dict[str, Any] = {
        "id": str(id or uuid4()),
        "actor": actor or account("person-0001"),
        "verb": {"id": verb if ":" in verb else ADL + verb},
        "object": {"id": activity},
    }
    if type is not None:
        out["object"]["definition"] = {"type": type}
    if at is not None:
        out["timestamp"] = at if isinstance(at, str) else at.isoformat()
    if scaled is not None:
        out["result"] = {"score": {"scaled": scaled}}
    if course is not None and course != activity:
        out["context"] = {"contextActivities": {"parent": [{"id": course}]}}
    if count is not None:
        out.setdefault("context", {})["extensions"] = {"https://w3id.org/rekindle/xapi/count": count}
    return {**out, **more}


def send(
    *statements: dict[str, Any] | bytes,
    credential: Credential,
    now: datetime = NOW,
    bulk: bool = False,
) -> Ingested:
    """What ingest makes of these statements."""
    return ingest(
        [item if isinstance(item, bytes) else json.dumps(item).encode() for item in statements],
        credential=credential,
        now=now,
        bulk=bulk,
    )


def make_learner(name: str = "person-0001") -> Learner:
    """A learner whom the learning system knows by this account name."""
    learner = Learner.objects.create()
    identify(learner, account(name))
    return learner


def identify(learner: Learner, agent: dict[str, Any]) -> Identifier:
    """Says that this agent is this learner."""
    canonical = canonical_identifier(agent)
    assert canonical is not None
    return Identifier.objects.create(
        learner=learner, kind="account", hash=identifier_hash(canonical), value=canonical
    )


def make_course(iri: str = COURSE, **more: Any) -> Course:
    """A course of this IRI."""
    return Course.objects.create(iri=iri, **{"name": "Safety", **more})


def make_enrolment(
    learner: Learner, course: Course, *, starts_on: date = date(2026, 1, 5), **more: Any
) -> Enrolment:
    """An active enrolment."""
    return Enrolment.objects.create(
        learner=learner,
        course=course,
        starts_on=starts_on,
        enrolled_at=datetime(starts_on.year, starts_on.month, starts_on.day, tzinfo=UTC),
        **more,
    )


def enrolled(name: str = "person-0001", iri: str = COURSE) -> Enrolment:
    """A known learner's active enrolment in a known course."""
    course = Course.objects.filter(iri=iri).first() or make_course(iri)
    return make_enrolment(make_learner(name), course)


def as_json(statements: Sequence[dict[str, Any]] | dict[str, Any]) -> bytes:
    """The body of a request."""
    return json.dumps(statements).encode()
