"""The quarantine's review page and the credentials' page."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent.models import AuditEntry
from learners.identity import add_identifier, employee_hash
from learners.models import OrgUnit, Role, User
from signals import refusals
from signals.models import (
    Credential,
    Event,
    IssuerTrust,
    Quarantined,
    Statement,
    UnknownVerb,
    Verb,
    VerbSynonym,
)
from tests.support.signals import NOW, as_json, enrolled, make_credential, send, statement

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("admin@example.com", "a long pass phrase"))
    return client


def held() -> tuple[Quarantined, dict[str, Any]]:
    bad = {**statement(), "verb": {}}
    send(bad, credential=make_credential("bulk").credential, bulk=True)
    return Quarantined.objects.get(), bad


def test_it_shows_faults_and_body_and_notes_who_looked(admin: Client) -> None:
    waiting, bad = held()

    page = admin.get(reverse("admin:signals_quarantined_change", args=[waiting.pk]))

    assert b"$.verb.id" in page.content
    assert bad["id"].encode() in page.content
    assert AuditEntry.objects.filter(action="quarantine.read").count() == 1


def test_it_takes_in_what_is_mended_on_the_page(admin: Client) -> None:
    waiting, bad = held()
    mended = as_json({**bad, "verb": statement()["verb"]}).decode()

    admin.post(
        reverse("admin:signals_quarantined_change", args=[waiting.pk]), {"mended": mended, "_requeue": "1"}
    )

    waiting.refresh_from_db()
    assert waiting.state == "requeued"
    assert str(Statement.objects.get().pk) == bad["id"]


def test_it_shows_a_new_secret_once_and_never_again(admin: Client) -> None:
    answer = admin.post(
        reverse("admin:signals_credential_add"),
        {"name": "hr", "permissions": ["write"], "is_active": "on", "first_day": "2026-01-01"},
        follow=True,
    )

    made = Credential.objects.get(name="hr")
    assert made.permissions == ["write"]
    assert made.first_day is not None
    assert b"secret is shown only now" in answer.content
    again = admin.get(reverse("admin:signals_credential_change", args=[made.pk]))
    assert b"shown only now" not in again.content
    assert made.key.encode() in again.content


def test_it_maps_a_verb_nobody_knew(admin: Client) -> None:
    unknown = UnknownVerb.objects.create(
        iri="https://acme.example/verbs/saw", seen=3, first_seen_at=NOW, last_seen_at=NOW
    )

    admin.post(
        reverse("admin:signals_unknownverb_changelist"),
        {"action": "means_experienced", "_selected_action": [unknown.pk]},
    )

    assert VerbSynonym.objects.get(iri=unknown.iri).verb == Verb.EXPERIENCED
    assert not UnknownVerb.objects.unmapped().exists()


# --- quarantine ---------------------------------------------------------------------------------------------------


def page_of(row: Quarantined) -> str:
    return reverse("admin:signals_quarantined_change", args=[row.pk])


def test_it_keeps_what_was_sent_from_other_administrators(client: Client) -> None:
    waiting, _ = held()
    client.force_login(
        User.objects.create_superuser("second@example.com", "a long pass phrase", roles=[Role.ADMIN])
    )

    page = client.get(page_of(waiting))
    client.post(page_of(waiting), {"mended": as_json(statement()).decode(), "_requeue": "1"})

    assert b"$.verb.id" in page.content
    assert b"person-0001" not in page.content
    assert b"data steward" in page.content
    assert not AuditEntry.objects.filter(action="quarantine.read").exists()
    assert not Statement.objects.exists()


def test_it_previews_on_the_page_and_takes_in_what_was_previewed(admin: Client) -> None:
    enrolled()
    waiting, _ = held()
    mend = {"verb": str(Verb.COMPLETED.value)}

    seen = admin.post(page_of(waiting), {**mend, "_preview": "1"})

    assert b"would be taken in" in seen.content
    assert b"Safety" in seen.content
    assert not Statement.objects.exists()
    admin.post(page_of(waiting), {**mend, "_requeue": "1"})
    assert Event.objects.get().verb == Verb.COMPLETED


def test_it_says_what_a_form_lacks(admin: Client) -> None:
    waiting, _ = held()

    page = admin.post(
        page_of(waiting),
        {"clock": "shift", "learner": "nobody@example.com", "mended": "{", "_requeue": "1"},
    )

    assert page.content.count(b"errorlist") >= 3
    assert not AuditEntry.objects.filter(action="quarantine.requeued").exists()


@pytest.mark.parametrize("named", ["uuid", "ann@example.com", "EMP-1"])
def test_it_links_whom_the_steward_names(admin: Client, named: str) -> None:
    enrolment = enrolled()
    learner = enrolment.learner
    learner.employee_hash = employee_hash("EMP-1")
    learner.save(update_fields=["employee_hash"])
    add_identifier(learner=learner, kind="mbox", value="ann@example.com", now=NOW)
    send(
        {**statement(), "actor": {"name": "somebody"}},
        credential=make_credential("bulk").credential,
        bulk=True,
    )
    text = str(learner.pk) if named == "uuid" else named

    admin.post(page_of(Quarantined.objects.get()), {"learner": text, "_requeue": "1"})

    assert Event.objects.get().learner_id == learner.pk


def test_it_discards_with_a_reason_only(admin: Client) -> None:
    waiting, _ = held()

    admin.post(page_of(waiting), {"reason": "", "_discard": "1"})
    waiting.refresh_from_db()
    assert waiting.state == "waiting"
    admin.post(page_of(waiting), {"reason": "A vendor's test.", "_discard": "1"})

    waiting.refresh_from_db()
    assert (waiting.state, waiting.note) == ("discarded", "A vendor's test.")
    assert b"A vendor&#x27;s test." in admin.get(page_of(waiting)).content


def chosen(admin: Client, action: str, rows: list[Quarantined]) -> Any:
    return admin.post(
        reverse("admin:signals_quarantined_changelist"),
        {"action": action, "_selected_action": [row.pk for row in rows]},
    )


def test_it_previews_several_before_taking_them_in(admin: Client) -> None:
    enrolled()
    credential = make_credential("bulk").credential
    send(
        {**statement(), "verb": {"id": "done"}},
        {**statement(), "verb": {"id": "done"}, "actor": 1},
        credential=credential,
        bulk=True,
    )
    rows = list(Quarantined.objects.all())
    form = {"row": [row.pk for row in rows], "verb": str(Verb.COMPLETED.value)}

    first = chosen(admin, "try_again", rows)
    second = admin.post(reverse("admin:signals_quarantined_try"), {**form, "_preview": "1"})
    assert not Statement.objects.exists()
    last = admin.post(reverse("admin:signals_quarantined_try"), {**form, "_requeue": "1"}, follow=True)

    assert b"<strong>0</strong> would be taken in" in first.content
    assert b"<strong>1</strong> would be taken in" in second.content
    assert b"1 taken in" in last.content
    assert b"$.actor" in last.content
    assert Quarantined.objects.filter(state="waiting").count() == 1


def test_it_discards_several_for_one_reason(admin: Client) -> None:
    waiting, _ = held()

    asked = chosen(admin, "discard_several", [waiting])
    again = admin.post(reverse("admin:signals_quarantined_discard"), {"row": [waiting.pk], "reason": ""})
    admin.post(reverse("admin:signals_quarantined_discard"), {"row": [waiting.pk], "reason": "Old."})

    assert b"Why it is discarded" in asked.content
    assert b"errorlist" in again.content
    assert Quarantined.objects.get().note == "Old."


def test_it_lists_why_where_and_since_when(admin: Client, django_assert_max_num_queries: Any) -> None:
    held()
    send(statement(at="2031-01-01T00:00:00Z"), credential=make_credential(name="other").credential)

    with django_assert_max_num_queries(12):
        page = admin.get(reverse("admin:signals_quarantined_changelist"))

    for text in (b"something is missing", b"$.verb.id", b"a clock that is wrong", b"other"):
        assert text in page.content


def test_it_has_no_page_for_what_is_not_there(admin: Client) -> None:
    for name in ("999999", "x"):
        assert admin.get(reverse("admin:signals_quarantined_change", args=[name])).status_code == 404


# --- credentials --------------------------------------------------------------------------------------------------


def test_it_makes_a_bound_credential(admin: Client) -> None:
    unit = OrgUnit.objects.create(code="north", name="North")
    sent = {
        "name": "hr",
        "source": "Workday",
        "permissions": ["write", "state", "define", "profile"],
        "is_active": "on",
        "unit": unit.pk,
        "authority": '{"mbox": "mailto:hr@example.com"}',
        "requests_per_minute": "120",
        "clock": "shift",
        "clock_offset_s": "-60",
    }

    wrong = admin.post(reverse("admin:signals_credential_add"), {**sent, "authority": '{"name": "x"}'})
    admin.post(reverse("admin:signals_credential_add"), sent)

    assert b"errorlist" in wrong.content
    made = Credential.objects.get()
    assert (made.source, made.unit, made.requests_per_minute) == ("Workday", unit, 120)
    assert made.authority == {"mbox": "mailto:hr@example.com"}
    assert (made.clock, made.clock_offset_s) == ("shift", -60)
    assert AuditEntry.objects.filter(action="credential.issued", actor_kind="user").count() == 1


def test_it_changes_all_but_key_and_authority(admin: Client) -> None:
    made = make_credential().credential

    admin.post(
        reverse("admin:signals_credential_change", args=[made.pk]),
        {"name": "lms", "permissions": ["read"], "authority": '{"mbox": "mailto:x@example.com"}', "key": "x"}
        | {
            f"refusals-{name}": "0"
            for name in ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS", "MAX_NUM_FORMS")
        },
    )

    changed = Credential.objects.get()
    assert (changed.permissions, changed.is_active) == (["read"], False)
    assert (changed.key, changed.authority) == (made.key, None)
    assert AuditEntry.objects.filter(action="credential.changed").count() == 1


def test_it_revokes_and_renews_from_the_list(admin: Client) -> None:
    made = make_credential()
    address = reverse("admin:signals_credential_changelist")

    admin.post(address, {"action": "revoke", "_selected_action": [made.credential.pk]})
    assert not Credential.objects.get().is_active
    renewed = admin.post(address, {"action": "renew", "_selected_action": [made.credential.pk]}, follow=True)

    assert Credential.objects.get().is_active
    assert Credential.objects.get().key != made.key
    assert b"secret is shown only now" in renewed.content


def test_it_lists_credentials_with_few_queries(admin: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(5):
        made = make_credential("bulk", name=f"source {number}").credential
        send({**statement(), "verb": {}}, credential=made, bulk=True)
        refusals.count(made, {"type": 3}, requests=17, now=timezone.now())

    with django_assert_max_num_queries(9):
        page = admin.get(reverse("admin:signals_credential_changelist"))

    assert page.content.count(b">17<") == 5
    assert page.content.count(b'field-waiting">1<') == 5


def test_it_shows_what_was_refused(admin: Client) -> None:
    made = make_credential()
    refusals.count(made.credential, {"type": 3}, requests=1, now=timezone.now())

    shown = admin.get(reverse("admin:signals_refusal_changelist"))
    beside = admin.get(reverse("admin:signals_credential_change", args=[made.credential.pk]))

    assert b"a value of the wrong type" in shown.content
    assert b"a value of the wrong type" in beside.content


@pytest.mark.parametrize(
    ("change", "is_taken"),
    [
        ({}, True),
        ({"issuer": "ftp://id.example.com"}, False),
        ({"keys_url": "javascript:1"}, False),
        ({"grants": '{"x": ["rule"]}'}, False),
        ({"grants": "[1]"}, False),
        ({"audience": ""}, False),
    ],
)
def test_it_trusts_an_issuer_as_far_as_it_makes_sense(
    admin: Client, change: dict[str, str], is_taken: bool
) -> None:
    made = make_credential().credential
    sent = {
        "credential": str(made.pk),
        "issuer": "https://id.example.com",
        "client_id": "player",
        "audience": "https://learn.example.com",
        "claim": "scope",
        "grants": '{"lrs": ["write"]}',
        "is_active": "on",
    }

    admin.post(reverse("admin:signals_issuertrust_add"), {**sent, **change})

    assert IssuerTrust.objects.exists() is is_taken


def test_it_maps_an_iri_of_any_scheme(admin: Client) -> None:
    address = reverse("admin:signals_verbsynonym_add")

    admin.post(address, {"iri": "urn:acme:saw", "verb": Verb.EXPERIENCED.value})
    admin.post(address, {"iri": "no iri", "verb": Verb.EXPERIENCED.value})

    assert VerbSynonym.objects.filter(iri="urn:acme:saw").exists()
    assert not VerbSynonym.objects.filter(iri="no iri").exists()
