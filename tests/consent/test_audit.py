"""Did we? Entries are chained once they have committed, and whoever meddles with them is found out."""

import re
import threading
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from consent import audit
from consent.actors import SYSTEM, Party
from consent.models import AuditEntry, AuditSeal, AuditUnsealed
from tests.support.consent import ADMIN, NOW, OTHER, PERSON, SUBJECT, Elsewhere


def write(action: str = "case.opened") -> AuditEntry:
    return audit.record(
        actor=ADMIN, action=action, target=PERSON, now=NOW, detail={"case": str(OTHER), "n": 1}
    )


def meddle_with(sql: str, *values: Any) -> None:
    """What somebody with full rights on the server could do: no trigger, no foreign key stops it."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what was done honestly stands first
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, values)
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.mark.django_db
def test_it_chains_every_entry_once() -> None:
    entries = [write(f"step.{number}") for number in range(5)]

    assert audit.seal(now=NOW, limit=3) == 3
    assert audit.seal(now=NOW, limit=3) == 2
    assert audit.seal(now=NOW, limit=3) == 0

    assert list(AuditSeal.objects.values_list("position", "entry_id")) == [
        (place, entry.pk) for place, entry in enumerate(entries, start=1)
    ]
    assert not AuditUnsealed.objects.exists()
    found = audit.verify()
    assert (found.ok, found.entries, found.sealed, found.first_fault) == (True, 5, 5, None)


@pytest.mark.django_db
def test_it_holds_for_an_empty_log_and_for_entries_that_wait() -> None:
    assert audit.verify().ok

    write()

    found = audit.verify()
    assert (found.ok, found.entries, found.sealed) == (True, 1, 0)


@pytest.mark.django_db
def test_it_queues_entries_whoever_writes_them() -> None:
    AuditEntry.objects.bulk_create(
        [
            AuditEntry(
                actor_kind="user", actor_uuid=SUBJECT, action="a", target_kind="t", target_uuid=OTHER, at=NOW
            )
            for _ in range(2)
        ]
    )

    assert audit.seal(now=NOW) == 2


@pytest.mark.django_db
def test_it_lists_everybody_a_page_showed_in_one_entry() -> None:
    audit.record_reads(actor=ADMIN, action="team.read", targets=[SUBJECT, OTHER, SUBJECT], now=NOW)
    write()

    assert AuditEntry.objects.count() == 2
    assert set(audit.about(SUBJECT).values_list("action", flat=True)) == {"team.read", "case.opened"}
    assert set(audit.about(OTHER).values_list("action", flat=True)) == {"team.read"}


@pytest.mark.django_db
def test_it_writes_nothing_about_a_page_that_showed_nobody() -> None:
    assert audit.record_reads(actor=ADMIN, action="team.read", targets=[], now=NOW) is None
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("meddle", "says"),
    [
        ("UPDATE consent_auditentry SET action = 'nothing' WHERE id = %s", "entry {id} .*altered"),
        ("UPDATE consent_auditentry SET detail = '{}' WHERE id = %s", "entry {id} .*altered"),
        ("UPDATE consent_auditentry SET at = at + interval '1 s' WHERE id = %s", "entry {id} .*altered"),
        (
            "UPDATE consent_auditseal SET hash = decode('00', 'hex') WHERE entry_id = %s",
            "entry {id} .*altered",
        ),
        ("DELETE FROM consent_auditentry WHERE id = %s", "entry {id} .*removed"),
        ("DELETE FROM consent_auditseal WHERE entry_id = %s", "position 2 is missing"),
    ],
)
def test_it_finds_what_was_tampered_with(meddle: str, says: str) -> None:
    entries = [write() for _ in range(3)]
    audit.seal(now=NOW)
    meddle_with(meddle, entries[1].pk)

    found = audit.verify()

    assert not found.ok
    assert found.first_fault is not None
    assert re.search(says.format(id=entries[1].pk), found.first_fault)
    with pytest.raises(CommandError, match="The chain does not hold"):
        call_command("audit_verify")


@pytest.mark.django_db
def test_it_finds_an_entry_that_was_kept_from_the_sealer() -> None:
    entry = write()
    AuditUnsealed.objects.all().delete()

    found = audit.verify()

    assert found.first_fault == f"entry {entry.pk} has no seal and does not wait for one"


@pytest.mark.django_db
def test_it_finds_a_cut_off_end_by_a_noted_hash() -> None:
    for _ in range(3):
        write()
    audit.seal(now=NOW)
    noted = audit.verify().head
    last = AuditSeal.objects.order_by("-position").first()
    assert last is not None

    meddle_with("DELETE FROM consent_auditseal WHERE position = %s", last.position)
    meddle_with("DELETE FROM consent_auditentry WHERE id = %s", last.entry_id)

    assert audit.verify().ok, "the chain alone cannot know its length"
    assert not audit.verify(head=noted).ok


@pytest.mark.django_db
def test_it_still_holds_a_hash_noted_long_ago() -> None:
    write()
    audit.seal(now=NOW)
    noted = audit.verify().head
    write()
    audit.seal(now=NOW)
    out = StringIO()

    call_command("audit_verify", head=noted, stdout=out)

    assert "2 of 2 entries are sealed" in out.getvalue()
    assert audit.verify().head in out.getvalue()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_seals_an_entry_that_commits_late_with_a_lower_number() -> None:
    written, may_commit = threading.Event(), threading.Event()

    def slow_transaction() -> int:
        with transaction.atomic():
            entry = write("late")
            written.set()
            may_commit.wait(10)
        return entry.pk

    late = Elsewhere(slow_transaction)
    assert written.wait(10)
    early = write("early")
    assert audit.seal(now=NOW) == 1
    may_commit.set()
    late_number = late.answer()

    assert audit.seal(now=NOW) == 1

    assert late_number < early.pk
    assert list(AuditSeal.objects.values_list("entry_id", flat=True)) == [early.pk, late_number]
    assert audit.verify().ok


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_lets_one_sealer_work_at_a_time() -> None:
    write()

    with transaction.atomic():
        assert audit.seal(now=NOW) == 1
        assert Elsewhere(lambda: audit.seal(now=NOW)).answer() == 0

    assert audit.verify().ok


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_never_makes_a_writer_wait_for_the_sealer() -> None:
    with transaction.atomic():
        write()
        audit.seal(now=NOW)

        Elsewhere(write).answer()

    assert audit.seal(now=NOW) == 1
    assert audit.verify().ok


def test_it_names_the_product_itself_by_a_uuid() -> None:
    assert Party("system", UUID(int=0)) == SYSTEM
