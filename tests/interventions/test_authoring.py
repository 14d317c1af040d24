"""Lessons in versions: written as drafts, published, expired, retired; who is told, and which rules are flagged."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.core import mail

from consent.models import AuditEntry
from interventions import authoring, catalogue, lesson_expiry, lessons, route
from interventions.models import Lesson, LessonText, Suppression
from interventions.policy import store
from interventions.rules import checks
from interventions.rules import store as rules
from learners.models import CompetencyItem, CompetencyLesson
from tests.support.coaching import make_circle, make_decision
from tests.support.interventions import NOW, make_enrolment, make_rule
from tests.support.lessons import content, make_competency, make_lesson, make_owner, question

pytestmark = pytest.mark.django_db
TODAY = NOW.date()


def write(lesson: Lesson, language: str = "en", **fields: Any) -> LessonText | None:
    return authoring.draft(lesson=lesson, language=language, content=content(**fields), by=None, now=NOW)


def offered(on: date = TODAY) -> list[str]:
    return [offer.key for offer in catalogue.offers(on=on)]


class TestVersions:
    def test_it_keeps_what_was_shown_when_a_text_is_changed(self) -> None:
        lesson = make_lesson()
        first = LessonText.objects.get(lesson=lesson)

        draft = write(lesson, title="Look twice")
        before = catalogue.lesson_text(lesson, "en").title
        authoring.publish(lesson=lesson, by=None, now=NOW)

        first.refresh_from_db()
        assert draft is not None
        assert (before, draft.version) == ("Look first", 2)
        assert (first.title, first.replaced_at) == ("Look first", NOW)
        assert catalogue.lesson_text(Lesson.objects.get(pk=lesson.pk), "en").title == "Look twice"

    def test_it_makes_no_version_of_the_same_words(self) -> None:
        lesson = make_lesson()

        assert write(lesson) is None
        assert LessonText.objects.filter(lesson=lesson).count() == 1

    def test_it_edits_a_draft_in_place_and_throws_it_away_when_it_says_what_is_in_use(self) -> None:
        lesson = make_lesson()
        one, two = write(lesson, title="Look twice"), write(lesson, title="Look thrice")

        assert one is not None
        assert two is not None
        assert (one.pk, two.title, two.version) == (two.pk, "Look thrice", 2)
        assert write(lesson) is None
        assert LessonText.objects.filter(lesson=lesson).count() == 1

    def test_it_shows_the_version_a_visit_began_with(self) -> None:
        lesson, learner = make_lesson(), make_enrolment().learner
        visit = lessons.start(learner=learner, lesson=lesson, decision=None, now=NOW)
        write(lesson, questions=[question("Something else?", 0)])
        authoring.publish(lesson=lesson, by=None, now=NOW)

        finished = lessons.finish(visit=visit, answers=[1, 2], now=NOW)

        assert (finished.score, lessons.shown(finished).version) == (1.0, 1)

    def test_it_names_the_version_on_what_was_sent(self) -> None:
        lesson = make_lesson()
        decision = make_decision(make_circle().enrolment, action="lesson", lesson=lesson)

        route.route([decision], policy=store.document(store.live()), now=NOW)

        shown = LessonText.objects.get(lesson=lesson)
        assert set(decision.deliveries.values_list("lesson_text", flat=True)) == {shown.pk}


class TestPublishing:
    def test_it_shows_nobody_a_draft(self) -> None:
        lesson = make_lesson(published=False)

        assert lesson.key not in offered()
        with pytest.raises(lessons.NotOffered):
            lessons.start(learner=make_enrolment().learner, lesson=lesson, decision=None, now=NOW)

    @pytest.mark.parametrize(
        ("fields", "word"),
        [
            ({"owner": None}, "Name an owner"),
            ({"expires_on": TODAY}, "set a later one"),
        ],
        ids=str,
    )
    def test_it_publishes_only_what_somebody_answers_for(self, fields: dict[str, Any], word: str) -> None:
        lesson = make_lesson(published=False, **fields)

        with pytest.raises(authoring.NotReady, match=word):
            authoring.publish(lesson=lesson, by=None, now=NOW)
        assert lesson.key not in offered()

    def test_it_publishes_no_text_without_questions(self) -> None:
        lesson = make_lesson(published=False, said=content(questions=[]))

        with pytest.raises(authoring.NotReady, match="at least one question"):
            authoring.publish(lesson=lesson, by=None, now=NOW)

    def test_it_puts_its_questions_into_the_framework_and_takes_out_those_that_go(self) -> None:
        looking = make_competency()
        lesson = make_lesson(competency=looking)
        both = CompetencyItem.objects.filter(competency=looking).count()
        write(lesson, questions=[question()])

        authoring.publish(lesson=lesson, by=None, now=NOW)

        assert both == 2
        assert CompetencyItem.objects.get(competency=looking).iri.endswith(
            f"/lessons/{lesson.key}/questions/1"
        )

    def test_it_counts_what_is_done_at_the_address_for_the_competency(self) -> None:
        looking = make_competency()
        address = "https://lms.example/mod/page/view.php?id=7"

        make_lesson(competency=looking, said=content(format="link", address=address, questions=[]))

        assert CompetencyLesson.objects.get(iri=address).competency == looking

    def test_it_leaves_a_trace(self) -> None:
        lesson = make_lesson()
        authoring.retire(lesson=lesson, by=None, now=NOW)
        authoring.retire(lesson=lesson, by=None, now=NOW)

        actions = AuditEntry.objects.filter(action__startswith="lesson.").order_by("pk")
        assert list(actions.values_list("action", flat=True)) == ["lesson.published", "lesson.retired"]


class TestExpiry:
    def test_it_suggests_nothing_from_the_day_it_expires(self) -> None:
        lesson = make_lesson(expires_on=TODAY + timedelta(days=1))

        assert lesson.key in offered()
        assert lesson.key not in offered(TODAY + timedelta(days=1))

    @pytest.mark.parametrize("end", ["expires", "is retired"])
    def test_it_lets_who_began_finish_and_nobody_begin(self, end: str) -> None:
        lesson, later = make_lesson(expires_on=TODAY + timedelta(days=1)), NOW + timedelta(days=2)
        visit = lessons.start(learner=make_enrolment().learner, lesson=lesson, decision=None, now=NOW)
        if end == "is retired":
            authoring.retire(lesson=lesson, by=None, now=NOW)
        lesson.refresh_from_db()

        assert lessons.finish(visit=visit, answers=[1, 2], now=later).completed_at == later
        with pytest.raises(lessons.NotOffered):
            lessons.start(learner=make_enrolment().learner, lesson=lesson, decision=None, now=later)

    def test_it_tells_the_owner_once_30_days_ahead(self, django_capture_on_commit_callbacks: Any) -> None:
        owner = make_owner()
        lesson = make_lesson(owner=owner, expires_on=TODAY + timedelta(days=31))
        make_lesson(owner=owner, expires_on=TODAY + timedelta(days=31))

        def tell(now: datetime) -> int:
            with django_capture_on_commit_callbacks(execute=True):
                return lesson_expiry.tell_owners(now=now)

        early, due, again = tell(NOW), tell(NOW + timedelta(days=1)), tell(NOW + timedelta(days=2))

        assert (early, due, again) == (0, 2, 0)
        assert len(mail.outbox) == 1  # one mail, two lessons
        assert mail.outbox[0].to == [owner.login]
        assert lesson.key in mail.outbox[0].body

    def test_it_tells_of_another_day_anew(self) -> None:
        lesson = make_lesson(expires_on=TODAY + timedelta(days=3))
        lesson_expiry.tell_owners(now=NOW)

        Lesson.objects.filter(pk=lesson.pk).update(expires_on=TODAY + timedelta(days=5))

        assert lesson_expiry.tell_owners(now=NOW) == 1

    def test_it_never_lets_what_we_ship_expire(self) -> None:
        assert "spotting-phishing" in offered(date(2099, 1, 1))

    def test_it_becomes_our_own_by_an_owner(self) -> None:
        lesson = Lesson.objects.get(key="spotting-phishing")

        authoring.own(lesson=lesson, owner=make_owner(), expires_on=TODAY + timedelta(days=400))
        lesson.save()

        assert lesson.origin == "own"

    def test_it_sends_no_lesson_that_expired_while_it_was_held(self) -> None:
        from interventions import deliver
        from interventions.models import Delivery

        lesson = make_lesson(expires_on=TODAY + timedelta(days=1))
        decision = make_decision(make_circle().enrolment, action="lesson", lesson=lesson)
        route.route([decision], policy=store.document(store.live()), now=NOW)
        Lesson.objects.filter(pk=lesson.pk).update(expires_on=TODAY)

        due = Delivery.objects.order_by("-due_at").values_list("due_at", flat=True)[0]
        deliver.deliver(now=due)

        assert Suppression.objects.get(decision=decision).reason == "expired"


class TestFlags:
    def test_it_says_what_is_to_mend(self) -> None:
        lesson = make_lesson(owner=None, published=False)
        Lesson.objects.filter(pk=lesson.pk).update(is_active=True, expires_on=TODAY + timedelta(days=4))

        flags = authoring.flags(Lesson.objects.get(pk=lesson.pk), today=TODAY, ahead_days=30)

        assert flags == [
            "German is missing",
            "a draft waits to be published",
            "nobody owns it",
            "it expires in 4 days",
        ]

    @pytest.mark.parametrize(
        ("fields", "word"),
        [
            ({"expires_on": TODAY}, "it has expired"),
            ({"is_active": False, "retired_at": NOW}, "it is retired"),
            ({"is_active": False}, "it is a draft"),
        ],
        ids=str,
    )
    def test_it_flags_rules_that_name_a_lesson_nobody_gets(self, fields: dict[str, Any], word: str) -> None:
        lesson = make_lesson()
        live = make_rule(action="lesson", lesson=lesson)
        Lesson.objects.filter(pk=lesson.pk).update(**fields)
        live.refresh_from_db()

        assert word in checks.flags(live, today=TODAY)[-1]
        assert word in rules.unready(live, today=TODAY)[-1].message


@pytest.mark.parametrize(
    ("fields", "field", "word"),
    [
        ({"title": ""}, "title", "has a title"),
        ({"title": "You failed to look"}, "title", "failed to"),
        ({"title": "x" * 121}, "title", "at most 120"),
        ({"body": " "}, "body", "has a text"),
        ({"body": "a\x00b"}, "body", "nobody can see"),
        (
            {"format": "video", "address": "https://v.example/1", "body": "", "questions": []},
            "body",
            "transcript",
        ),
        ({"format": "link", "address": "ftp://v.example/1", "questions": []}, "address", "https://"),
        ({"format": "link", "address": "javascript:alert(1)", "questions": []}, "address", "https://"),
        ({"format": "link", "address": "https://a@b.example/", "questions": []}, "address", "https://"),
        ({"address": "https://v.example/1"}, "address", "another format"),
        ({"format": "song"}, "format", "There are"),
        ({"questions": []}, "questions", "at least one question"),
        ({"questions": [question()] * 6}, "questions", "at most 5"),
    ],
    ids=str,
)
def test_it_says_at_which_field_something_is_wrong(fields: dict[str, Any], field: str, word: str) -> None:
    faults = authoring.faults_of(content(**fields))

    assert field in {fault.field for fault in faults}
    assert word in " ".join(fault.message for fault in faults)
