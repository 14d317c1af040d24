"""Each kind of user signs in with a real browser and does their main act; the database tells whether it worked."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from coaching.models import Case, Verdict
from consent import record
from consent.actors import SYSTEM
from consent.models import Standing
from consent.scopes import Scope
from interventions.models import Answer, Approval, LessonVisit, ManagerAsk, Policy
from learners.models import Role, User
from signals.models import Event, Finding, Quarantined
from tests.support.coaching import Circle, make_approval_case, make_ask, make_card, make_circle, make_decision
from tests.support.learners import make_user
from tests.support.signals import enrolled, make_credential, send, statement

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
PASSWORD = "quiet-harbour-41"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]
Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright runs a loop of its own in this thread; Django would take the test for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
        )
        yield started
        started.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def visit(browser: Browser, live_server: LiveServer) -> Iterator[Visit]:
    """Signs somebody in and shows them a page."""
    contexts = []

    def go(user: User, path: str = "/", *, script: bool = True) -> Page:
        user.set_password(PASSWORD)
        user.save(update_fields=["password"])
        context = browser.new_context(java_script_enabled=script)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.goto(f"{live_server.url}{path}")
        page.fill("input[name=login]", user.login)
        page.fill("input[name=password]", PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_load_state("networkidle")
        return page

    yield go
    for context in contexts:
        context.close()


def eventually(holds: Callable[[], bool], page: Page) -> bool:
    """Whether it comes true within ten seconds: a click only starts what the server then does."""
    for _ in range(100):
        if holds():
            return True
        page.wait_for_timeout(100)
    return False


def with_card() -> Circle:
    now = timezone.now()
    circle = make_circle()
    make_card(make_decision(circle.enrolment, now=now), now=now)
    return circle


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without"])
def test_it_takes_a_learners_answer(visit: Visit, script: bool) -> None:
    page = visit(with_card().account, script=script)

    page.get_by_role("button", name="Did it").click()

    assert eventually(lambda: Answer.objects.filter(kind="did_it").exists(), page)


def test_it_lets_a_learner_finish_a_lesson_in_the_page(visit: Visit) -> None:
    page = visit(make_circle().account, "/me/lessons/spotting-phishing/")

    page.get_by_role("button", name="Start the lesson").click()
    page.get_by_role("link", name="To the questions").click()
    for number in range(1, 4):
        page.get_by_role("heading", name=f"Question {number} of 3").wait_for()
        page.locator("main fieldset input[type=radio]").first.check()
        page.get_by_role("button", name="Check my answer").click()
        if number < 3:
            page.get_by_role("link", name="Next question").click()

    assert eventually(lambda: LessonVisit.objects.filter(completed_at__isnull=False).exists(), page)


def test_it_switches_a_purpose_off_at_once(visit: Visit) -> None:
    circle = make_circle()
    page = visit(circle.account, "/me/choices/")

    page.locator("#switch-nudge").click()

    off = Standing.objects.filter(subject=circle.learner.pk, scope="nudge", allowed=False)
    assert eventually(off.exists, page)


def test_it_takes_a_managers_word(visit: Visit) -> None:
    circle = make_circle()
    make_ask(circle, now=timezone.now())
    page = visit(circle.manager)

    page.get_by_role("button", name="I’ll do it").click()

    assert eventually(lambda: ManagerAsk.objects.filter(state="accepted").exists(), page)


@pytest.mark.parametrize("by_key", [False, True], ids=["by button", "by key"])
def test_it_takes_a_coachs_approval(visit: Visit, by_key: bool) -> None:
    circle = make_circle()
    case = make_approval_case(circle, now=timezone.now())
    page = visit(circle.coach)

    if by_key:
        page.locator("button[value=approve]").focus()
        page.keyboard.press("1")
    else:
        page.locator("button[value=approve]").click()

    assert eventually(lambda: Approval.objects.filter(state="approved").exists(), page)
    assert Verdict.objects.get(case=case).kind == "approve"
    assert Case.objects.get(pk=case.pk).state == "closed"


def test_escape_closes_what_a_key_opened_and_decides_nothing(visit: Visit) -> None:
    circle = make_circle()
    case = make_approval_case(circle, now=timezone.now())
    page = visit(circle.coach)
    dismiss = page.locator("details[data-key='3']")

    page.locator("button[value=approve]").focus()
    page.keyboard.press("3")
    assert dismiss.get_attribute("open") is not None
    page.keyboard.press("Escape")

    assert dismiss.get_attribute("open") is None
    assert page.evaluate("document.activeElement.textContent").strip().startswith("Dismiss")
    assert Case.objects.get(pk=case.pk).state == "open"


def test_it_shows_an_administrator_thresholds_by_form(visit: Visit) -> None:
    page = visit(make_user(Role.ADMIN), "/admin/interventions/policy/")

    assert Policy.objects.get().state == "live"
    page.locator("#result_list tbody a").first.click()
    page.wait_for_load_state("networkidle")

    assert "0.45" in page.content()


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without"])
def test_it_lets_a_steward_mend_preview_and_take_in(visit: Visit, script: bool) -> None:
    enrolled()
    now = timezone.now()
    faulty = {**statement(), "verb": {"id": "done"}}
    send(faulty, credential=make_credential("bulk", now=now).credential, now=now, bulk=True)
    row = Quarantined.objects.get()
    page = visit(
        make_user(Role.ADMIN, Role.STEWARD), f"/admin/signals/quarantined/{row.pk}/change/", script=script
    )

    page.get_by_label("Its verb means").select_option("completed")
    page.get_by_role("button", name="Preview what would change").click()
    page.get_by_role("heading", name="What would change").wait_for()
    assert not Event.objects.exists()
    page.get_by_role("button", name="Take it in").click()

    assert eventually(Event.objects.exists, page)
    row.refresh_from_db()
    assert row.state == "requeued"


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without"])
def test_it_lets_an_administrator_call_a_finding_normal(visit: Visit, script: bool) -> None:
    now = timezone.now()
    source = make_credential(now=now).credential
    told: dict[str, Any] = {"measured": 0.5, "cases": 90, "says": "Half of it is missing.", "mend": "Look."}
    Finding.objects.create(source=source, kind="missing_score", opened_at=now, last_seen_at=now, **told)
    page = visit(make_user(Role.ADMIN), "/quality/", script=script)

    page.get_by_text("This is how it is from now on").click()
    page.get_by_role("button", name="Call it normal").click()

    assert eventually(Finding.objects.filter(ending="accepted").exists, page)


def test_it_stops_showing_somebody_who_withdraws_while_the_page_is_open(visit: Visit) -> None:
    circle, other = make_circle(), make_circle()
    shared = make_circle(coach=circle.coach)
    for one in (circle, shared):
        make_approval_case(one, now=timezone.now())
    gone, stays = (Case.objects.get(enrolment=one.enrolment).pk for one in (circle, shared))
    page = visit(circle.coach, "/inbox/")
    page.fill("textarea[name=note]", "half a sentence")
    assert page.locator(f"[data-about='{gone}']").count() == 1

    record.withdraw(subject=other.learner.pk, scope=Scope.COACH, by=SYSTEM, now=timezone.now())
    page.wait_for_timeout(1500)
    assert page.input_value("textarea[name=note]") == "half a sentence"
    record.withdraw(subject=circle.learner.pk, scope=Scope.COACH, by=SYSTEM, now=timezone.now())

    assert eventually(lambda: not page.locator(f"[data-about='{gone}']").count(), page)
    assert page.locator(f"[data-about='{stays}']").count() == 1
