"""A draft's pages: preview, trying on one learner, the record's word on bounds, and the second yes."""

import pytest
from django.test import Client
from django.urls import reverse

from consent import record
from consent.actors import Party
from consent.models import AuditEntry
from consent.scopes import Scope
from interventions.models import Decision, Policy
from interventions.policy import seconding, store
from interventions.policy.document import Document, with_changes
from learners.models import Learner, Role, User
from tests.interventions.test_backtest_command import lived
from tests.support.interventions import NOW, make_admin, make_enrolment, make_policy
from tests.support.journey import Journey

pytestmark = pytest.mark.django_db
LOUD = with_changes(Document(), {"bands.medium": 0.4})
PAGES = ("preview", "try")


@pytest.fixture
def me() -> User:
    return make_admin()


@pytest.fixture
def admin(client: Client, me: User) -> Client:
    client.force_login(me)
    return client


def page(name: str, policy: Policy, query: str = "") -> str:
    return reverse(f"admin:interventions_policy_{name}", args=[policy.pk]) + query


@pytest.mark.parametrize("name", [*PAGES, "second"])
@pytest.mark.parametrize("role", [Role.COACH, Role.MANAGER, Role.LEARNER])
def test_it_refuses_the_wrong_role(client: Client, name: str, role: Role) -> None:
    draft = make_policy(document=LOUD)
    client.force_login(User.objects.create_user("somebody@works.example", roles=[role]))

    assert client.get(page(name, draft)).status_code in (302, 403)


@pytest.mark.parametrize("name", PAGES)
def test_it_shows_drafts_only(admin: Client, name: str) -> None:
    assert admin.get(page(name, store.live())).status_code == 404


class TestPreview:
    def test_it_says_when_there_is_nothing_to_walk(self, admin: Client) -> None:
        text = admin.get(page("preview", make_policy(document=LOUD))).content.decode()

        assert "Nothing is recorded since" in text

    def test_it_shows_draft_and_live_side_by_side(self, admin: Client, lived_until_now: Journey) -> None:
        draft = make_policy(document=with_changes(Document(), {"triggers.inactivity.enabled": False}))

        text = admin.get(page("preview", draft)).content.decode()

        assert "Side by side" in text
        assert f"Draft {draft.version}" in text
        assert "no longer get one" in text
        assert "Too small to show" in text
        assert Decision.objects.filter(policy=draft).count() == 0


@pytest.fixture
def lived_until_now(monkeypatch: pytest.MonkeyPatch) -> Journey:
    journey = lived(agreed=True)
    monkeypatch.setattr("django.utils.timezone.now", lambda: journey.now)
    return journey


class TestTrying:
    def test_it_shows_the_route_and_why_for_both(self, admin: Client, lived_until_now: Journey) -> None:
        enrolment = lived_until_now.enrolment
        draft = make_policy(document=with_changes(Document(), {"triggers.inactivity.days": 30}))
        before = Decision.objects.count()

        answer = admin.get(page("try", draft, f"?enrolment={enrolment.pk}"))

        text = answer.content.decode()
        live, other = answer.context["routes"]
        assert live.why[-1] in text
        assert other.why[-1] in text
        assert live.seen[0] in text
        assert "Robin" not in text
        assert Decision.objects.count() == before

    def test_it_says_which_trigger_and_which_cell(self, admin: Client) -> None:
        journey = Journey()
        journey.does()
        journey.tick(minutes=1)
        draft = make_policy(document=with_changes(Document(), {"triggers.inactivity.days": 1}))

        answer = admin.get(page("try", draft, f"?enrolment={journey.enrolment.pk}"))

        other = answer.context["routes"][1]
        assert other.action == "Nudge"
        assert other.how == "A coach is asked for a yes first."
        assert other.why[0].startswith("Trigger: ")
        assert "Matrix: Standard role, medium risk, first step." in other.why
        assert any(line.startswith("Worth ") for line in other.why)

    def test_it_is_audited(self, admin: Client, me: User) -> None:
        enrolment = make_enrolment()

        admin.get(page("try", make_policy(), f"?enrolment={enrolment.pk}"))

        entry = AuditEntry.objects.get(action="policy.tried")
        assert (entry.actor_uuid, entry.detail["learners"]) == (me.pk, [str(enrolment.learner_id)])

    def test_it_finds_by_learner_and_course(self, admin: Client) -> None:
        wanted, other = make_enrolment(), make_enrolment()
        draft = make_policy()

        by_learner = admin.get(page("try", draft, f"?who={wanted.learner_id}&course="))
        by_course = admin.get(page("try", draft, f"?who=&course={other.course_id}"))
        nobody = admin.get(page("try", draft, "?who=nobody@works.example&course="))

        assert by_learner.context["found"] == [wanted]
        assert by_course.context["found"] == [other]
        assert "Nobody you may see" in nobody.content.decode()
        assert AuditEntry.objects.filter(action="policy.try_list").count() == 2

    @pytest.mark.parametrize("wanted", ["0", "x", "99999999999999999999", "-1"])
    def test_it_knows_no_such_enrolment(self, admin: Client, wanted: str) -> None:
        assert admin.get(page("try", make_policy(), f"?enrolment={wanted}")).status_code == 404

    def test_it_hides_whom_the_administrator_may_not_see(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enrolment = make_enrolment()
        monkeypatch.setattr(
            type(Learner.objects.all()), "visible_to", lambda self, user, on=None: self.none(), raising=True
        )

        assert admin.get(page("try", make_policy(), f"?enrolment={enrolment.pk}")).status_code == 404

    def test_it_shows_nothing_of_somebody_who_said_no(self, admin: Client) -> None:
        journey = Journey()
        journey.does()
        journey.tick(minutes=1)
        draft = make_policy()
        myself = Party("learner", journey.learner.pk)
        record.withdraw(subject=journey.learner.pk, scope=Scope.PROFILE, by=myself, now=journey.now)

        routes = admin.get(page("try", draft, f"?enrolment={journey.enrolment.pk}")).context["routes"]

        assert [(route.seen, route.tried, route.confidence) for route in routes] == [([], [], "")] * 2


class TestTheRecordsWord:
    def test_it_stands_beside_the_bounds_and_changes_nothing(self, admin: Client) -> None:
        draft = make_policy(document=LOUD)

        answer = admin.get(page("change", draft, "?medium=70&high=90"))

        assert answer.content.decode().count("Too little to say") == 2
        draft.refresh_from_db()
        assert store.document(draft) == LOUD

    def test_it_marks_a_target_that_is_no_share(self, admin: Client) -> None:
        text = admin.get(page("change", make_policy(), "?medium=170&high=90")).content.decode()

        assert "less than or equal to 99" in text


class TestSecondYes:
    def test_it_says_before_that_a_second_yes_is_needed(self, admin: Client) -> None:
        text = admin.get(page("go_live", make_policy(document=LOUD))).content.decode()

        assert "Medium above: a lower bound lets more people in" in text
        assert "There is no other administrator" in text

    def test_it_goes_from_one_administrator_to_the_other(self, admin: Client, me: User) -> None:
        other = make_admin()
        draft = make_policy(document=LOUD)

        proposed = admin.post(page("go_live", draft), {"reason": "More help"}, follow=True)
        own = admin.post(page("second", draft), {"says": "yes"}, follow=True)

        assert "waits for a second yes" in proposed.content.decode()
        assert "Yes, put it in force" not in proposed.content.decode()
        assert "You proposed this version yourself" in own.content.decode()
        assert store.live().version == 1

        admin.force_login(other)
        listed = admin.get(reverse("admin:interventions_policy_changelist")).content.decode()
        asked = admin.get(page("second", draft)).content.decode()
        admin.post(page("second", draft), {"says": "yes", "note": "Fine"})

        assert "Answer: a second yes" in listed
        assert "Yes, put it in force" in asked
        assert store.live().version == draft.version
        assert admin.get(page("second", draft)).status_code == 404

    def test_it_wants_a_sentence_with_a_no(self, admin: Client) -> None:
        draft = make_policy(document=LOUD)
        seconding.put_in_force(policy=draft, by=make_admin().pk, now=NOW, reason="More")

        without = admin.post(page("second", draft), {"says": "no"})
        admin.post(page("second", draft), {"says": "no", "note": "Too much"})

        assert "Say in a sentence why not." in without.content.decode()
        assert seconding.waiting(draft) is None
        assert store.live().version == 1

    def test_it_does_not_end_a_wait_early(self, admin: Client) -> None:
        draft = make_policy(document=LOUD)
        admin.post(page("go_live", draft), {"reason": "More help"})

        answer = admin.post(page("second", draft), {"says": "end"}, follow=True)

        assert "or for the day to pass" in answer.content.decode()
        assert store.live().version == 1
