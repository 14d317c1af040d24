"""A learner's own pages are in the learner's language, whole."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from string import Formatter

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation
from time_machine import travel

from coaching import own
from coaching.own_words import GERMAN, say
from coaching.views.me import HELPED, THANKS
from consent.models import ConsentScope
from interventions.models import Answer, Approval, Suppression
from learners.models import Goal, Level, Preferences
from signals.risk.groups import NAMES, Signal
from tests.coaching.parts import HTMX
from tests.support.coaching import NOW, Circle, make_card, make_circle, make_decision
from tests.support.interventions import make_contents

PAGES = ["/me/", "/me/choices/", "/me/profile/", "/me/history/", "/me/why-not/"]
ROOT = Path(settings.BASE_DIR)


@pytest.fixture
def now_is() -> Iterator[None]:
    with travel(NOW + timedelta(minutes=5), tick=False):
        yield


@pytest.fixture
def circle() -> Circle:
    return make_circle(language="de", name="Robin Fielding")


@pytest.fixture
def learner(client: Client, circle: Circle) -> Client:
    client.force_login(circle.account)
    return client


def written() -> set[str]:
    """Every text that a template or a module of ours says in the learner's words."""
    found: set[str] = set()
    for page in (ROOT / "templates").rglob("*.html"):
        found |= set(re.findall(r'{% say "([^"]*)"', page.read_text()))
    for module in (ROOT / "coaching").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def named() -> set[str]:
    """What comes out of lists of choices and names."""
    reasons = {own._first_person(one.value, one.label) for one in Suppression.Reason}
    choices = (*Level.labels, *Preferences.Channel.labels, *Preferences.Format.labels, *Answer.Kind.labels)
    signals = {name for signal, name in NAMES.items() if signal is not Signal.BACKGROUND}
    told = {*own.NAMES.values(), *own.BASIS.values(), *THANKS.values(), HELPED}
    return reasons | set(map(str, choices)) | signals | told


def test_it_has_german_for_every_word() -> None:
    assert not (written() | named()) - set(GERMAN)


def test_it_fills_the_same_places_in_both() -> None:
    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    assert not [text for text, german in GERMAN.items() if places(text) != places(german)]


@pytest.mark.parametrize(
    ("language", "said"), [("en", "Not now"), ("de", "Jetzt nicht"), ("de-at", "Jetzt nicht")]
)
def test_it_speaks_the_language_that_is_active(language: str, said: str) -> None:
    with translation.override(language):
        assert say("Not now") == said


@pytest.mark.django_db
@pytest.mark.usefixtures("now_is")
class TestPages:
    @pytest.fixture(autouse=True)
    def lived(self, circle: Circle) -> None:
        """A life with something on every page."""
        make_contents()
        decision = make_decision(circle.enrolment)
        make_card(decision)
        Approval.objects.create(decision=decision, asked_at=NOW, state="approved", answered_at=NOW)
        Answer.objects.create(decision=decision, kind="did_it", at=NOW)
        held = make_decision(circle.enrolment, now=NOW - timedelta(days=1), step=1)
        Suppression.objects.create(decision=held, reason="leave", at=held.at)
        Goal.objects.create(learner=circle.learner, words="Weiter", by_date=NOW.date(), made_at=NOW)

    @pytest.mark.parametrize("address", PAGES)
    def test_no_english_is_left_on_a_german_page(self, learner: Client, address: str) -> None:
        page = learner.get(address).content.decode()

        assert '<html lang="de">' in page
        left = [text for text in GERMAN if len(text) > 12 and "{" not in text and text in page]
        assert not left

    @pytest.mark.parametrize("address", PAGES)
    def test_an_english_page_stays_english(self, learner: Client, circle: Circle, address: str) -> None:
        circle.learner.language = "en"
        circle.learner.save(update_fields=["language"])

        page = learner.get(address).content.decode()

        assert '<html lang="en">' in page
        assert "My choices" in page

    def test_it_answers_in_german(self, learner: Client) -> None:
        page = learner.post("/me/choices/", {"scope": "nudge", "allow": "no"}, headers=HTMX).content.decode()

        assert "Aus: Mir Vorschläge senden. Das gilt ab sofort." in page

    def test_its_forms_complain_in_german(self, learner: Client) -> None:
        page = learner.post("/me/profile/", {"do": "goal", "words": "x"}, headers=HTMX).content.decode()

        assert "Bitte ändere, was unten markiert ist." in page
        assert "Dieses Feld ist zwingend erforderlich." in page

    def test_it_names_each_field(self, learner: Client) -> None:
        page = learner.get("/me/profile/").content.decode()

        assert re.findall(r"<label [^>]*></label>", page) == []

    def test_others_pages_are_as_they_were(self, client: Client, circle: Circle) -> None:
        client.force_login(circle.coach)
        assert '<html lang="en">' in client.get("/inbox/").content.decode()

    def test_the_purposes_speak_as_the_page_does(self) -> None:
        texts = [
            text.text for scope in ConsentScope.objects.all() for text in scope.texts.filter(language="de")
        ]
        assert texts
        assert not [text for text in texts if re.search(r"\b(Ihre[nrms]?|Ihnen)\b", text)]
