"""Is consent enforced when data is asked for? Tried out, and looked up.

The trial makes a person, lets them learn, asks every query that feeds features, risks or models, withdraws, and asks
again; then all of it is rolled back. A query that finds the person before and not after enforces consent; one that
does not even find them before proves nothing, and counts as a failure of the trial.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from uuid import uuid4

from django.db import connection, transaction

from consent import gate, record
from consent.actors import SYSTEM
from consent.models import ConsentScope, Standing
from consent.scopes import Scope
from learners.identity import add_identifier
from learners.models import Course, Enrolment, Identifier, Learner
from signals.features.refresh import refresh_enrolments
from signals.features.sessions import learning_sessions
from signals.ingest import ingest
from signals.models import Event, FeatureRow, Risk
from signals.readiness.answers import Line, State, line
from signals.xapi import credentials

QUESTION = "Is consent recorded and enforced at query time?"
MEND = "Stop modelling and report this as a fault: data of people who said no is being used."
COMPUTING = (Scope.RECORD, Scope.PROFILE)
# By scope, the queries that must leave out whoever refuses it.
ASKED: dict[Scope, tuple[str, ...]] = {
    Scope.PROFILE: ("permission", "selection", "features", "risks", "learning sessions"),
    Scope.RECORD: ("permission", "selection", "features", "risks", "learning sessions", "new events"),
}


class _Trial:
    """A person who exists until the transaction is rolled back."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        mark = uuid4().hex
        self.course = Course.objects.create(iri=f"urn:uuid:{uuid4()}", name="Readiness trial")
        self.learner = Learner.objects.create()
        self.enrolment = Enrolment.objects.create(
            learner=self.learner,
            course=self.course,
            starts_on=(now - timedelta(days=7)).date(),
            enrolled_at=now - timedelta(days=7),
        )
        self.mbox = f"{mark}@trial.invalid"
        add_identifier(learner=self.learner, kind=Identifier.Kind.MBOX, value=self.mbox, now=now)
        self.credential = credentials.create(name=f"trial {mark}", permissions=["write"], now=now).credential

    def learn(self) -> bool:
        """Whether something newly learned becomes an event."""
        before = Event.objects.filter(learner_id=self.learner.pk).count()
        statement = {
            "id": str(uuid4()),
            "actor": {"mbox": f"mailto:{self.mbox}"},
            "verb": {"id": "http://adlnet.gov/expapi/verbs/scored"},
            "object": {"id": f"{self.course.iri}#quiz"},
            "result": {"score": {"scaled": 0.5}, "success": False},
            "context": {"contextActivities": {"parent": [{"id": self.course.iri}]}},
            "timestamp": (self.now - timedelta(hours=1)).isoformat(),
        }
        ingest([json.dumps(statement).encode()], credential=self.credential, now=self.now)
        return Event.objects.filter(learner_id=self.learner.pk).count() > before

    def finds(self, scope: Scope) -> dict[str, bool]:
        """Per query, whether it finds the person."""
        learned = self.learn()
        refresh_enrolments([self.enrolment.pk], now=self.now)
        own = Learner.objects.filter(pk=self.learner.pk)
        answers: dict[str, Callable[[], bool]] = {
            "permission": lambda: gate.allows(self.learner.pk, scope),
            "selection": lambda: gate.only_allowing(own, scope, field="pk").exists(),
            "features": lambda: FeatureRow.objects.filter(pk=self.enrolment.pk).exists(),
            "risks": lambda: Risk.objects.filter(pk=self.enrolment.pk).exists(),
            "learning sessions": lambda: bool(
                learning_sessions([self.learner.pk], since=self.now - timedelta(days=1), until=self.now)
            ),
            "new events": lambda: learned,
        }
        return {name: answers[name]() for name in ASKED[scope]}


def trial(*, now: datetime) -> list[tuple[Scope, str, bool, bool]]:
    """(scope, query, finds a willing person, finds an unwilling one). Leaves nothing behind."""
    found = []
    for scope in ASKED:
        with transaction.atomic():
            one = _Trial(now)
            for needed in COMPUTING:
                if ConsentScope.objects.filter(pk=needed, is_blocked=False).exists():
                    record.grant(subject=one.learner.pk, scope=needed, by=SYSTEM, now=now)
            before = one.finds(scope)
            record.withdraw(subject=one.learner.pk, scope=scope, by=SYSTEM, now=now)
            after = one.finds(scope)
            found += [(scope, name, before[name], after[name]) for name in ASKED[scope]]
            transaction.set_rollback(True)
    return found


def enforced(now: datetime) -> Iterator[Line]:
    """The trial, and what is kept about those who have really withdrawn."""
    found = trial(now=now)
    leaks = [f"{name} after “{scope}” was withdrawn" for scope, name, _, after in found if after]
    blind = [f"{name} ({scope})" for scope, name, before, _ in found if not before]
    state = State.FAIL if leaks else State.WARN if blind else State.PASS
    told = f"{len(found) - len(leaks)} of {len(found)} queries leave out a person who withdrew"
    if leaks:
        told += f"; not {', '.join(leaks)}"
    if blind:
        told += f"; {', '.join(blind)} did not find the person even before, so nothing is proved by it"
    yield line(
        "consent_trial",
        QUESTION,
        state,
        told,
        "all, and each finds the same person before",
        MEND if leaks else "Look at why a willing person is not found (a blocked scope, a stopped refresh).",
        value=(len(found) - len(leaks)) / len(found),
    )
    yield _kept(now)


def _kept(now: datetime) -> Line:
    refusing = set(
        Standing.objects.filter(scope__in=COMPUTING, allowed=False)
        .order_by()
        .values_list("subject", flat=True)
    )
    own = Enrolment.objects.filter(learner_id__in=refusing).values("pk")
    features = FeatureRow.objects.filter(pk__in=own).count()
    risks = Risk.objects.filter(pk__in=own).count()
    with connection.cursor() as cursor:
        # A minute's grace: whoever was taking a batch in may have asked just before.
        cursor.execute(
            "SELECT count(*) FROM signals_event e JOIN consent_standing s ON s.subject = e.learner_id"
            " JOIN signals_statement t ON t.id = e.statement_id"
            " WHERE s.scope = 'record' AND NOT s.allowed AND t.stored > s.since + interval '1 minute'"
        )
        events: int = cursor.fetchone()[0]
    kept = features + risks + events
    return line(
        "consent_kept",
        "Is nothing computed about those who withdrew?",
        State.FAIL if kept else State.PASS,
        f"{len(refusing)} people have withdrawn; of them {features} feature rows, {risks} risks and"
        f" {events} events from after their word are kept",
        "none",
        MEND,
        value=float(kept),
    )
