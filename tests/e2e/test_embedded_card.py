"""The card on another system's page, in a real browser: it shows, takes an answer by keyboard, and shows nothing to
pages of other origins."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from interventions import tokens
from interventions.models import Answer
from tests.e2e.test_main_acts import CHROMIUM, browser, eventually, with_card  # noqa: F401  (a fixture)
from tests.support.coaching import Circle
from tests.support.listening import Listener, http_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]
Open = Callable[[str], Page]
COMPONENT = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A course in the LMS</title>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src {server}; connect-src {server}; style-src 'unsafe-inline'">
<script src="{server}/static/rekindle-card.js" defer></script></head>
<body><h1>Course</h1><a href="#next" id="before">Next page</a>
<rekindle-card src="{server}" token="{token}"></rekindle-card></body></html>"""
FRAME = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A course in the LMS</title></head>
<body><h1>Course</h1><iframe title="Suggestions" src="{server}/embed/card/#{token}" width="600" height="500"></iframe>
</body></html>"""


@pytest.fixture
def lms() -> Iterator[Listener]:
    """A server of another origin: another port of this machine."""
    with http_server() as server:
        yield server


@pytest.fixture
def circle() -> Circle:
    return with_card()


@pytest.fixture
def open_page(
    browser: Browser,  # noqa: F811
    live_server: LiveServer,
    lms: Listener,
    circle: Circle,
    client: Any,
) -> Iterator[Open]:
    """Opens a page of the LMS that embeds the card, with a pass that its server got."""
    made = tokens.create(name="LMS", scopes=["card"], by=SYSTEM, now=timezone.now())
    given = client.post(
        "/api/v1/card-passes/",
        {"learner": str(circle.learner.pk)},
        content_type="application/json",
        headers={"Authorization": f"Bearer {made.text}"},
    ).json()
    context = browser.new_context()

    def go(template: str) -> Page:
        text = template.format(server=live_server.url, token=given["token"])
        lms.answers = [(200, {"Content-Type": "text/html; charset=utf-8"}, text.encode())]
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.goto(f"{lms.url}/course")
        return page

    yield go
    context.close()


def by_tab(page: Page, name: str) -> None:
    """Goes on with the Tab key until the button of this name has the focus."""
    focused = (
        "() => { let at = document.activeElement; while (at?.shadowRoot) at = at.shadowRoot.activeElement;"
    )
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate(focused + " return at?.textContent; }") == name:
            return
    raise AssertionError(f"Tab does not lead to {name!r}.")


def test_it_shows_a_suggestion_and_takes_an_answer_by_keyboard(
    open_page: Open, lms: Listener, settings: Any
) -> None:
    settings.CARD_ORIGINS = [lms.url]
    page = open_page(COMPONENT)
    page.get_by_role("heading", name="Pick up where you left").wait_for()

    page.get_by_text("Why this?").click()
    page.get_by_text("no person looked at it before").wait_for()
    page.locator("#before").focus()
    by_tab(page, "Did it")
    page.keyboard.press("Enter")

    page.get_by_text("Thank you. Your answer is kept.").wait_for()
    assert eventually(lambda: Answer.objects.filter(kind="did_it").exists(), page)
    # The button is gone; whoever uses a keyboard stands at the suggestion, not at the page's beginning.
    inside = page.evaluate("document.querySelector('rekindle-card').shadowRoot.activeElement?.textContent")
    assert inside == "Pick up where you left"
    assert page.get_by_role("button", name="Did it").count() == 0


def test_it_shows_nothing_to_a_page_of_another_origin(open_page: Open, settings: Any) -> None:
    settings.CARD_ORIGINS = ["https://lms.example"]
    page = open_page(COMPONENT)

    page.get_by_text("This cannot be shown just now.").wait_for()

    assert page.get_by_role("heading", name="Pick up where you left").count() == 0
    assert not Answer.objects.exists()


def test_it_is_gone_where_the_learner_refuses(
    open_page: Open, lms: Listener, circle: Circle, settings: Any
) -> None:
    settings.CARD_ORIGINS = [lms.url]
    record.withdraw(subject=circle.learner.pk, scope=Scope.NUDGE, by=SYSTEM, now=timezone.now())
    page = open_page(COMPONENT)

    page.locator("rekindle-card section[hidden]").wait_for(state="attached")

    assert page.locator("rekindle-card").inner_text().strip() == ""


def test_a_frame_shows_it_on_a_page_that_may(open_page: Open, lms: Listener, settings: Any) -> None:
    settings.CARD_ORIGINS = [lms.url]
    page = open_page(FRAME)
    frame = page.frame_locator("iframe")

    frame.get_by_role("button", name="Not now").press("Enter")

    frame.get_by_text("Thank you. Your answer is kept.").wait_for()
    assert eventually(lambda: Answer.objects.filter(kind="not_now").exists(), page)


def test_a_page_that_may_not_gets_an_empty_frame(open_page: Open, settings: Any) -> None:
    settings.CARD_ORIGINS = []
    page = open_page(FRAME)
    page.wait_for_load_state("networkidle")

    assert page.frame_locator("iframe").locator("rekindle-card").count() == 0
    assert not Answer.objects.exists()
