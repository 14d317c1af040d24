"""Pairs are found among what changed, asked about once, and only a person decides."""

import io
import os
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from consent import record
from consent.models import AuditEntry
from consent.scopes import Scope
from consent.subject_requests import erase
from learners.linking import engine, review
from learners.linking.comparing import Session, link, run, run_all
from learners.linking.encoding import Encoder, Person, blocks
from learners.merging.undo import undo
from learners.models import Identifier, Learner, LinkCandidate, LinkRecord, Merge, Role
from signals.models import Event, Statement
from signals.normalize import resolve_parked
from tests.support.consent import ADMIN
from tests.support.learners import make_user
from tests.support.signals import COURSE, make_course, make_credential, make_enrolment, send, statement

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
START = date(2021, 5, 17)
State = LinkCandidate.State


def ann(name: str = "Margaret Fielding", **fields: Any) -> Learner:
    made = {"email": "margaret.fielding@works.test", "started_on": START, **fields}
    return Learner.objects.create(name=name, **made)


def two() -> tuple[Learner, Learner]:
    return ann(), ann("Fielding, Margret", email="m.fielding@group.test")


def pair() -> LinkCandidate:
    two()
    link(now=NOW)
    return LinkCandidate.objects.get()


def other() -> Learner:
    return ann("Robin Stone", email="robin.stone@works.test", started_on=date(2019, 1, 7))


def test_it_finds_one_person_in_two_rosters_and_merges_nothing() -> None:
    one, duplicate = two()
    other()

    assert link(now=NOW) == 3

    found = LinkCandidate.objects.get()
    assert {found.left.learner, found.right.learner} == {one, duplicate}
    assert found.probability > 0.9
    assert found.state == State.WAITING
    assert not Merge.objects.exists()
    assert found.evidence["started"]["level"] == "same"


def test_it_keeps_no_clear_text() -> None:
    pair()

    with connection.cursor() as cursor:
        for table in ("learners_linkcandidate", "learners_linkrecord"):
            cursor.execute(f"SELECT row_to_json(t)::text FROM {table} t")
            stored = "".join(row[0] for row in cursor.fetchall()).lower()
            assert not any(
                secret in stored for secret in ("fielding", "margaret", "works.test", "2021-05-17")
            )


def test_it_gives_the_engine_no_clear_text_and_no_place_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(Path(tempfile.gettempdir()).iterdir())
    encoder = Encoder()
    people = [Person("Margaret Fielding", "m.fielding@works.test", "E17", START, "works", "fitter")] * 2
    rows = [engine.Row(n, encoder.encode(one), blocks(one), True, False) for n, one in enumerate(people)]
    database = engine.connect()

    engine.load(database, rows)

    held = str(database.execute("SELECT * FROM people").fetchall()).lower()
    assert not any(secret in held for secret in ("fielding", "margaret", "works", "e17", "2021"))
    assert not any(str(block) in held for block in blocks(people[0]))  # nor the keys that are stored
    assert database.execute("SELECT current_setting('temp_directory')").fetchone() == ("",)
    with pytest.raises(Exception, match="disabled"):
        database.execute(f"COPY people TO '{os.path.join(tempfile.gettempdir(), 'people.csv')}'")
    assert engine.score(rows, common={}, prior=1e-4, at_least=0.0)
    assert {
        path for path in set(Path(tempfile.gettempdir()).iterdir()) - before if "duckdb" in path.name
    } == set()


def test_it_looks_only_at_what_changed() -> None:
    one, _ = two()
    other()
    link(now=NOW)
    assert run(now=NOW).looked_at == 0

    one.name = "Margaret Fielding"  # the same text, encrypted anew
    one.save(update_fields=["name"])
    assert (found := run(now=NOW)).looked_at == 1
    assert found.changed == 0

    one.name = "Maggie Fielding"
    one.save(update_fields=["name"])
    assert (found := run(now=NOW)).changed == 1
    assert found.compared_with == 1  # who shares a block, not everybody


def test_it_asks_about_nobody_who_refuses_is_erased_or_merged() -> None:
    one, duplicate = two()
    record.withdraw(subject=one.pk, scope=Scope.RECORD, by=ADMIN, now=NOW)

    link(now=NOW)

    assert not LinkCandidate.objects.exists()
    record.grant(subject=one.pk, scope=Scope.RECORD, by=ADMIN, now=NOW)
    LinkRecord.objects.update(dirty_since=NOW, fingerprint=None)
    link(now=NOW)
    assert LinkCandidate.objects.count() == 1
    erase(subject=duplicate.pk, by=ADMIN, now=NOW)
    assert not LinkCandidate.objects.exists()
    link(now=NOW)
    assert not LinkCandidate.objects.exists()


def test_it_remembers_different_and_asks_again_only_with_new_evidence() -> None:
    found = pair()
    review.different(candidate_id=found.pk, by=ADMIN.uuid, now=NOW)
    right = Learner.objects.get(link_record=found.right_id)

    right.time_zone = "Europe/Berlin"
    right.language = "de"
    right.save()
    LinkRecord.objects.update(dirty_since=NOW, fingerprint=None)
    link(now=NOW)
    found.refresh_from_db()
    assert found.state == State.DIFFERENT

    right.name, right.email = "Margaret Fielding", "margaret.fielding@group.test"
    right.save()
    assert run(now=NOW).asked_again == 1
    found.refresh_from_db()
    assert (found.state, found.decided_by) == (State.WAITING, None)


def test_it_stops_asking_when_the_likeness_is_gone() -> None:
    found = pair()
    Learner.objects.get(link_record=found.right_id)
    changed = Learner.objects.get(link_record=found.right_id)
    changed.name, changed.email, changed.started_on = "Robin Stone", "r@x.test", None
    changed.save()

    link(now=NOW)

    found.refresh_from_db()
    assert found.state == State.MOOT


def test_it_merges_on_a_persons_word_and_never_twice() -> None:
    found = pair()
    assert found.left.learner_id is not None

    done = review.same(candidate_id=found.pk, keep=found.left.learner_id, by=ADMIN.uuid, now=NOW)

    assert isinstance(done, Merge)
    assert (done.kept_id, done.candidate) == (found.left.learner_id, found)
    assert done.evidence == found.evidence
    with pytest.raises(review.AlreadyDecided, match="the same person"):
        review.different(candidate_id=found.pk, by=ADMIN.uuid, now=NOW)


def test_it_wants_to_know_which_record_is_kept() -> None:
    found = pair()

    with pytest.raises(review.CannotMerge, match="which of the two"):
        review.same(candidate_id=found.pk, keep=None, by=ADMIN.uuid, now=NOW)


def parked() -> tuple[Learner, dict[str, Any]]:
    """An actor whom nobody knows, with the name and the start of the address of a learner."""
    learner = ann()
    make_enrolment(learner, make_course())
    actor = {"name": "Margaret Fielding", "mbox": "mailto:margaret.fielding@lms.test"}
    send(
        statement(actor=actor, at=NOW - timedelta(days=3), course=COURSE),
        credential=make_credential().credential,
    )
    return learner, actor


def test_it_gives_an_unknown_actors_statements_to_whom_a_person_says_and_takes_them_back() -> None:
    learner, _ = parked()
    link(now=NOW)
    found = LinkCandidate.objects.get()
    assert found.right.pseudonym.startswith("Unknown") or found.left.pseudonym.startswith("Unknown")

    done = review.same(candidate_id=found.pk, keep=None, by=ADMIN.uuid, now=NOW)
    resolve_parked(now=NOW)

    assert isinstance(done, Identifier)
    assert Event.objects.get().learner_id == learner.pk
    link(now=NOW)
    review.take_back(candidate_id=found.pk, by=ADMIN.uuid, now=NOW)
    assert not Event.objects.exists()
    assert Statement.objects.get().parked
    assert not Identifier.objects.exists()
    found.refresh_from_db()
    assert found.state == State.DIFFERENT


def test_it_forgets_an_actor_whom_an_identifier_names_by_now() -> None:
    learner, actor = parked()
    link(now=NOW)
    assert LinkRecord.objects.filter(actor__isnull=False).count() == 1

    from learners.identity import add_identifier

    add_identifier(learner=learner, kind="mbox", value=actor["mbox"], now=NOW)
    link(now=NOW)

    assert not LinkRecord.objects.filter(actor__isnull=False).exists()
    assert not LinkCandidate.objects.exists()


def test_it_leaves_nothing_behind_in_a_dry_run() -> None:
    two()
    out = io.StringIO()

    call_command("link_people", dry_run=True, stdout=out)

    assert "Pairs: 1 new" in out.getvalue()
    assert not LinkCandidate.objects.exists()
    assert LinkRecord.objects.filter(dirty_since__isnull=False).count() == 2
    call_command("link_people", stdout=out)
    assert "1 pairs wait for somebody" in out.getvalue()
    assert "Fielding" not in out.getvalue()


def test_it_finds_the_same_pairs_in_small_steps() -> None:
    for number in range(6):
        ann(f"Margaret Fielding{'abcdef'[number]}", email=f"mf{number}@works.test")

    session = Session()
    while run(now=NOW, limit=2, session=session).looked_at:
        pass
    in_steps = set(LinkCandidate.objects.values_list("left", "right"))
    LinkCandidate.objects.all().delete()
    LinkRecord.objects.update(dirty_since=NOW, fingerprint=None)
    run_all(now=NOW)

    assert in_steps == set(LinkCandidate.objects.values_list("left", "right"))
    assert in_steps


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_user(Role.ADMIN))
    return client


def test_it_lists_pairs_by_pseudonym_and_shows_names_on_an_audited_page(admin: Client) -> None:
    found = pair()
    listed = admin.get(reverse("admin:learners_linkcandidate_changelist"), follow=True)
    assert found.left.pseudonym in listed.content.decode()
    assert "Fielding" not in listed.content.decode()

    page = admin.get(reverse("admin:learners_linkcandidate_change", args=[found.pk]))

    assert "Margaret Fielding" in page.content.decode()
    assert "first day of work" in page.content.decode().lower()
    read = AuditEntry.objects.get(action="admin.link_pair_read")
    assert set(read.detail["learners"]) == {str(found.left.learner_id), str(found.right.learner_id)}


@pytest.mark.parametrize(
    ("answer", "state"), [("different", State.DIFFERENT), ("unsure", State.UNSURE), ("same", State.SAME)]
)
def test_it_takes_the_answer_and_goes_on(admin: Client, answer: str, state: str) -> None:
    found = pair()

    said = admin.post(
        reverse("admin:learners_linkcandidate_decide", args=[found.pk]),
        {"answer": answer, "keep": str(found.left.learner_id)},
        follow=True,
    )

    found.refresh_from_db()
    assert found.state == state
    assert "Noted" in said.content.decode()
    assert AuditEntry.objects.filter(action=f"link.{state}").exists()


def test_it_undoes_a_merge_from_its_page(admin: Client) -> None:
    found = pair()
    assert found.left.learner_id is not None
    done = review.same(candidate_id=found.pk, keep=found.left.learner_id, by=ADMIN.uuid, now=NOW)
    page = reverse("admin:learners_merge_change", args=[done.pk])
    assert "Undo this merge" in admin.get(page).content.decode()

    admin.post(reverse("admin:learners_merge_undo", args=[done.pk]))

    assert Merge.objects.get().undone_at is not None
    assert "Undo this merge" not in admin.get(page).content.decode()
    again = admin.post(reverse("admin:learners_merge_undo", args=[done.pk]), follow=True)
    assert "undone already" in again.content.decode()


def test_it_asks_again_about_a_pair_whose_merge_was_undone() -> None:
    found = pair()
    done = review.same(candidate_id=found.pk, keep=found.left.learner_id, by=ADMIN.uuid, now=NOW)

    assert isinstance(done, Merge)
    undo(merge_id=done.pk, by=ADMIN, now=NOW)

    found.refresh_from_db()
    assert (found.state, found.decided_at, found.decided_by) == (State.WAITING, None, None)
    review.different(candidate_id=found.pk, by=ADMIN.uuid, now=NOW)


@pytest.mark.parametrize("role", [Role.MANAGER, Role.COACH, Role.LEARNER, Role.REVIEWER])
def test_it_shows_nobody_else_the_queue(client: Client, role: str) -> None:
    found = pair()
    client.force_login(make_user(role))

    for name in ("learners_linkcandidate_change", "learners_linkcandidate_decide"):
        answer = client.post(reverse(f"admin:{name}", args=[found.pk]), {"answer": "same"})
        assert answer.status_code in (302, 403)
    found.refresh_from_db()
    assert found.state == State.WAITING


def test_it_refuses_another_method_and_an_unknown_answer(admin: Client) -> None:
    found = pair()
    decide = reverse("admin:learners_linkcandidate_decide", args=[found.pk])

    assert admin.get(decide).status_code == 405
    assert "Choose one" in admin.post(decide, {"answer": "maybe"}, follow=True).content.decode()
    assert admin.post(reverse("admin:learners_linkcandidate_decide", args=[0])).status_code == 404


def test_it_asks_about_a_pair_in_one_order_only() -> None:
    found = pair()

    with pytest.raises(IntegrityError, match="a_pair_has_one_order"), transaction.atomic():
        LinkCandidate.objects.create(
            left=found.right,
            right=found.left,
            probability=0.5,
            weight=0,
            evidence={},
            model_version="x",
            found_at=NOW,
        )
