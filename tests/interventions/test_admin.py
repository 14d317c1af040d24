"""The admin of deciding: policies by form, a catalogue with checks, records that are read and never edited."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from consent.models import AuditEntry
from interventions.models import Lesson, LessonPlace, MessageText, PlatformEnrolment, Policy, Suppression
from interventions.policy import store
from interventions.policy.document import Document, flat, with_changes
from interventions.policy.forms import field_name
from learners.models import Role, User
from signals.models import ModelVersion
from signals.risk.score import live_model
from tests.support.interventions import (
    NOW,
    make_admin,
    make_decision,
    make_delivery,
    make_episode,
    make_policy,
    make_slot,
)

pytestmark = pytest.mark.django_db
POLICIES = "admin:interventions_policy_changelist"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def policy_page(name: str, policy: Policy) -> str:
    return reverse(f"admin:interventions_policy_{name}", args=[policy.pk])


# The composite's, as the form begins: the seed's.
WEIGHTS = {
    "weights-mastery": 0.5,
    "weights-days_inactive": 0.3,
    "weights-fail_rate": 0.2,
    "weights-horizon_days": 30,
    "weights-min_coverage": 0.5,
}


def posted(**changes: Any) -> dict[str, Any]:
    """What a browser sends for the defaults with these changes."""
    values = {field_name(place): value for place, value in flat(Document())} | WEIGHTS | changes
    return {name: value for name, value in values.items() if value is not False}


class TestPolicies:
    def test_it_lists_versions_with_what_can_be_done_next(self, admin: Client) -> None:
        make_policy()

        page = admin.get(reverse(POLICIES)).content.decode()

        assert "Version 1" in page
        assert "Edit as new draft" in page
        assert "Put in force" in page

    def test_it_offers_what_is_live_and_every_model_by_name(self, admin: Client) -> None:
        ModelVersion.objects.create(name="boosted-7", kind="boosted", created_at=NOW)

        page = admin.get(reverse("admin:interventions_policy_add")).content.decode()

        assert '<option value="live" selected>Whatever the gate promoted</option>' in page
        assert "Only boosted-7" in page

    def test_it_warns_where_a_policy_does_not_trust_the_live_model(self, admin: Client) -> None:
        live_model(now=NOW)
        named = store.draft_from_live(by=None, now=NOW, changes={"model": "boosted-7"})
        store.go_live(policy=named, by=None, now=NOW, reason="Only that one")
        draft = make_policy(document=with_changes(Document(), {"model": "boosted-7", "bands.medium": 0.6}))

        answer = admin.post(policy_page("go_live", draft), {"reason": "It is better"}, follow=True)

        assert "the risk trigger is silent" in answer.content.decode()

    def test_it_makes_a_draft_from_the_live_policy_by_form(self, admin: Client) -> None:
        answer = admin.post(reverse("admin:interventions_policy_add"), posted(bands__medium="0.5"))

        draft = Policy.objects.get(version=2)
        assert answer.status_code == 302
        assert draft.state == "draft"
        assert store.document(draft).bands.medium == 0.5
        assert store.document(store.live()).bands.medium == 0.45

    def test_it_shows_a_form_and_no_json(self, admin: Client) -> None:
        page = admin.get(reverse("admin:interventions_policy_add")).content.decode()

        assert 'name="matrix__critical__high__2"' in page
        assert "Routing matrix" in page
        assert "Critical role, high risk, </span>After two or more</label>" in page
        assert "{&quot;" not in page

    def test_it_starts_a_draft_from_an_older_version(self, admin: Client) -> None:
        draft = store.draft_from_live(by=None, now=NOW, changes={"bands.medium": 0.5})
        store.go_live(policy=draft, by=None, now=NOW, reason="Fewer")

        page = admin.get(reverse("admin:interventions_policy_add") + "?from=1")

        assert page.context["form"]["bands__medium"].value() == 0.45

    def test_it_marks_the_field_that_does_not_fit_and_keeps_nothing(self, admin: Client) -> None:
        answer = admin.post(reverse("admin:interventions_policy_add"), posted(bands__medium="0.9"))

        assert answer.status_code == 200
        assert "Must lie above the medium bound." in answer.content.decode()
        assert Policy.objects.count() == 1

    def test_it_edits_a_draft_and_shows_what_differs(self, admin: Client) -> None:
        draft = make_policy()

        answer = admin.post(policy_page("change", draft), posted(costs__coach="60"), follow=True)

        draft.refresh_from_db()
        assert store.document(draft).costs.coach == 60
        assert "<ins>60</ins>" in answer.content.decode()

    @pytest.mark.parametrize("state", ["live", "retired"])
    def test_it_only_reads_what_was_in_force(self, admin: Client, state: str) -> None:
        policy = store.live() if state == "live" else make_policy(state=state)

        page = admin.get(policy_page("change", policy)).content.decode()
        admin.post(policy_page("change", policy), posted(costs__coach="60"))

        policy.refresh_from_db()
        assert "Keep draft" not in page
        assert page.index("Standard role, medium risk") < page.index("Critical role, high risk")
        assert "Edit as new draft" in page
        assert store.document(policy) == Document()

    def test_it_puts_a_draft_in_force_for_a_reason(self, admin: Client) -> None:
        draft = make_policy()

        asked = admin.get(policy_page("go_live", draft))
        without = admin.post(policy_page("go_live", draft), {"reason": ""})
        given = admin.post(policy_page("go_live", draft), {"reason": "Fewer messages"})

        assert asked.status_code == 200
        assert "This field is required" in without.content.decode()
        assert given.status_code == 302
        assert (store.live().version, store.live().reason) == (draft.version, "Fewer messages")
        assert AuditEntry.objects.filter(action="policy.live").count() == 1

    def test_it_says_when_somebody_was_quicker(self, admin: Client) -> None:
        live = store.live()

        answer = admin.post(policy_page("go_live", live), {"reason": "Again"}, follow=True)

        assert "is no draft any more" in answer.content.decode()
        assert store.live() == live

    def test_it_rolls_back_to_a_retired_version(self, admin: Client) -> None:
        first = store.live()
        draft = store.draft_from_live(by=None, now=NOW, changes={"bands.medium": 0.5})
        store.go_live(policy=draft, by=None, now=NOW, reason="Fewer")

        page = admin.get(policy_page("change", first)).content.decode()
        admin.post(policy_page("roll_back", first), {"reason": "Too few"})

        assert "Roll back to this version" in page
        assert store.live().version == 3
        assert store.document(store.live()) == Document()

    def test_it_deletes_drafts_only(self, admin: Client) -> None:
        draft, live = make_policy(), store.live()

        admin.post(policy_page("delete", draft), {"post": "yes"})
        refused = admin.post(policy_page("delete", live), {"post": "yes"})

        assert refused.status_code == 403
        assert list(Policy.objects.all()) == [live]

    def test_it_says_when_there_is_no_such_policy(self, admin: Client) -> None:
        for name in ("change", "go_live", "roll_back"):
            assert admin.get(reverse(f"admin:interventions_policy_{name}", args=[9999])).status_code == 404

    @pytest.mark.parametrize("role", [Role.LEARNER, Role.MANAGER, Role.COACH, Role.REVIEWER])
    def test_it_is_closed_to_everybody_else(self, client: Client, role: Role) -> None:
        client.force_login(User.objects.create_user("somebody@works.example", roles=[role]))
        draft = make_policy()

        answers = [
            client.get(reverse(POLICIES)),
            client.post(reverse("admin:interventions_policy_add"), posted()),
            client.post(policy_page("go_live", draft), {"reason": "Mine"}),
            client.post(policy_page("roll_back", store.live()), {"reason": "Mine"}),
            client.get(reverse("admin:interventions_lesson_preview", args=[Lesson.objects.first().pk])),  # type: ignore[union-attr]
        ]

        assert all(answer.status_code in (302, 403) for answer in answers)
        assert (Policy.objects.count(), store.live().version) == (2, 1)


class TestCatalogue:
    @pytest.fixture(autouse=True)
    def sign_in(self, admin: Client) -> None:
        self.client = admin

    def test_it_refuses_a_message_that_judges(self) -> None:
        message = MessageText.objects.get(key="nudge", language="en")
        address = reverse("admin:interventions_messagetext_change", args=[message.pk])
        values = {"key": "nudge", "language": "en", "subject": "Hi", "body": "You failed to finish {curse}."}

        answer = self.client.post(address, values)

        page = answer.content.decode()
        assert "Please do not say &quot;failed to&quot;" in page
        assert "{curse} is no placeholder" in page
        assert MessageText.objects.get(pk=message.pk).subject == message.subject

    def test_it_keeps_a_good_message_and_shows_how_it_reads(self) -> None:
        message = MessageText.objects.get(key="nudge", language="en")
        address = reverse("admin:interventions_messagetext_change", args=[message.pk])

        self.client.post(
            address, {"key": "nudge", "language": "en", "subject": "For {first_name}", "body": "Hi. {link}"}
        )

        after = MessageText.objects.get(key="nudge", language="en", replaced_at__isnull=True)
        address = reverse("admin:interventions_messagetext_change", args=[after.pk])
        assert after.version == 2
        assert "For Robin" in self.client.get(address).content.decode()


class TestRecords:
    def test_it_lists_records_by_pseudonym_and_without_what_was_said(self, admin: Client) -> None:
        delivery = make_delivery()

        page = admin.get(reverse("admin:interventions_delivery_changelist")).content.decode()

        assert delivery.learner.pseudonym in page
        assert "Robin" not in page
        assert delivery.body not in page

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"state": "failed", "tries": 6}, "given up after 6 tries"),
            ({"state": "failed", "tries": 1}, "for good: not tried again by itself"),
            ({"state": "queued", "tries": 1}, "tried again at "),
        ],
    )
    def test_it_says_whether_a_fault_is_for_good(
        self, admin: Client, fields: dict[str, Any], says: str
    ) -> None:
        make_delivery(provider_answer="mail server answered 451", **fields)

        page = admin.get("/admin/interventions/delivery/").content.decode()

        assert "mail server answered 451" in page
        assert says in page

    def test_it_shows_a_decision_with_reasons_and_snapshot(self, admin: Client) -> None:
        decision = make_decision()

        page = admin.get(reverse("admin:interventions_decision_change", args=[decision.pk])).content.decode()

        assert "matrix:standard:medium:0" in page
        assert "&quot;impact&quot;: &quot;standard&quot;" in page

    def test_it_shows_a_decision_that_was_erased(self, admin: Client) -> None:
        decision = make_decision(snapshot=None, reasons=[])

        page = admin.get(reverse("admin:interventions_decision_change", args=[decision.pk])).content.decode()

        assert "erased" in page

    @pytest.mark.parametrize(
        "model",
        ["episode", "decision", "delivery", "suppression", "alertslot", "platformenrolment", "lessonplace"],
    )
    def test_it_lists_any_number_of_rows_in_the_same_number_of_queries(
        self, admin: Client, model: str, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(4):
            decision = make_decision(episode=make_episode())
            make_slot(decision=decision)
            make_delivery(decision=decision)
            Suppression.objects.create(decision=decision, reason="cap", at=NOW)
            PlatformEnrolment.objects.create(decision=decision, moodle_course=12, created_at=NOW, due_at=NOW)
            LessonPlace.objects.create(
                lesson=Lesson.objects.create(key=f"placed-{decision.pk}"), moodle_course=1
            )

        with django_assert_max_num_queries(12):
            answer = admin.get(reverse(f"admin:interventions_{model}_changelist"))

        assert len(answer.context["cl"].result_list) == 4

    def test_it_audits_who_was_looked_at(self, admin: Client) -> None:
        first, second = make_decision(), make_decision()

        admin.get(reverse("admin:interventions_decision_changelist"))
        admin.get(reverse("admin:interventions_decision_change", args=[first.pk]))

        listed, opened = AuditEntry.objects.filter(action="admin.read.decision").order_by("pk")
        learners = {str(first.enrolment.learner_id), str(second.enrolment.learner_id)}
        assert set(listed.detail["learners"]) == learners
        assert opened.detail["learners"] == [str(first.enrolment.learner_id)]

    @pytest.mark.parametrize(
        "model",
        ["episode", "decision", "delivery", "suppression", "alertslot", "platformenrolment"],
    )
    def test_it_adds_and_changes_nothing(self, admin: Client, model: str) -> None:
        assert admin.get(reverse(f"admin:interventions_{model}_add")).status_code == 403

    def test_it_deletes_nothing(self, admin: Client) -> None:
        episode = make_episode()

        answer = admin.post(reverse("admin:interventions_episode_delete", args=[episode.pk]), {"post": "yes"})

        assert answer.status_code == 403
        episode.refresh_from_db()
