"""What the learner's page says where mail to them does not arrive, in their language."""

from dataclasses import dataclass

from django.utils import formats, timezone, translation

from interventions import chats
from interventions.addresses import refusal_of
from interventions.models import ChatConnection, UnreachableAddress
from learners.models import Learner, Preferences

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "bounced": "Mail to {address} came back on {day}. If that is not your address, please ask your HR department "
        "to correct it.",
        "complained": "On {day} a mail from us was marked as unwanted at {address}, so we send none there. If that was "
        "a mistake, please tell an administrator.",
        "page": "Until then, suggestions are only here on your page.",
        "chat": "Until then, suggestions are here on your page and come by {chat}.",
        "wish": "Want them only here? Say so in your profile",
    },
    "de": {
        "bounced": "Eine Mail an {address} kam am {day} zurück. Wenn das nicht deine Adresse ist, bitte die "
        "Personalabteilung, sie zu berichtigen.",
        "complained": "Am {day} wurde eine Mail von uns bei {address} als unerwünscht markiert. Darum schicken wir "
        "dorthin keine mehr. War das ein Versehen, dann sag es bitte der Administration.",
        "page": "Bis dahin findest du Vorschläge nur hier auf deiner Seite.",
        "chat": "Bis dahin findest du Vorschläge hier auf deiner Seite, und sie kommen über {chat}.",
        "wish": "Möchtest du sie nur hier? Sag es in deinem Profil",
    },
}
_CHATS = {
    ChatConnection.Kind.SLACK: "Slack",
    ChatConnection.Kind.TEAMS: "Microsoft Teams",
    ChatConnection.Kind.MOODLE: "Moodle",
}


@dataclass(frozen=True)
class Notice:
    """Two sentences and the words of a link to the profile."""

    language: str
    text: str
    wish: str


def notice(learner: Learner) -> Notice | None:
    """What to say; None where mail arrives, or where the learner wants none anyway."""
    refusal = refusal_of(learner.email)
    if refusal is None:
        return None
    if Preferences.objects.filter(learner=learner, channel=Preferences.Channel.CARD).exists():
        return None
    spoken = learner.language.partition("-")[0]
    language = spoken if spoken in WORDS else "en"
    words = WORDS[language]
    with translation.override(language):
        day = formats.date_format(timezone.localtime(refusal.at), "j. F Y" if language == "de" else "j F Y")
    kind = "complained" if refusal.kind == UnreachableAddress.Kind.COMPLAINED else "bounced"
    chat = chats.chosen()
    if chat is not None and chats.within_reach(chat, [learner]):
        instead = words["chat"].format(chat=_CHATS[ChatConnection.Kind(chat.kind)])
    else:
        instead = words["page"]
    text = f"{words[kind].format(address=learner.email, day=day)} {instead}"
    return Notice(language=language, text=text, wish=words["wish"])
