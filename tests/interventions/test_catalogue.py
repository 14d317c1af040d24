"""Words and lessons: what we ship obeys our own rules, and something is always found to say."""

import re
from datetime import date

import pytest

from interventions import catalogue, catalogue_data
from interventions.forms import MessageTextForm
from interventions.models import Lesson, LessonText, MessageText
from learners.models import Competency
from tests.support.interventions import make_contents

VALUES = {
    "first_name": "Robin",
    "course": "Safety basics",
    "lesson": "Spotting phishing",
    "minutes": 5,
    "link": "https://learn.example/me/",
}
TODAY = date(2026, 3, 2)
MESSAGES = catalogue_data.messages()
LESSON_TEXTS = [
    (lesson.key, name, text) for lesson in catalogue_data.lessons() for name, text in lesson.texts.items()
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: f"{message.key}-{message.language}")
def test_it_ships_messages_that_obey_the_rules(message: catalogue_data.StarterMessage) -> None:
    sentences = re.findall(r"[.?!](?:\s|$)|: \{link\}", message.body)

    assert catalogue.faults_of_message(message.subject, message.body) == []
    assert 2 <= len(sentences) <= 4


def test_it_ships_every_message_in_both_languages() -> None:
    keys = {language: {m.key for m in MESSAGES if m.language == language} for language in ("en", "de")}

    assert keys["en"] == keys["de"]
    assert {"nudge", "lesson", "lesson_nudge", "manager", "well_done", "waiting"} <= keys["en"]
    for action in ("nudge", "lesson", "lesson_nudge", "manager"):
        assert {f"{action}-{trigger}" for trigger in ("inactivity", "mastery", "composite")} <= keys["en"]


@pytest.mark.parametrize(("key", "language", "text"), LESSON_TEXTS, ids=lambda value: str(value)[:30])
def test_it_ships_lessons_of_a_few_minutes_with_three_good_questions(
    key: str, language: str, text: catalogue_data.StarterText
) -> None:
    questions = [question._asdict() for question in text.questions]

    assert 250 <= len(text.body.split()) <= 350
    assert len(questions) == 3
    assert catalogue.faults_of_questions(questions) == []
    assert catalogue.faults_of_words("title", text.title) == []


def test_it_does_not_always_put_the_right_answer_in_the_same_place() -> None:
    for lesson in catalogue_data.lessons():
        places = {
            name: [question.answer for question in text.questions] for name, text in lesson.texts.items()
        }

        assert len(set(places["en"])) > 1
        assert places["en"] == places["de"]


@pytest.mark.parametrize(
    "text",
    [
        "You are at risk of dropping out",
        "You failed to finish",
        "Your score is low",
        "You did 40 % of it",
        "You did 40 percent of it",
        "Du bist gefährdet",
        "Du hast es nicht geschafft",
        "Deine Punktzahl ist klein",
    ],
)
def test_it_refuses_words_that_judge(text: str) -> None:
    faults = catalogue.faults_of_message("A small step", text)

    assert [fault.field for fault in faults] == ["body"]


@pytest.mark.parametrize(
    "text", ["Underscore it", "The risk assessment course", "It never fails", "Scores of people"]
)
def test_it_knows_a_word_from_a_part_of_one(text: str) -> None:
    judged = bool(catalogue.faults_of_words("body", text))

    assert judged is (text == "Scores of people")


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("Hello {name}", "{name} is no placeholder"),
        ("Hello {first_name", "stands alone"),
        ("Hello {first_name.__class__}", "is no placeholder"),
        ("x" * 601, "at most 600"),
    ],
)
def test_it_refuses_placeholders_nobody_fills_and_texts_nobody_reads(body: str, word: str) -> None:
    faults = catalogue.faults_of_message("A small step", body)

    assert len(faults) == 1
    assert word in faults[0].message


def test_it_refuses_a_subject_that_mail_programs_cut_off() -> None:
    faults = catalogue.faults_of_message("x" * 61, "Short.")

    assert [fault.field for fault in faults] == ["subject"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"choices": ["a", "b", "c"]}, "needs 4 choices"),
        ({"choices": ["a", "b", "c", "A"]}, "the same"),
        ({"answer": 4}, "exactly one right choice"),
        ({"answer": True}, "exactly one right choice"),
        ({"because": " "}, "why the answer is right"),
        ({"text": ""}, "question itself"),
        ({"extra": 1}, "exactly a text"),
    ],
)
def test_it_refuses_questions_that_cannot_be_asked(change: dict[str, object], word: str) -> None:
    question = {
        "text": "Why?",
        "choices": ["a", "b", "c", "d"],
        "answer": 0,
        "because": "It is so.",
        **change,
    }

    faults = catalogue.faults_of_questions([question])

    assert len(faults) == 1
    assert word in faults[0].message


@pytest.mark.django_db
class TestMessages:
    def test_it_prefers_the_words_of_the_trigger(self) -> None:
        subject, body = catalogue.message("nudge-inactivity", "nudge", "en", VALUES)

        assert subject == "Pick up where you left in Safety basics"
        assert "Robin" in body
        assert body.endswith("https://learn.example/me/")

    def test_it_falls_back_to_the_words_of_the_action(self) -> None:
        assert catalogue.message("nudge-unheard-of", "nudge", "de", VALUES) == catalogue.message(
            "nudge", "nudge", "de", VALUES
        )

    def test_it_speaks_the_language_before_it_fits_the_trigger(self) -> None:
        MessageText.objects.filter(key="nudge-mastery", language="de").delete()

        subject, _ = catalogue.message("nudge-mastery", "nudge", "de-AT", VALUES)

        assert subject == "Ein kleiner nächster Schritt in Safety basics"

    def test_it_falls_back_to_english(self) -> None:
        subject, _ = catalogue.message("nudge", "nudge", "fr", VALUES)

        assert subject == "A small next step in Safety basics"

    def test_it_says_what_we_ship_where_the_installation_has_nothing(self) -> None:
        MessageText.objects.all().delete()

        subject, _ = catalogue.message("nudge-mastery", "nudge", "de", VALUES)

        assert subject == "Noch ein Blick auf Safety basics?"

    def test_it_says_which_words_are_missing(self) -> None:
        with pytest.raises(catalogue.NoSuchMessage, match="no message unheard-of or unknown"):
            catalogue.message("unheard-of", "unknown", "en", VALUES)

    def test_it_keeps_a_line_break_in_a_name_out_of_the_subject(self) -> None:
        subject, _ = catalogue.message(
            "nudge", "nudge", "en", {**VALUES, "course": "Safety\r\nBcc: x@y.example"}
        )

        assert subject == "A small next step in Safety Bcc: x@y.example"

    def test_it_reads_well_without_a_first_name(self) -> None:
        _, body = catalogue.message("nudge", "nudge", "en", {**VALUES, "first_name": ""})
        subject, _ = catalogue.message("well_done", "well_done", "en", {**VALUES, "first_name": ""})

        assert body.startswith("Hello, a few minutes")
        assert subject == "Well done"

    def test_it_does_not_fill_braces_inside_a_value(self) -> None:
        subject, _ = catalogue.message("nudge", "nudge", "en", {**VALUES, "course": "{link}"})

        assert subject == "A small next step in {link}"

    def test_it_refuses_a_message_with_forbidden_words_when_saving(self) -> None:
        form = MessageTextForm(
            {"key": "nudge-x", "language": "en", "subject": "Hi", "body": "You are at risk."}
        )

        assert not form.is_valid()
        assert 'Please do not say "at risk"' in form.errors["body"][0]


@pytest.mark.django_db
class TestLessons:
    def test_it_begins_with_the_five_lessons(self) -> None:
        assert set(Lesson.objects.values_list("key", flat=True)) == {
            "feedback-four-sentences",
            "lock-out-tag-out",
            "personal-data-at-work",
            "price-objection",
            "spotting-phishing",
        }
        assert LessonText.objects.count() == 10

    def test_it_leaves_what_the_installation_has_changed(self) -> None:
        Lesson.objects.filter(key="price-objection").update(minutes=9)

        make_contents()

        assert Lesson.objects.get(key="price-objection").minutes == 9
        assert LessonText.objects.count() == 10

    def test_it_shows_a_lesson_in_the_language_or_else_in_english(self) -> None:
        lesson = Lesson.objects.get(key="spotting-phishing")

        assert catalogue.lesson_text(lesson, "de").title == "Phishing erkennen"
        assert catalogue.lesson_text(lesson, "de-CH").title == "Phishing erkennen"
        assert catalogue.lesson_text(lesson, "fr").title == "Spotting phishing"

    def test_it_says_when_a_lesson_has_no_text(self) -> None:
        with pytest.raises(catalogue.NoSuchLesson, match="add one in the admin"):
            catalogue.lesson_text(Lesson.objects.create(key="empty"), "en")

    def suited(self, *competencies: str, language: str = "en") -> list[str]:
        found = catalogue.suited(catalogue.offers(on=TODAY), competencies=competencies, language=language)
        return [offer.key for offer in found]

    def test_it_offers_the_lesson_of_the_competency(self) -> None:
        assert self.suited("giving-feedback") == ["feedback-four-sentences"]

    def test_it_asks_the_competencies_in_their_order(self) -> None:
        assert self.suited("nobody-teaches-this", "information-security", "giving-feedback") == [
            "spotting-phishing"
        ]

    def test_it_offers_all_where_none_fits(self) -> None:
        assert len(self.suited()) == 5
        assert self.suited("unknown", language="de") == self.suited()

    def test_it_prefers_a_lesson_in_the_learners_language(self) -> None:
        LessonText.objects.filter(language="de").exclude(lesson__key="price-objection").delete()

        assert self.suited(language="de-AT") == ["price-objection"]

    def test_it_offers_neither_what_is_switched_off_nor_what_has_no_text(self) -> None:
        Lesson.objects.exclude(key="spotting-phishing").update(is_active=False)
        Lesson.objects.create(key="a-lesson-without-text", competency=Competency.objects.first())

        assert self.suited() == ["spotting-phishing"]

    def test_it_offers_nothing_where_there_is_no_lesson_at_all(self) -> None:
        Lesson.objects.update(is_active=False)

        assert self.suited() == []
