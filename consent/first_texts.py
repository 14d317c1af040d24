"""The scopes and their first texts, in English and German: what a new installation starts with.

At work a yes is seldom quite free, so help rests on legitimate interest with an objection as easy as opting out
(docs/privacy.md); only research, which nobody needs for their own sake, waits for a yes.
"""

from datetime import UTC, datetime
from typing import Any

INTEREST, CONSENT = "legitimate_interest", "consent"

SCOPES = [
    ("record", "Use of learning records", INTEREST, 1095, False),
    ("profile", "Estimating when help would be useful", INTEREST, 365, False),
    ("nudge", "Messages and short lessons", INTEREST, 365, False),
    ("manager", "A word from your manager", INTEREST, 365, False),
    ("coach", "Help from a coach", INTEREST, 365, False),
    ("experiment", "Finding out what helps", INTEREST, 365, False),
    ("research", "Research", CONSENT, 365, False),
    ("appraisal", "Appraisal of performance", CONSENT, 1, True),
]

TEXTS = {
    "record": (
        "Your learning systems send us what you do in your courses. We use these records to support you. If you "
        "switch this off, we stop using them; your courses stay as they are.",
        "Deine Lernsysteme melden uns, was du in deinen Kursen tust. Wir nutzen diese Einträge, um dich zu "
        "unterstützen. Wenn du das ausschaltest, nutzen wir sie nicht mehr; deine Kurse bleiben, wie sie sind.",
    ),
    "profile": (
        "We use your course activity to estimate when a little help would be useful. It is never used to judge your "
        "performance. You can switch it off here at any time; your courses stay as they are.",
        "Wir schätzen aus deiner Aktivität in Kursen, wann etwas Hilfe nützlich wäre. Das dient nie dazu, deine "
        "Leistung zu beurteilen. Du kannst es hier jederzeit ausschalten; deine Kurse bleiben, wie sie sind.",
    ),
    "nudge": (
        "We may send you a short message or a five-minute lesson, at most twice a week. Switch this off and we will "
        "not write to you. Messages about compulsory training come from elsewhere and are not affected.",
        "Wir schicken dir manchmal eine kurze Nachricht oder eine Fünf-Minuten-Lektion, höchstens zweimal in der "
        "Woche. Schaltest du das aus, schreiben wir dir nicht. Nachrichten zu Pflichtschulungen betrifft das nicht.",
    ),
    "manager": (
        "If messages did not help, we may ask your manager to have a word with you. They see what you could use help "
        "with, never a score. Switch this off and they hear nothing from us.",
        "Wenn Nachrichten nicht geholfen haben, bitten wir vielleicht deine Führungskraft um ein Gespräch mit dir. "
        "Sie sieht, wobei Hilfe gut wäre, nie einen Zahlenwert. Schaltest du das aus, erfährt sie von uns nichts.",
    ),
    "coach": (
        "A learning coach may look at how your course is going and offer help. They see your name only once they take "
        "your case on. Switch this off and no coach will.",
        "Ein Lerncoach schaut sich vielleicht an, wie dein Kurs läuft, und bietet Hilfe an. Deinen Namen sieht er "
        "erst, wenn er den Fall übernimmt. Schaltest du das aus, tut das niemand.",
    ),
    "experiment": (
        "To learn what really helps, we sometimes compare two ways of helping, or helping with leaving alone. Chance "
        "decides. Switch this off and you are not part of any comparison.",
        "Um zu lernen, was wirklich hilft, vergleichen wir manchmal zwei Arten zu helfen, oder Hilfe mit Abwarten. Der "
        "Zufall entscheidet. Schaltest du das aus, nimmst du an keinem Vergleich teil.",
    ),
    "research": (
        "May we use your learning records, without your name, for research into learning at work? We do so only if "
        "you say yes here.",
        "Dürfen wir deine Lerneinträge ohne deinen Namen für Forschung zum Lernen im Beruf nutzen? Wir tun das nur, "
        "wenn du hier Ja sagst.",
    ),
}

PUBLISHED_AT = datetime(2000, 1, 1, tzinfo=UTC)  # before any day that a simulated clock shows


def install(scope_model: Any, text_model: Any) -> None:
    """Adds the scopes and first texts that are missing; leaves every other one as it is."""
    scope_model.objects.bulk_create(
        [
            scope_model(key=key, name=name, lawful_basis=basis, retention_days=days, is_blocked=blocked)
            for key, name, basis, days, blocked in SCOPES
        ],
        ignore_conflicts=True,
    )
    text_model.objects.bulk_create(
        [
            text_model(scope_id=key, version=1, language=language, text=text, published_at=PUBLISHED_AT)
            for key, texts in TEXTS.items()
            for language, text in zip(("en", "de"), texts, strict=True)
        ],
        ignore_conflicts=True,
    )
