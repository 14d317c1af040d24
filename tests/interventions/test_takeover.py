"""The rules we ship, taken over with one form: what goes live, what waits for the board, and what is told first."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from interventions.models import Rule
from interventions.rules import starter, store, takeover
from learners.models import Role, User
from tests.interventions.test_rule_admin import looked
from tests.support.interventions import make_admin
from tests.support.learners import make_course, make_user

pytestmark = pytest.mark.django_db
PAGE = "admin:interventions_rule_takeover"
LIST = "admin:interventions_rule_changelist"
PROXIES = {"first-lesson"}


@pytest.fixture
def owner() -> User:
    return make_admin()


@pytest.fixture
def admin(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def draft(key: str) -> Rule:
    return Rule.objects.get(key=key)


def ticked(*keys: str, **changes: Any) -> dict[str, Any]:
    chosen = {f"take_{draft(key).pk}": "on" for key in keys}
    return {**chosen, "expires_on": (timezone.now().date() + timedelta(days=365)).isoformat(), **changes}


def test_a_fresh_installation_lists_them_all_with_what_is_missing(admin: Client) -> None:
    page = admin.get(reverse(PAGE)).content.decode()

    for one in starter.RULES:
        assert one.title in page
    assert page.count("Missing: the review board’s yes.") == len(PROXIES)
    assert page.count("Missing: what your onboarding is called.") == 1
    assert f"Take over {len(starter.RULES)} ready drafts" in admin.get(reverse(LIST)).content.decode()


def test_one_form_puts_them_in_force_and_sends_proxies_to_the_board(admin: Client, owner: User) -> None:
    course = make_course(iri="https://lms.example/onboarding")
    keys = [one.key for one in starter.RULES]
    onboarding = draft("onboarding-done")

    answer = admin.post(reverse(PAGE), ticked(*keys, **{f"address_{onboarding.pk}": course.iri}))

    assert answer["Location"] == reverse(LIST)
    live = Rule.objects.filter(state="live")
    assert {rule.key for rule in live} == set(keys) - PROXIES
    assert {(rule.owner, rule.expires_on) for rule in live} == {
        (owner, timezone.now().date() + timedelta(days=365))
    }
    assert draft("onboarding-done").when["clauses"][0]["what"] == course.iri
    assert (draft("first-lesson").state, draft("first-lesson").owner) == ("draft", owner)


def test_after_the_boards_yes_the_same_form_puts_a_proxy_in_force(admin: Client) -> None:
    admin.post(reverse(PAGE), ticked("first-lesson"))
    store.review(rule=draft("first-lesson"), by=make_user(Role.REVIEWER), now=timezone.now())

    later = (timezone.now().date() + timedelta(days=366)).isoformat()
    admin.post(reverse(PAGE), ticked("first-lesson", expires_on=later))

    assert draft("first-lesson").state == "live"


def test_nothing_it_does_not_list_can_be_taken_over(admin: Client) -> None:
    admin.post(reverse(PAGE), ticked("pick-up"))
    page = admin.get(reverse(PAGE)).content.decode()

    assert f"take_{draft('pick-up').pk}" not in page
    assert len(takeover.waiting()) == len(starter.RULES) - 1


@pytest.mark.parametrize(
    ("keys", "changes", "fault"),
    [
        ((), {}, "Choose at least one of them."),
        (("pick-up",), {"expires_on": "2020-01-01"}, "Choose a day in the future."),
        (("pick-up",), {"expires_on": "soon"}, "Enter a valid date."),
        (("onboarding-done",), {}, "Write the whole address with its scheme"),
    ],
)
def test_it_says_what_to_mend_and_changes_nothing(
    admin: Client, keys: tuple[str, ...], changes: dict[str, Any], fault: str
) -> None:
    page = admin.post(reverse(PAGE), ticked(*keys, **changes)).content.decode()

    assert fault in page
    assert not Rule.objects.exclude(state="draft").exists()
    assert not Rule.objects.exclude(owner=None).exists()


def test_an_address_nobody_has_heard_of_is_told_and_not_put_in_force(admin: Client) -> None:
    rule = draft("onboarding-done")

    page = admin.post(
        reverse(PAGE), ticked("onboarding-done", **{f"address_{rule.pk}": "https://lms.example/typo"})
    ).content.decode()

    assert "Nothing is known under https://lms.example/typo." in page
    assert draft("onboarding-done").state == "draft"
    assert 'value="https://lms.example/typo"' in admin.get(reverse(PAGE)).content.decode()


def test_what_was_found_is_read_before_it_goes_live(admin: Client) -> None:
    looked(1)  # there is history, and in it the rule would have applied to nobody

    page = admin.post(reverse(PAGE), ticked("pick-up")).content.decode()
    assert "It would have applied to nobody in the last 8 weeks." in page
    assert draft("pick-up").state == "draft"
    admin.post(reverse(PAGE), ticked("pick-up", read="on"))

    assert draft("pick-up").state == "live"


@pytest.mark.parametrize("role", [Role.LEARNER, Role.MANAGER, Role.COACH, Role.REVIEWER])
def test_it_is_closed_to_everybody_but_administrators(client: Client, role: Role) -> None:
    client.force_login(make_user(role))

    assert client.post(reverse(PAGE), ticked("pick-up")).status_code == 302
    assert not Rule.objects.exclude(state="draft").exists()


def test_a_day_that_was_chosen_is_kept(admin: Client) -> None:
    admin.post(reverse(PAGE), ticked("pick-up", expires_on="2099-01-01"))

    assert draft("pick-up").expires_on == date(2099, 1, 1)
