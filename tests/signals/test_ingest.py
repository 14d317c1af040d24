"""Stages 1 and 2: statements are stored once and become events in the same transaction."""

import json
import threading
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from consent.actors import SYSTEM
from consent.models import ConsentScope
from consent.record import withdraw
from consent.scopes import LawfulBasis, Scope
from signals import quality, quarantine, voiding
from signals.ingest import StatementConflict, StatementFaults, stored
from signals.models import (
    AssessmentResult,
    EnrolmentMark,
    Event,
    Quarantined,
    Statement,
    UnknownVerb,
    Verb,
)
from signals.normalize import resolve_parked
from signals.quarantine import Mend
from signals.xapi import bodies
from tests.support.signals import (
    NOW,
    account,
    as_json,
    enrolled,
    identify,
    make_credential,
    send,
    statement,
)

pytestmark = pytest.mark.django_db


def voiding_of(statement_id: str, **more: object) -> dict[str, object]:
    return statement(
        "voided",
        object={"objectType": "StatementRef", "id": statement_id},
        course=None,
        **more,  # type: ignore[arg-type]
    )


def test_it_stores_a_statement_and_makes_its_event() -> None:
    enrolment = enrolled()
    sent = statement("experienced", at=NOW - timedelta(hours=1), count=7)

    taken = send(sent, credential=make_credential().credential)

    event = Event.objects.get()
    assert taken.stored_ids == [UUID(sent["id"])]
    assert (event.enrolment_id, event.learner_id) == (enrolment.pk, enrolment.learner_id)
    assert (event.verb, event.amount, event.known_seq) == (Verb.EXPERIENCED, 7, 1)
    assert event.occurred_at == NOW - timedelta(hours=1)
    assert event.known_at == NOW
    mark = EnrolmentMark.objects.get(enrolment=enrolment)
    assert (mark.known_seq, mark.dirty_days) == (1, [date(2026, 3, 2)])


def test_it_keeps_the_bytes_as_they_came_and_none_of_them_readable() -> None:
    raw = json.dumps(statement(), indent=3).encode()

    send(raw, credential=make_credential().credential)

    body = bytes(Statement.objects.get().body)
    assert bodies.unseal(body).raw == raw
    assert b"person-0001" not in body


def test_it_keeps_two_identical_statements_once() -> None:
    enrolment = enrolled()
    credential = make_credential().credential
    sent = statement(at=NOW)
    send(sent, credential=credential)

    taken = send(dict(reversed(sent.items())), credential=credential, now=NOW + timedelta(hours=1))

    assert (taken.stored_ids, taken.duplicates) == ([], [UUID(sent["id"])])
    assert taken.ids == [UUID(sent["id"])]
    assert Event.objects.count() == 1
    assert EnrolmentMark.objects.get(enrolment=enrolment).known_seq == 1


def test_it_takes_what_we_set_ourselves_for_no_difference() -> None:
    credential = make_credential().credential
    sent = statement()
    send(sent, credential=credential)
    returned = {
        **sent,
        "timestamp": NOW.isoformat(),
        "stored": NOW.isoformat(),
        "version": "1.0.0",
        "authority": account("somebody-else"),
    }

    assert send(returned, credential=credential).duplicates == [UUID(sent["id"])]


def test_it_refuses_other_content_under_a_known_id_and_stores_nothing_of_the_batch() -> None:
    credential = make_credential().credential
    sent = statement()
    send(sent, credential=credential)

    with pytest.raises(StatementConflict) as refused:
        send(statement(), statement("completed", id=sent["id"]), credential=credential)

    assert refused.value.ids == [UUID(sent["id"])]
    assert Statement.objects.count() == 1


def test_it_refuses_one_id_twice_in_a_batch() -> None:
    sent = statement()

    with pytest.raises(StatementFaults) as refused:
        send(sent, sent, credential=make_credential().credential)

    assert [(fault.index, fault.path) for fault in refused.value.faults] == [(1, "$.id")]
    assert not Statement.objects.exists()


def test_it_tells_every_fault_of_a_batch_and_stores_nothing() -> None:
    sent = [statement(), b'{"actor": ', {**statement(), "verb": {"id": "nope"}, "extra": None}]

    with pytest.raises(StatementFaults) as refused:
        send(*sent, credential=make_credential().credential)  # type: ignore[arg-type]

    assert {(fault.index, fault.path) for fault in refused.value.faults} == {
        (1, "$"),
        (2, "$.verb.id"),
        (2, "$.extra"),
    }
    assert all(fault.mend for fault in refused.value.faults)
    assert not Statement.objects.exists()


def test_it_quarantines_what_is_faulty_in_bulk_and_stores_the_rest() -> None:
    good, bad = statement(), {**statement(), "verb": {}}
    malformed = b'{"id": 7'

    taken = send(good, bad, malformed, credential=make_credential("bulk").credential, bulk=True)

    assert taken.stored_ids == [UUID(good["id"])]
    assert taken.quarantined == [UUID(bad["id"]), None]
    rows = {row.reason: row for row in Quarantined.objects.all()}
    assert set(rows) == {"missing", "malformed"}
    assert rows["missing"].faults[0]["path"] == "$.verb.id"
    assert bodies.unseal(bytes(rows["malformed"].body)).raw == malformed


def test_it_quarantines_a_conflict_in_bulk() -> None:
    credential = make_credential("bulk").credential
    sent = statement()
    send(sent, credential=credential)

    taken = send(statement("completed", id=sent["id"]), credential=credential, bulk=True)

    assert taken.quarantined == [UUID(sent["id"])]
    assert taken.ids == []
    assert Quarantined.objects.get().reason == "conflict"


@pytest.mark.parametrize("off", [timedelta(days=730), timedelta(minutes=11)])
def test_it_stores_a_statement_of_a_clock_that_is_ahead_and_holds_its_event_back(off: timedelta) -> None:
    enrolled()

    send(statement(at=NOW + off), credential=make_credential().credential)

    assert Statement.objects.count() == 1
    assert not Event.objects.exists()
    assert Quarantined.objects.get().reason == "timestamp"


def test_it_quarantines_a_wrong_clock_whole_in_bulk() -> None:
    enrolled()
    sent = statement(at=NOW - timedelta(days=730))
    credential = make_credential("bulk", first_day=date(2026, 1, 1)).credential

    taken = send(sent, statement(at=NOW), credential=credential, bulk=True)

    assert taken.quarantined == [UUID(sent["id"])]
    assert Statement.objects.count() == 1
    assert "first day" in taken.faults[0].fault


def test_it_derives_the_event_once_the_clock_has_been_put_right() -> None:
    enrolled()
    credential = make_credential(first_day=date(2026, 2, 1)).credential
    send(statement(at=datetime(2026, 1, 10, tzinfo=UTC)), credential=credential)
    waiting = Quarantined.objects.get()
    assert not quarantine.requeue(waiting, now=NOW).taken_in
    credential.first_day = None
    credential.save()

    assert quarantine.requeue(waiting, now=NOW).taken_in

    assert Event.objects.get().occurred_at == datetime(2026, 1, 10, tzinfo=UTC)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.settled_at) == ("requeued", NOW)


def test_it_takes_in_a_mended_statement_and_tells_what_is_still_wrong() -> None:
    bad = {**statement(), "verb": {}}
    send(bad, credential=make_credential("bulk").credential, bulk=True)
    waiting = Quarantined.objects.get()

    still = quarantine.requeue(waiting, now=NOW, mend=Mend(body=as_json({**bad, "verb": {"id": "x"}})))
    mended = quarantine.requeue(
        waiting, now=NOW, mend=Mend(body=as_json({**bad, "verb": statement()["verb"]}))
    )

    assert (still.taken_in, still.faults[0].path) == (False, "$.verb.id")
    assert mended.taken_in
    assert Quarantined.objects.count() == 1
    assert Statement.objects.get().pk == UUID(bad["id"])


def test_it_settles_quarantine_once() -> None:
    send({**statement(), "verb": {}}, credential=make_credential("bulk").credential, bulk=True)
    waiting = Quarantined.objects.get()
    quarantine.discard(waiting, now=NOW, by=SYSTEM, reason="A test of theirs.")

    with pytest.raises(quarantine.AlreadySettled):
        quarantine.requeue(waiting, now=NOW)


def test_it_stores_an_unknown_verb_as_other_and_shows_it() -> None:
    enrolled()

    send(statement("https://acme.example/verbs/pondered"), credential=make_credential().credential)

    assert Event.objects.get().verb == Verb.OTHER
    assert UnknownVerb.objects.get().seen == 1
    assert quality.measure(now=NOW + timedelta(seconds=1)).unknown_verbs == {
        "https://acme.example/verbs/pondered": 1
    }


def test_it_parks_an_unknown_actor_until_somebody_says_who_it_is() -> None:
    enrolment = enrolled("person-0001")
    send(statement(actor=account("nobody-0001"), at=NOW), credential=make_credential().credential)
    assert not Event.objects.exists()
    assert resolve_parked(now=NOW) == 0
    identify(enrolment.learner, account("nobody-0001"))

    later = NOW + timedelta(days=1)
    assert resolve_parked(now=later) == 1

    event = Event.objects.get()
    assert (event.enrolment_id, event.known_at) == (enrolment.pk, later)
    assert not Statement.objects.get().parked
    assert resolve_parked(now=later) == 0


def test_it_knows_a_backfilled_statement_as_of_its_own_time() -> None:
    enrolled()
    at = NOW - timedelta(days=20)

    send(statement(at=at), credential=make_credential("write", "backfill").credential)

    assert Event.objects.get().known_at == at


def test_it_derives_nothing_for_somebody_who_withdrew() -> None:
    enrolment = enrolled()
    withdraw(subject=enrolment.learner_id, scope=Scope.RECORD, by=SYSTEM, now=NOW)

    send(statement(at=NOW), credential=make_credential().credential)

    assert Statement.objects.filter(parked=False).count() == 1
    assert not Event.objects.exists()


def test_it_derives_nothing_from_a_group() -> None:
    enrolled()
    group = {"objectType": "Group", "member": [account("person-0001")]}

    send(statement(actor=group), credential=make_credential().credential)

    assert Statement.objects.filter(parked=False).count() == 1
    assert not Event.objects.exists()


def test_it_gives_late_and_unordered_events_the_days_they_belong_to() -> None:
    enrolment = enrolled()
    days = [NOW - timedelta(days=number) for number in (1, 9, 4)]

    send(*(statement(at=at) for at in days), credential=make_credential().credential)

    assert list(Event.objects.order_by("known_seq").values_list("occurred_at", flat=True)) == days
    mark = EnrolmentMark.objects.get(enrolment=enrolment)
    assert mark.dirty_days == sorted(at.date() for at in days)
    assert mark.known_seq == 3


def test_it_voids_an_event_and_dirties_its_day() -> None:
    enrolment = enrolled()
    credential = make_credential().credential
    sent = statement("scored", at=NOW - timedelta(days=3), scaled=0.9)
    send(sent, credential=credential)
    EnrolmentMark.objects.update(dirty_days=[], dirty_since=None)

    send(voiding_of(sent["id"]), credential=credential, now=NOW + timedelta(hours=1))

    assert Event.objects.get().voided_seq == 2
    assert AssessmentResult.objects.get().voided_seq == 2
    mark = EnrolmentMark.objects.get(enrolment=enrolment)
    assert (mark.known_seq, mark.dirty_days) == (2, [date(2026, 2, 27)])
    assert mark.dirty_since is not None
    assert Statement.objects.get(pk=sent["id"]).voided_at == NOW + timedelta(hours=1)


def test_it_voids_a_statement_that_comes_after_its_voiding() -> None:
    enrolled()
    credential = make_credential().credential
    sent = statement()
    send(voiding_of(sent["id"]), credential=credential)

    send(sent, credential=credential)

    assert Statement.objects.get(pk=sent["id"]).voided_at is not None
    assert not Event.objects.exists()


def test_it_voids_within_one_batch() -> None:
    enrolled()
    sent = statement()

    send(voiding_of(sent["id"]), sent, credential=make_credential().credential)

    assert Statement.objects.get(pk=sent["id"]).voided_at is not None
    assert Event.objects.filter(voided_seq__isnull=True).count() == 0


def test_it_does_not_void_a_voiding() -> None:
    credential = make_credential().credential
    first = voiding_of(str(uuid4()))
    send(first, credential=credential)

    send(voiding_of(str(first["id"])), credential=credential)

    assert not Statement.objects.filter(voided_at__isnull=False).exists()


def test_it_voids_later_what_met_its_voiding_on_the_way_in() -> None:
    enrolled()
    credential = make_credential().credential
    sent = statement()
    send(sent, voiding_of(sent["id"]), credential=credential)
    # As if neither transaction had seen the other.
    Statement.objects.filter(pk=sent["id"]).update(voided_at=None)
    Event.objects.update(voided_seq=None)

    assert voiding.settle_late(now=NOW) == 1

    assert Event.objects.filter(voided_seq__isnull=True).count() == 0


def test_the_database_refuses_to_change_or_delete_a_statement() -> None:
    send(statement(), credential=make_credential().credential)

    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        Statement.objects.update(body=b"other")
    with pytest.raises(DatabaseError, match="never deleted"), transaction.atomic():
        Statement.objects.all().delete()


def test_it_tells_after_commit_and_survives_a_listener_that_fails(
    django_capture_on_commit_callbacks: object,
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError

    stored.connect(fail)
    try:
        with django_capture_on_commit_callbacks(execute=True) as told:  # type: ignore[operator]
            send(statement(), credential=make_credential().credential)
    finally:
        stored.disconnect(fail)

    assert told
    assert Statement.objects.exists()


def test_it_asks_the_database_as_often_for_a_hundred_as_for_two(
    django_assert_max_num_queries: object,
) -> None:
    for number in range(3):
        enrolled(f"person-{number:04d}")
    credential = make_credential().credential
    send(statement(at=NOW), credential=credential)  # makes the month's partition

    sent = [statement(actor=account(f"person-{number % 3:04d}"), at=NOW) for number in range(100)]
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        send(*sent, credential=credential)

    assert Event.objects.count() == 101


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_stores_and_numbers_each_statement_once_under_two_writers() -> None:
    # An earlier test that really committed has emptied the tables that migrations fill.
    ConsentScope.objects.get_or_create(
        key=Scope.RECORD,
        defaults={"name": "Record", "lawful_basis": LawfulBasis.LEGITIMATE_INTEREST, "retention_days": 30},
    )
    enrolments = [enrolled(f"person-{number:04d}") for number in range(5)]
    credential = make_credential().credential
    sent = [statement(actor=account(f"person-{number % 5:04d}"), at=NOW) for number in range(200)]
    send(statement(actor=account("person-0000"), at=NOW), credential=credential)
    new: list[int] = []
    failed: list[BaseException] = []

    def write(batches: list[list[dict[str, object]]]) -> None:
        try:
            new.extend(len(send(*batch, credential=credential).stored_ids) for batch in batches)
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    forward = [sent[start : start + 50] for start in range(0, 200, 25)]
    backward = [list(reversed(batch)) for batch in reversed(forward)]
    threads = [threading.Thread(target=write, args=(batches,)) for batches in (forward, backward)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    try:
        assert not failed
        assert sum(new) == 200
        for enrolment in enrolments:
            numbers = sorted(
                Event.objects.filter(enrolment_id=enrolment.pk).values_list("known_seq", flat=True)
            )
            assert numbers == list(range(1, len(numbers) + 1))
            assert EnrolmentMark.objects.get(enrolment=enrolment).known_seq == len(numbers)
    finally:
        # Django empties only the tables it manages.
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE signals_event")
