"""What waits in quarantine: mended, previewed, taken in or discarded, and never lost on the way."""

import json
import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, connections, transaction

from consent.actors import Party
from consent.models import AuditEntry
from learners.models import Enrolment, OrgUnit
from signals import clock, privacy, quarantine, voiding
from signals.features.refresh import refresh
from signals.models import (
    ClockCorrection,
    Credential,
    Event,
    FeatureRow,
    Quarantined,
    Risk,
    RiskChange,
    Statement,
    UnknownVerb,
    Verb,
    VerbSynonym,
)
from signals.preview import Preview, preview
from signals.quarantine import Mend
from signals.rebuild import rebuild
from signals.xapi import bodies
from tests.support.signals import (
    COURSE,
    NOW,
    account,
    as_json,
    enrolled,
    make_course,
    make_credential,
    make_enrolment,
    make_learner,
    send,
    statement,
)

pytestmark = pytest.mark.django_db
BY = Party("user", UUID(int=7))
HOUR = timedelta(hours=1)
LATER = NOW + timedelta(days=1)


def hold(*sent: dict[str, Any], **more: Any) -> list[Quarantined]:
    credential = more.pop("credential", None) or make_credential("write", "bulk").credential
    send(*sent, credential=credential, bulk=True, **more)
    return list(Quarantined.objects.order_by("pk"))


def faulty(**more: Any) -> dict[str, Any]:
    return {**statement(at=NOW - HOUR), "verb": {"id": "scored"}, **more}


# --- mending ------------------------------------------------------------------------------------------------------


def test_it_makes_any_iri_mean_a_known_verb() -> None:
    enrolled()
    row = hold(statement("urn:acme:saw", at=NOW + HOUR))[0]

    done = quarantine.requeue(row, now=LATER, by=BY, mend=Mend(verb=Verb.EXPERIENCED))

    assert done.taken_in
    assert Event.objects.get().verb == Verb.EXPERIENCED
    VerbSynonym.objects.get(iri="urn:acme:saw").full_clean()


def test_it_gives_an_iri_to_a_verb_that_is_none() -> None:
    enrolled()
    row = hold(faulty())[0]

    quarantine.requeue(row, now=LATER, by=BY, mend=Mend(verb=Verb.SCORED))

    assert Event.objects.get().verb == Verb.SCORED
    row.refresh_from_db()
    assert json.loads(quarantine.body_of(row))["verb"]["id"] == "http://adlnet.gov/expapi/verbs/scored"
    assert json.loads(quarantine.body_of(row, original=True))["verb"]["id"] == "scored"


def test_it_counts_no_verb_too_long_to_be_one() -> None:
    enrolled()

    send(statement("urn:" + "x" * 5000), credential=make_credential().credential)

    assert Event.objects.get().verb == Verb.OTHER
    assert not UnknownVerb.objects.exists()


def test_it_names_the_learner_from_now_on() -> None:
    enrolment = enrolled()
    row = hold(statement(actor=account("nobody-0001"), at=NOW + HOUR))[0]

    quarantine.requeue(row, now=LATER, by=BY, mend=Mend(learner=enrolment.learner_id))
    send(statement(actor=account("nobody-0001")), credential=row.credential, now=LATER)

    assert set(Event.objects.values_list("learner_id", flat=True)) == {enrolment.learner_id}
    assert Event.objects.count() == 2


def test_it_gives_an_actor_to_a_statement_about_nobody() -> None:
    enrolment = enrolled()
    row = hold({**statement(), "actor": {"name": "The new one"}})[0]

    done = quarantine.requeue(row, now=NOW, by=BY, mend=Mend(learner=enrolment.learner_id))

    assert done.taken_in
    assert Event.objects.get().learner_id == enrolment.learner_id


def test_it_takes_nobodys_name_away() -> None:
    enrolled()
    other = make_learner("person-0002")
    row = hold(statement(at=NOW + HOUR))[0]

    with pytest.raises(quarantine.CannotMend, match="already names learner"):
        quarantine.requeue(row, now=LATER, by=BY, mend=Mend(learner=other.pk))

    assert Quarantined.objects.get().state == "waiting"


def test_it_keeps_a_correction_that_does_not_suffice() -> None:
    row = hold(faulty())[0]
    half = {**faulty(), "verb": {"id": "still wrong"}}

    tried = quarantine.requeue(row, now=LATER, by=BY, mend=Mend(body=as_json({**half, "actor": 1})))

    row.refresh_from_db()
    assert not tried.taken_in
    assert (row.state, row.reason, row.tried_at) == ("waiting", "type", LATER)
    assert row.faults[0]["path"] == "$.actor"
    assert "still wrong" in quarantine.body_of(row)
    assert '"scored"' in quarantine.body_of(row, original=True)


def test_it_undoes_what_a_mend_did_elsewhere_when_it_does_not_suffice() -> None:
    enrolment = enrolled()
    row = hold({**faulty(), "verb": {"id": "urn:acme:saw"}, "result": 3, "actor": account("nobody-0001")})[0]

    quarantine.requeue(row, now=NOW, by=BY, mend=Mend(verb=Verb.EXPERIENCED, learner=enrolment.learner_id))

    assert not VerbSynonym.objects.filter(iri="urn:acme:saw").exists()
    assert enrolment.learner.identifiers.count() == 1


def test_it_takes_each_in_once() -> None:
    rows = hold(faulty(), {**faulty(), "actor": 1})
    mend = Mend(verb=Verb.SCORED)

    first = quarantine.requeue_many(rows, now=NOW, by=BY, mend=mend)
    second = quarantine.requeue_many(rows, now=NOW, by=BY, mend=mend)

    assert [one.requeued is not None and one.requeued.taken_in for one in first] == [True, False]
    assert [one.requeued is None for one in second] == [True, False]
    assert Statement.objects.count() == 1
    assert sorted(Quarantined.objects.values_list("state", flat=True)) == ["requeued", "waiting"]


def test_it_keeps_the_version_of_xapi_it_came_in() -> None:
    from signals.ingest import ingest

    credential = make_credential("write", "bulk").credential
    ingest([as_json(faulty())], credential=credential, now=NOW, bulk=True, major=2)

    quarantine.requeue(Quarantined.objects.get(), now=NOW, by=BY, mend=Mend(verb=Verb.SCORED))

    assert bodies.unseal(bytes(Statement.objects.get().body)).major == 2


# --- clocks -------------------------------------------------------------------------------------------------------

AHEAD = clock.Rule("shift", -3600)


def test_it_shifts_a_clock_that_is_ahead() -> None:
    enrolled()
    row = hold(statement(at=NOW + HOUR))[0]

    done = quarantine.requeue(row, now=NOW, by=BY, mend=Mend(rule=AHEAD))

    assert done.taken_in
    assert Event.objects.get().occurred_at == NOW
    note = ClockCorrection.objects.get()
    assert (note.clock, note.offset_s, note.occurred_at) == ("shift", -3600, NOW)
    assert (
        json.loads(bodies.unseal(bytes(Statement.objects.get().body)).raw)["timestamp"]
        == (NOW + HOUR).isoformat()
    )
    assert Credential.objects.get().clock == "sent"


def test_it_dates_by_arrival_even_when_requeued_later() -> None:
    enrolled()
    row = hold(statement(at="2031-01-01T00:00:00Z"))[0]

    quarantine.requeue(row, now=LATER, by=BY, mend=Mend(rule=clock.Rule("arrival")))

    assert Event.objects.get().occurred_at == NOW


@pytest.mark.parametrize("rule", [AHEAD, clock.Rule("arrival")], ids=["shift", "arrival"])
def test_it_dates_the_event_of_a_statement_that_is_stored(rule: clock.Rule) -> None:
    enrolled()
    send(statement(at=NOW + HOUR), credential=make_credential().credential)

    done = quarantine.requeue(Quarantined.objects.get(), now=LATER, by=BY, mend=Mend(rule=rule))

    assert done.statement_ids == [Statement.objects.get().pk]
    assert Event.objects.get().occurred_at == NOW


def test_it_dates_all_that_a_source_sends_once_that_is_the_rule() -> None:
    enrolled()
    row = hold(statement(at=NOW + HOUR))[0]
    quarantine.requeue(row, now=NOW, by=BY, mend=Mend(rule=AHEAD, is_standing=True))
    credential = Credential.objects.get()

    send(statement(at=NOW + HOUR / 2), credential=credential)
    send(statement(), credential=credential)

    assert sorted(Event.objects.values_list("occurred_at", flat=True)) == [NOW - HOUR / 2, NOW, NOW]
    assert Quarantined.objects.filter(state="waiting").count() == 0


def test_it_voids_and_rebuilds_what_is_dated_otherwise() -> None:
    enrolled()
    row = hold(statement(at=NOW + HOUR))[0]
    quarantine.requeue(row, now=NOW, by=BY, mend=Mend(rule=AHEAD))
    refresh(now=NOW)

    done = rebuild(now=LATER)

    assert done.events == 0
    assert Event.objects.get().occurred_at == NOW
    voiding.void([Statement.objects.get().pk], now=LATER)
    assert Event.objects.get().voided_seq is not None


def test_it_forgets_a_correction_with_the_person() -> None:
    enrolment = enrolled()
    row = hold(statement(at=NOW + HOUR))[0]
    quarantine.requeue(row, now=NOW, by=BY, mend=Mend(rule=AHEAD))
    told = privacy.export(enrolment.learner_id)["events_dated_otherwise"]

    counts = privacy.erase(enrolment.learner_id, now=LATER)

    assert [one["clock"] for one in told] == ["shift"]
    assert counts["corrections"] == 1
    assert not ClockCorrection.objects.exists()


def test_it_finds_a_person_in_what_was_mended() -> None:
    enrolment = enrolled()
    row = hold({**faulty(), "actor": 1})[0]
    quarantine.requeue(row, now=NOW, by=BY, mend=Mend(body=as_json(faulty())))

    counts = privacy.erase(enrolment.learner_id, now=LATER)

    assert counts["quarantined"] == 1


def test_it_leaves_to_a_rebuild_nothing_that_is_held_back() -> None:
    unit = OrgUnit.objects.create(code="north", name="North")
    enrolled()
    made = make_credential()
    Credential.objects.update(unit=unit)
    made.credential.refresh_from_db()
    send(statement(), statement(at=NOW + HOUR), credential=made.credential)
    assert Quarantined.objects.count() == 2

    rebuild(now=LATER)

    assert not Event.objects.exists()
    outsider = Quarantined.objects.get(reason="unit")
    assert not quarantine.requeue(outsider, now=LATER, by=BY).taken_in
    assert quarantine.requeue(outsider, now=LATER, by=BY, mend=Mend(accepts_outsiders=True)).taken_in
    assert Event.objects.count() == 1
    assert Credential.objects.get().unit == unit


# --- discarding ---------------------------------------------------------------------------------------------------


def test_it_discards_for_a_reason_only() -> None:
    row = hold(faulty())[0]

    with pytest.raises(quarantine.NoReason):
        quarantine.discard(row, now=NOW, by=BY, reason="  ")
    quarantine.discard(row, now=NOW, by=BY, reason="A test of the vendor's.")

    row.refresh_from_db()
    assert (row.state, row.note, row.settled_by) == ("discarded", "A test of the vendor's.", BY.uuid)
    entry = AuditEntry.objects.get(action="quarantine.discarded")
    assert entry.detail == {"quarantined": row.pk}
    with connection.cursor() as cursor:
        cursor.execute("SELECT note FROM signals_quarantined")
        assert b"vendor" not in bytes(cursor.fetchone()[0])


def test_it_promises_a_reason_for_what_is_discarded() -> None:
    row = hold(faulty())[0]

    with pytest.raises(IntegrityError, match="discarded_for_a_reason"), transaction.atomic():
        Quarantined.objects.filter(pk=row.pk).update(state="discarded", settled_at=NOW)


# --- previewing ---------------------------------------------------------------------------------------------------


def everything() -> dict[str, Any]:
    """What there is, to compare."""
    return {
        model.__name__: sorted(map(str, model._default_manager.values_list()))
        for model in (
            Statement,
            Event,
            Quarantined,
            FeatureRow,
            Risk,
            RiskChange,
            ClockCorrection,
            VerbSynonym,
            Credential,
            Enrolment,
            AuditEntry,
        )
    }


def look(row: Quarantined, **mend: Any) -> Preview:
    before = everything()
    seen = preview([row], now=NOW, by=BY, mend=Mend(**mend))
    assert everything() == before
    return seen


def test_it_shows_features_risk_and_decision_and_changes_nothing() -> None:
    enrolment = enrolled()
    credential = make_credential("write", "bulk").credential
    send(statement(at=NOW - timedelta(days=25)), credential=credential)
    send(statement("scored", at=NOW - timedelta(days=24), scaled=0.1), credential=credential)
    refresh(now=NOW)
    row = hold({**faulty(), "result": {"score": {"scaled": 1.0}}}, credential=credential)[0]

    seen = look(row, verb=Verb.SCORED)

    assert (seen.taken_in, seen.parked) == (1, 0)
    assert [(event.verb, event.course) for event in seen.events] == [("scored", "Safety")]
    difference = seen.differences[0]
    assert difference.learner == enrolment.learner.pseudonym
    changed = {name for name, _, _ in difference.features}
    assert {"Days without activity", "Mean of the last five scores"} <= changed
    before, after = difference.risk
    assert before is not None
    assert after is not None
    assert before > after
    assert difference.changes_decision
    assert difference.decision[0] is not None
    assert difference.decision[1] is not None
    assert difference.decision[1].action == "Keep watching"


def test_it_shows_what_would_still_be_wrong() -> None:
    row = hold({**faulty(), "actor": 1})[0]

    seen = look(row, verb=Verb.SCORED)

    assert seen.taken_in == 0
    assert seen.tried[0].requeued is not None
    assert [fault.path for fault in seen.tried[0].requeued.faults] == ["$.actor"]


def test_it_shows_who_would_be_enrolled() -> None:
    make_course()
    make_learner()
    row = hold(statement("registered", COURSE, at=NOW + HOUR))[0]

    seen = look(row, rule=AHEAD)

    assert [one.is_new for one in seen.differences] == [True]


def test_it_shows_what_would_wait_for_its_actor() -> None:
    row = hold(statement(at=NOW + HOUR))[0]

    seen = look(row, rule=AHEAD)

    assert (seen.taken_in, seen.parked, seen.events) == (1, 1, [])


def test_it_previews_a_standing_rule_without_setting_it() -> None:
    make_enrolment(make_learner(), make_course())
    row = hold(statement(at=NOW + HOUR))[0]

    seen = look(row, rule=AHEAD, is_standing=True)

    assert [event.at for event in seen.events] == [NOW]


# --- two people at once -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_is_taken_in_by_one_of_two_who_try_at_once() -> None:
    row = hold(faulty())[0]
    together = threading.Barrier(2)
    found: list[str] = []

    def attempt() -> None:
        together.wait()
        try:
            quarantine.requeue(row, now=NOW, by=BY, mend=Mend(verb=Verb.SCORED))
            found.append("taken in")
        except quarantine.AlreadySettled:
            found.append("too late")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=attempt) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == ["taken in", "too late"]
    assert Statement.objects.count() == 1
    assert AuditEntry.objects.filter(action="quarantine.requeued").count() == 1
