"""Rules by form: what an administrator can do with them, what is told before, and what is refused."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from interventions.models import Decision, Lesson, Rule
from interventions.rules import checks, condition, history
from interventions.rules.condition import Clause, When
from interventions.rules.region import impossible, meet
from interventions.snapshot import Snapshot, store
from learners.models import DeclaredAttribute, Enrolment, Learner, Role
from tests.interventions.test_triggers import snapshot
from tests.support.interventions import make_admin, make_enrolment, make_policy, make_rule
from tests.support.learners import make_user
from tests.support.lessons import make_lesson

pytestmark = pytest.mark.django_db
ADD = "admin:interventions_rule_add"
CHANGE = "admin:interventions_rule_change"
CHECK = "admin:interventions_rule_check"
LIST = "admin:interventions_rule_changelist"


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(make_admin())
    return client


def posted(**changes: Any) -> dict[str, Any]:
    """What a browser sends for a rule: quiet for nine days, then a message."""
    return {
        "key": "quiet",
        "title": "Quiet for nine days",
        "ask_0": "days_inactive:at_least",
        "number_0": "9",
        "action": "nudge",
        "position": "100",
        "owner": str(make_user(Role.COACH).pk),
        "expires_on": "2099-01-01",
        **changes,
    }


def looked(days: float, *, ago: float = 1, enrolment: Enrolment | None = None, **seen: Any) -> Decision:
    """A decision of some days ago that saw somebody who had been quiet for so many days."""
    enrolment = enrolment or make_enrolment()
    at = timezone.now() - timedelta(days=ago)
    kept: Snapshot = snapshot(days=days, **seen)
    shift = at - kept.now
    last = kept.seen.last_active_at
    assert last is not None
    kept = msgspec.structs.replace(
        kept, now=at, seen=msgspec.structs.replace(kept.seen, last_active_at=last + shift)
    )
    return Decision.objects.create(
        enrolment=enrolment, policy=make_policy(), action="monitor", snapshot=store(kept), known_seq=1, at=at
    )


class TestForm:
    def test_it_makes_a_draft_by_choices_and_shows_no_json(self, admin: Client) -> None:
        page = admin.get(reverse(ADD)).content.decode()
        assert "Days without activity, at least (days)" in page
        assert "{" not in page.split("<form", 1)[1].split("</form", 1)[0].replace("{}", "")

        answer = admin.post(reverse(ADD), posted())

        rule = Rule.objects.get(key="quiet")
        assert answer["Location"] == reverse(CHECK, args=[rule.pk])
        assert (rule.state, rule.version, rule.owner is not None) == ("draft", 1, True)
        assert condition.load(rule.when) == When((Clause("days_inactive", "at_least", 9),))

    def test_it_reads_shares_in_per_cent_and_shows_them_so(self, admin: Client) -> None:
        admin.post(reverse(ADD), posted(ask_1="mastery:below", number_1="70"))

        rule = Rule.objects.get(key="quiet")
        assert rule.when["clauses"][1]["value"] == 0.7
        assert 'value="70"' in admin.get(reverse(CHANGE, args=[rule.pk])).content.decode()

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"ask_0": ""}, "one to 4 conditions"),
            ({"number_0": ""}, "Write a number"),
            ({"ask_0": "mastery:below", "number_0": "700"}, "between 0 and 1"),
            ({"ask_0": "completed:lately", "number_0": "14"}, "address of what was completed"),
            ({"rest_days": "30"}, "by itself rests"),
            ({"key": "well-done"}, "There is a rule of this name"),
        ],
    )
    def test_it_marks_what_does_not_fit(self, admin: Client, change: dict[str, str], says: str) -> None:
        page = admin.post(reverse(ADD), posted(**change))

        assert says in page.content.decode()
        assert not Rule.objects.filter(key="quiet").exists()

    def test_it_offers_the_lessons_that_can_be_given_by_title(self, admin: Client) -> None:
        today = timezone.now().date()
        lasting = make_lesson(key="lasting", expires_on=today + timedelta(days=1))
        make_lesson(key="gone", expires_on=today)
        make_lesson(key="unpublished", published=False)

        page = admin.get(reverse(ADD)).content.decode()

        title = lasting.texts.get().title
        assert f"{title} (lasting), until {lasting.expires_on:%-d %B %Y}" in page
        assert "(gone)" not in page
        assert "(unpublished)" not in page

    def test_a_lesson_that_was_chosen_and_expired_stays_chosen_and_says_so(self, admin: Client) -> None:
        lesson = make_lesson(key="gone", expires_on=timezone.now().date())
        rule = make_rule(key="quiet", state="draft", action="lesson", lesson=lesson)

        page = admin.get(reverse(CHANGE, args=[rule.pk])).content.decode()

        assert f'<option value="{lesson.pk}" selected>' in page
        assert "(gone): not suggested, it has expired" in page

    def test_it_edits_what_was_in_force_as_a_new_draft(self, admin: Client) -> None:
        live = make_rule(key="quiet")

        admin.post(reverse(CHANGE, args=[live.pk]), posted(number_0="10"))

        live.refresh_from_db()
        assert live.when["clauses"][0]["value"] == 5
        assert Rule.objects.get(key="quiet", state="draft").version == 2

    @pytest.mark.parametrize("role", [Role.LEARNER, Role.MANAGER, Role.COACH, Role.REVIEWER])
    def test_it_is_closed_to_everybody_else(self, role: str) -> None:
        rule, client = make_rule(), Client()
        client.force_login(make_user(role))

        for address in (reverse(LIST), reverse(ADD), reverse(CHECK, args=[rule.pk])):
            assert client.get(address).status_code == 302

    def test_it_flags_rules_that_nobody_owns_or_that_have_expired(self, admin: Client) -> None:
        make_rule(expires_on=timezone.now().date())

        page = admin.get(reverse(LIST)).content.decode()

        assert "nobody owns it; it has expired" in page


class TestHistory:
    when = When((Clause("days_inactive", "at_least", 9),))

    def test_it_counts_how_often_it_would_have_begun_to_apply_and_to_how_many(self) -> None:
        for _ in range(5):
            enrolment = make_enrolment()
            for days, ago in ((10, 3), (11, 2), (1, 1)):
                looked(days, ago=ago, enrolment=enrolment)

        found = history.walk({"quiet": self.when}, now=timezone.now())

        assert found.fired["quiet"].times == 5
        assert history.in_words(found.fired["quiet"], found) == (
            "In the last 8 weeks it would have applied 5 times, to 5 people (15 looks)."
        )

    def test_it_does_not_count_out_fewer_than_five_people(self) -> None:
        for _ in range(4):
            looked(10)

        found = history.walk({"quiet": self.when}, now=timezone.now())

        assert "fewer than 5 people" in history.in_words(found.fired["quiet"], found)
        assert "4" not in history.in_words(found.fired["quiet"], found)

    def test_it_looks_no_further_back_than_eight_weeks(self) -> None:
        looked(10, ago=57)

        assert history.walk({"quiet": self.when}, now=timezone.now()).looked_at == 0


class TestChecks:
    def kinds(self, draft: Rule) -> dict[str, bool]:
        found = checks.check(draft, now=timezone.now()).findings
        return {finding.kind: finding.blocks for finding in found}

    def draft(self, **changes: Any) -> Rule:
        return make_rule(state="draft", owner=make_user(Role.COACH), **changes)

    def test_it_finds_nothing_against_a_plain_rule(self) -> None:
        looked(10)

        assert self.kinds(self.draft()) == {}

    def test_it_flags_what_nobody_owns_and_what_has_expired(self) -> None:
        assert self.kinds(make_rule(state="draft", expires_on=None)) == {"ownerless": True, "expired": True}

    def test_it_flags_bounds_that_leave_nothing(self) -> None:
        clauses = [
            {"fact": "days_inactive", "op": "at_least", "value": 9},
            {"fact": "days_inactive", "op": "below", "value": 9},
        ]

        assert self.kinds(self.draft(when={"clauses": clauses})) == {"dead": True}

    def test_it_flags_what_never_applied(self) -> None:
        looked(1)

        assert self.kinds(self.draft()) == {"dead": False}

    @pytest.mark.parametrize(
        "clause",
        [
            {"fact": "completed", "op": "lately", "value": 14, "what": "urn:nobody-knows-it"},
            {"fact": "course", "op": "is", "value": "urn:no-such-course"},
        ],
    )
    def test_it_flags_what_names_something_unknown(self, clause: dict[str, Any]) -> None:
        assert self.kinds(self.draft(when={"clauses": [clause]}))["dead"] is True

    def test_it_flags_a_lesson_that_is_switched_off(self) -> None:
        lesson = Lesson.objects.create(key="gone", is_active=False)

        assert self.kinds(self.draft(action="lesson", lesson=lesson)) == {"dead": True}

    def test_it_flags_the_same_for_the_same_people(self) -> None:
        looked(10)
        make_rule(key="other")
        nine = {"clauses": [{"fact": "days_inactive", "op": "at_least", "value": 9}]}

        assert self.kinds(self.draft(when=nine)) == {"overlapping": False}

    def test_it_flags_another_step_for_the_same_snapshot(self) -> None:
        looked(10)
        make_rule(key="other", action="lesson")

        assert self.kinds(self.draft()) == {"conflicting": False}

    def test_it_finds_nothing_where_two_can_never_meet(self) -> None:
        looked(3)
        looked(10)
        make_rule(key="other", action="lesson")
        before = {"clauses": [{"fact": "days_inactive", "op": "below", "value": 5}]}

        assert self.kinds(self.draft(when=before)) == {}

    def test_it_compares_regions_without_data(self) -> None:
        low, high = Clause("mastery", "below", 0.5), Clause("mastery", "at_least", 0.5)
        roles = [Clause("impact", "is", value) for value in ("critical", "standard")]

        assert not meet(When((low,)), When((high,)))
        assert not meet(When((roles[0],)), When((roles[1], low)))
        assert meet(When((low,)), When((Clause("pace", "below", 1),)))
        assert impossible(When((low, high)))
        assert impossible(When(tuple(roles)))
        assert impossible(When((Clause("mastery", "below", 0),)))


class TestProxies:
    def declared(self, group: str) -> Enrolment:
        enrolment = make_enrolment(learner=Learner.objects.create())
        DeclaredAttribute.objects.create(
            learner=enrolment.learner, name="gender", value=group, source="test", said_at=timezone.now()
        )
        return enrolment

    def test_it_measures_whether_it_goes_with_a_declared_attribute(self) -> None:
        for _ in range(20):
            looked(10, enrolment=self.declared("F"))
            looked(1, enrolment=self.declared("M"))
        draft = make_rule(state="draft")

        found = checks.check(draft, now=timezone.now())

        assert [(one.name, one.people) for one in found.measured] == [("Gender", 40)]
        assert found.measured[0].strength > 0.9
        assert "Gender" in found.board_because[0]

    def test_it_says_nothing_about_few_people(self) -> None:
        for _ in range(10):
            looked(10, enrolment=self.declared("F"))

        assert checks.check(make_rule(state="draft"), now=timezone.now()).measured == []

    def test_it_asks_the_board_for_what_was_measured(self, admin: Client) -> None:
        for _ in range(20):
            looked(10, enrolment=self.declared("F"))
            looked(1, enrolment=self.declared("M"))
        draft = make_rule(state="draft", owner=make_user(Role.COACH))

        page = admin.post(reverse(CHECK, args=[draft.pk]))

        draft.refresh_from_db()
        assert (draft.state, draft.needs_review) == ("draft", True)
        assert "It has not said yes yet" in page.content.decode()


class TestPuttingInForce:
    def test_it_puts_a_draft_in_force_that_nothing_speaks_against(self, admin: Client) -> None:
        looked(10)
        draft = make_rule(state="draft", owner=make_user(Role.COACH))

        admin.post(reverse(CHECK, args=[draft.pk]))

        draft.refresh_from_db()
        assert draft.state == "live"

    def test_it_wants_what_was_found_to_be_read(self, admin: Client) -> None:
        looked(1)
        draft = make_rule(state="draft", owner=make_user(Role.COACH))

        admin.post(reverse(CHECK, args=[draft.pk]))
        draft.refresh_from_db()
        assert draft.state == "draft"

        admin.post(reverse(CHECK, args=[draft.pk]), {"read": "on"})
        draft.refresh_from_db()
        assert draft.state == "live"

    def test_it_does_not_put_in_force_what_must_be_mended(self, admin: Client) -> None:
        draft = make_rule(state="draft", expires_on=None)

        page = admin.post(reverse(CHECK, args=[draft.pk]), {"read": "on"}).content.decode()

        draft.refresh_from_db()
        assert draft.state == "draft"
        assert "Put in force" not in page

    def test_it_takes_a_rule_out_of_force(self, admin: Client) -> None:
        rule = make_rule()

        admin.post(reverse("admin:interventions_rule_retire", args=[rule.pk]))

        rule.refresh_from_db()
        assert rule.state == "retired"

    def test_it_deletes_drafts_only(self, admin: Client) -> None:
        live, draft = make_rule(), make_rule(state="draft")

        assert admin.get(reverse("admin:interventions_rule_delete", args=[live.pk])).status_code == 403
        assert admin.get(reverse("admin:interventions_rule_delete", args=[draft.pk])).status_code == 200
