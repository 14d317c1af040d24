"""The quarantine's review page and the credentials' page."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from consent.models import AuditEntry
from learners.models import User
from signals.models import Credential, Quarantined, Statement, UnknownVerb, Verb, VerbSynonym
from tests.support.signals import NOW, as_json, make_credential, send, statement

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
