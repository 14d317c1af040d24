"""Admins edit scopes and publish texts; evidence they can only read."""

import pytest
from django.test import Client
from django.urls import reverse

from consent import audit, record, subject_requests
from consent.models import AuditEntry, ConsentScope, ScopeText
from consent.scopes import Scope
from learners.models import User
from tests.support.consent import ADMIN, NOW, OTHER, PERSON, SUBJECT

pytestmark = pytest.mark.django_db
EVIDENCE = ("standing", "consentchange", "auditentry", "subjectrequest")


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("admin@example.org", "secret-enough-1"))
    return client


def scope_form(scope: ConsentScope, **changes: object) -> dict[str, object]:
    published = scope.texts.count()
    return {
        "name": scope.name,
        "lawful_basis": scope.lawful_basis,
        "retention_days": scope.retention_days,
        "texts-TOTAL_FORMS": published,
        "texts-INITIAL_FORMS": published,
        "texts-MIN_NUM_FORMS": 0,
        "texts-MAX_NUM_FORMS": 1000,
        **changes,
    }


def test_it_notes_who_changed_a_scope(admin: Client) -> None:
    scope = ConsentScope.objects.get(pk="nudge")
    url = reverse("admin:consent_consentscope_change", args=["nudge"])

    answer = admin.post(url, scope_form(scope, retention_days=90))

    assert answer.status_code == 302
    scope.refresh_from_db()
    assert scope.retention_days == 90
    entry = AuditEntry.objects.get(action="scope.changed")
    assert entry.detail == {"scope": "nudge", "retention_days": 90}


def test_it_publishes_a_text_as_the_next_version(admin: Client) -> None:
    scope = ConsentScope.objects.get(pk="nudge")
    url = reverse("admin:consent_consentscope_change", args=["nudge"])
    new = {"texts-0-language": "de", "texts-0-text": "Neu.", "texts-TOTAL_FORMS": 1, "texts-INITIAL_FORMS": 0}

    answer = admin.post(url, scope_form(scope, **new))

    assert answer.status_code == 302
    assert ScopeText.objects.get(text="Neu.").version == 2
    assert ScopeText.objects.get(scope="nudge", language="en").version == 1
    assert AuditEntry.objects.filter(action="scope.text_published").count() == 1


def test_it_shows_published_texts_without_a_way_to_change_them(admin: Client) -> None:
    page = admin.get(reverse("admin:consent_consentscope_change", args=["nudge"])).content.decode()

    assert "at most twice a week" in page
    assert 'name="texts-0-text"' not in page


def test_it_offers_no_way_to_unblock_appraisal(admin: Client) -> None:
    scope = ConsentScope.objects.get(pk="appraisal")
    url = reverse("admin:consent_consentscope_change", args=["appraisal"])

    admin.post(url, scope_form(scope, is_blocked=""))

    scope.refresh_from_db()
    assert scope.is_blocked


@pytest.mark.parametrize("model", EVIDENCE)
def test_it_lists_evidence_and_finds_it_by_uuid(admin: Client, model: str) -> None:
    record.withdraw(subject=SUBJECT, scope=Scope.NUDGE, by=PERSON, now=NOW)
    subject_requests.object_to(subject=SUBJECT, scope=Scope.COACH, by=PERSON, now=NOW)
    audit.record_reads(actor=ADMIN, action="team.read", targets=[SUBJECT], now=NOW)
    url = reverse(f"admin:consent_{model}_changelist")

    assert admin.get(url).context["cl"].result_count > 0
    assert admin.get(url, {"q": str(SUBJECT)}).context["cl"].result_count > 0
    assert admin.get(url, {"q": str(OTHER)}).context["cl"].result_count == 0
    assert admin.get(url, {"q": "Lindqvist"}).context["cl"].result_count == 0


@pytest.mark.parametrize("model", EVIDENCE)
def test_it_lets_nobody_add_evidence_by_hand(admin: Client, model: str) -> None:
    assert admin.get(reverse(f"admin:consent_{model}_add")).status_code == 403


def test_it_finds_the_pages_that_showed_somebody(admin: Client) -> None:
    audit.record_reads(actor=ADMIN, action="team.read", targets=[SUBJECT], now=NOW)

    answer = admin.get(reverse("admin:consent_auditentry_changelist"), {"q": str(SUBJECT)})

    assert [entry.action for entry in answer.context["cl"].result_list] == ["team.read"]


def test_it_refuses_somebody_who_is_no_admin(client: Client) -> None:
    client.force_login(User.objects.create_user("coach@example.org", "secret-enough-1", roles=["coach"]))

    assert client.get(reverse("admin:consent_auditentry_changelist")).status_code != 200
