"""A message with everything around it: the four answers as links, a calendar entry, a way to have no more."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import make_msgid
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from interventions import links, places, return_paths
from interventions.channels.phrases import ANSWERS, phrases
from interventions.models import Delivery

# As where a lesson lives in an LMS; a preview shows what may stand in a message.
SAMPLE_LESSON = {"en": "A lesson, where it lives in an LMS", "de": "Eine Lektion, wo sie in einem LMS liegt"}


@dataclass(frozen=True)
class Letter:
    """What a learner reads, whatever the channel. Addresses are signed and end."""

    subject: str
    body: str
    language: str
    answers: tuple[tuple[str, str, str], ...]  # (kind, words, address)
    page: str
    calendar: str  # empty: nothing to put into a calendar
    unsubscribe: str
    lesson: tuple[str, str] | None = None  # (title, address), where the lesson lives in an LMS

    def plain(self) -> str:
        """The message as plain text; the simplest mail program shows all of it."""
        words = phrases(self.language)
        lines = [self.body, ""]
        if self.lesson:
            lines += [f"{self.lesson[0]}: {self.lesson[1]}", ""]
        lines.append(words["answer"])
        lines += [f"- {label}: {address}" for _, label, address in self.answers]
        if self.calendar:
            lines += ["", f"{words['calendar']}: {self.calendar}"]
        lines += ["", "--", words["sent_for"], f"{words['why']}: {self.page}"]
        lines += [f"{words['unsubscribe']}: {self.unsubscribe}", ""]
        return "\n".join(lines)

    def html(self) -> str:
        """The same as a page without pictures, styles from elsewhere, or anything that reports being opened."""
        return render_to_string("mail/message.html", {"letter": self, "words": phrases(self.language)})


def write(delivery: Delivery, *, now: datetime) -> Letter:
    """The letter of one delivery: its links begin to age now."""
    decision_id, learner = delivery.decision_id, delivery.learner
    words = phrases(learner.language)
    return Letter(
        subject=delivery.subject,
        body=delivery.body,
        language=learner.language,
        answers=tuple(
            (kind, words[kind], links.answer_address(decision_id, kind, now=now)) for kind in ANSWERS
        ),
        page=f"{settings.PUBLIC_URL}/me/",
        calendar=links.calendar_address(decision_id, now=now) if delivery.decision.lesson_id else "",
        unsubscribe=links.unsubscribe_address(learner.pk, now=now),
        lesson=places.link_of(delivery.decision.lesson_id, learner.language),
    )


def sample(subject: str, body: str, language: str) -> Letter:
    """A letter to a made-up person, whose links lead nowhere: for previews and tests."""
    words = phrases(language)
    nowhere = f"{settings.PUBLIC_URL}/#example"
    return Letter(
        subject=subject,
        body=body,
        language=language,
        answers=tuple((kind, words[kind], nowhere) for kind in ANSWERS),
        page=nowhere,
        calendar=nowhere,
        unsubscribe=nowhere,
        lesson=(SAMPLE_LESSON.get(language, SAMPLE_LESSON["en"]), nowhere),
    )


def mail(letter: Letter, *, to: str, delivery_id: UUID | None) -> EmailMultiAlternatives:
    """The letter as a mail: plain text first, then HTML, with one-click unsubscribing (RFC 8058)."""
    headers = {"Auto-Submitted": "auto-generated"}
    sender = None
    if delivery_id is not None:
        headers |= {
            # The same delivery is always the same message, so a mail server can drop a repeat.
            "Message-ID": f"<{delivery_id}@rekindle>",
            "List-Unsubscribe": f"<{letter.unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        # A provider reports bounces by itself, and has a return path of its own.
        sender = None if settings.EMAIL_PROVIDER else return_paths.make(delivery_id) or None
        if sender:
            headers["From"] = settings.DEFAULT_FROM_EMAIL
    else:
        headers["Message-ID"] = make_msgid(domain="rekindle")
    message = EmailMultiAlternatives(
        subject=letter.subject, body=letter.plain(), from_email=sender, to=[to], headers=headers
    )
    message.attach_alternative(letter.html(), "text/html")
    if delivery_id is not None:
        # Providers hand this back with what they report later; plain SMTP does not look at it.
        message.metadata = {"delivery": str(delivery_id)}  # type: ignore[attr-defined]
    return message
