"""What the learner's own pages say, in German: by the English words that stand in the code and the templates.

The language is the one that is active (``views.pages.for_learner``). What has no German here is told in English, and a
test finds it.
"""

from typing import Any

from django import forms
from django.forms.utils import pretty_name
from django.utils import translation

GERMAN: dict[str, str] = {
    # The frame
    "Skip to content": "Zum Inhalt springen",
    "Pages": "Seiten",
    "Me": "Ich",
    "Sign out": "Abmelden",
    "Your pages": "Deine Seiten",
    "For you": "Für dich",
    "My choices": "Meine Auswahl",
    "My profile": "Mein Profil",
    "History": "Verlauf",
    "Why not?": "Warum nicht?",
    "No connection. Nothing was changed.": "Keine Verbindung. Nichts wurde geändert.",
    "That did not work. Nothing was changed; load the page again.": (
        "Das hat nicht geklappt. Nichts wurde geändert; lade die Seite neu."
    ),
    "Somebody changed what may be shown. This page is up to date.": (
        "Es wurde geändert, was gezeigt werden darf. Diese Seite ist auf dem neuesten Stand."
    ),
    "Please mend what is marked below.": "Bitte ändere, was unten markiert ist.",
    "Change this": "Das ändern",
    # What is suggested
    "Hello": "Hallo",
    "Your answer: {answer}": "Deine Antwort: {answer}",
    "Did it": "Erledigt",
    "Need help": "Ich brauche Hilfe",
    "Not now": "Jetzt nicht",
    "This is wrong": "Das stimmt nicht",
    "Add a few words": "Ein paar Worte dazu",
    "A few words for the person who looks at it": "Ein paar Worte für den Menschen, der es sich ansieht",
    "Goes to a coach with “Need help” and “This is wrong”. Encrypted.": (
        "Geht mit „Ich brauche Hilfe“ und „Das stimmt nicht“ an einen Coach. Verschlüsselt."
    ),
    "Did it help?": "Hat es geholfen?",
    "It helped": "Es hat geholfen",
    "Not really": "Eher nicht",
    "Why this?": "Warum das?",
    "Sent {moment}; policy {policy}, model {model}.": "Gesendet {moment}; Regeln {policy}, Modell {model}.",
    "none": "keines",
    "Suggestions are switched off.": "Vorschläge sind ausgeschaltet.",
    "Nothing to do here. We only write when it may help.": (
        "Hier ist nichts zu tun. Wir schreiben nur, wenn es helfen kann."
    ),
    "Thank you. That tells us what to suggest, and nothing about you.": (
        "Danke. Das sagt uns, was wir vorschlagen sollen, und nichts über dich."
    ),
    "Good. We note that you did it.": "Gut. Wir merken uns, dass du es erledigt hast.",
    "A person will look at this and get in touch.": "Ein Mensch sieht sich das an und meldet sich.",
    "All right, not now.": "In Ordnung, jetzt nicht.",
    "Thank you. A person will look at what we got wrong.": (
        "Danke. Ein Mensch sieht sich an, was bei uns nicht stimmt."
    ),
    "Choose one of the four answers.": "Wähle eine der vier Antworten.",
    "Thank you. A person will look at this and answer you.": (
        "Danke. Ein Mensch sieht sich das an und antwortet dir."
    ),
    # What is known
    "What we know and why": "Was wir wissen und warum",
    "You switched this off, so we work nothing out from your activity.": (
        "Du hast das ausgeschaltet. Darum leiten wir aus deinen Aktivitäten nichts ab."
    ),
    "Nothing gives cause to look.": "Es gibt keinen Anlass hinzusehen.",
    "Nothing stands out.": "Nichts fällt auf.",
    "Nothing has been worked out yet.": "Es wurde noch nichts berechnet.",
    "Too little is known to say anything, so we say nothing.": (
        "Wir wissen zu wenig, um etwas zu sagen. Darum sagen wir nichts."
    ),
    "What this rests on:": "Worauf das beruht:",
    "Worked out {moment}.": "Berechnet {moment}.",
    "A person has been asked to look ({moment}).": "Ein Mensch wurde gebeten, es sich anzusehen ({moment}).",
    "Something is wrong, or I need help": "Etwas stimmt nicht, oder ich brauche Hilfe",
    "In your words": "In deinen Worten",
    "A coach reads this and answers you. It stops automatic steps until then.": (
        "Ein Coach liest das und antwortet dir. Bis dahin geschieht nichts von selbst."
    ),
    "I need help": "Ich brauche Hilfe",
    "You are in no course at the moment.": "Du bist gerade in keinem Kurs.",
    "Short lessons": "Kurze Lektionen",
    "{minutes} minutes": "{minutes} Minuten",
    "done": "fertig",
    "begun": "angefangen",
    # Choices
    "Each switch works at once. Your courses stay as they are.": (
        "Jeder Schalter wirkt sofort. Deine Kurse bleiben, wie sie sind."
    ),
    "Kept for {days} days.": "Aufbewahrt für {days} Tage.",
    "Blocked for everybody": "Für alle gesperrt",
    "On": "An",
    "Off": "Aus",
    "On: {name}.": "An: {name}.",
    "Off: {name}. This holds from now on.": "Aus: {name}. Das gilt ab sofort.",
    "Only with your yes": "Nur mit deinem Ja",
    "A legitimate interest of your organisation; you can say no": (
        "Ein berechtigtes Interesse deiner Organisation; du kannst Nein sagen"
    ),
    "Part of your contract": "Teil deines Vertrags",
    "Required by law": "Vom Gesetz verlangt",
    "Keep my course activity": "Meine Kursaktivität aufbewahren",
    "Work out when help would be useful": "Herausfinden, wann Hilfe nützlich wäre",
    "Send me suggestions": "Mir Vorschläge senden",
    "Tell my manager when I could use a hand": "Meiner Führungskraft sagen, wenn ich Hilfe brauchen kann",
    "Let a coach look": "Einen Coach hinsehen lassen",
    "Try out which help works": "Ausprobieren, welche Hilfe wirkt",
    "Use for research": "Für Forschung nutzen",
    "Who may coach me": "Wer mich begleiten darf",
    (
        "If you would rather not have one of them, say so. Nobody asks why, and it is somebody else who "
        "helps."
    ): (
        "Wenn du jemanden davon lieber nicht hättest, sag es. Niemand fragt warum, und jemand anderes "
        "hilft dir."
    ),
    "A coach": "Ein Coach",
    "not for me": "nicht für mich",
    "Fine again": "Doch in Ordnung",
    "Not this person": "Diese Person nicht",
    "{name} may help you again.": "{name} darf dir wieder helfen.",
    "{name} will not look at your learning. Somebody else helps if there is need.": (
        "{name} sieht dein Lernen nicht an. Wenn es nötig ist, hilft jemand anderes."
    ),
    "My data": "Meine Daten",
    (
        "Everything we hold about you, as one file. To have it erased, ask your administrator; you get a "
        "receipt."
    ): (
        "Alles, was wir über dich haben, in einer Datei. Zum Löschen frag deine Administration; du "
        "bekommst einen Beleg."
    ),
    "Download my data": "Meine Daten herunterladen",
    # Profile
    (
        "What you can do already, how you like to learn and where you want to go. Your manager and your "
        "coach do not see this page."
    ): (
        "Was du schon kannst, wie du gern lernst und wohin du willst. Deine Führungskraft und dein Coach "
        "sehen diese Seite nicht."
    ),
    "What I bring along": "Was ich mitbringe",
    "You switched this off, so levels are kept and used for nothing.": (
        "Du hast das ausgeschaltet. Darum werden Stufen aufbewahrt und für nichts genutzt."
    ),
    "Nothing said yet": "Noch nichts gesagt",
    "Your role asks for {level}.": "Deine Rolle verlangt Stufe {level}.",
    "Your role asks for this.": "Deine Rolle verlangt das.",
    "Said by: {who}, {day}": "Gesagt von: {who}, {day}",
    "you": "dir",
    "Remove": "Entfernen",
    "my word on {name}": "mein Wort zu {name}",
    "Nothing yet.": "Noch nichts.",
    "Save this level": "Diese Stufe speichern",
    "How I like to learn": "Wie ich gern lerne",
    ("Your quiet hours come on top of your organisation's, as long as the two leave some time of the day."): (
        "Deine ruhigen Stunden kommen zu denen deiner Organisation dazu, solange beide noch Zeit am Tag "
        "lassen."
    ),
    "Save": "Speichern",
    "What I want to reach": "Was ich erreichen will",
    "My own goal": "Mein eigenes Ziel",
    "Reached {day}": "Erreicht am {day}",
    "By {day}": "Bis {day}",
    "Reached": "Erreicht",
    "No goals yet.": "Noch keine Ziele.",
    "Set this goal": "Dieses Ziel setzen",
    "Competency": "Fähigkeit",
    "Choose…": "Wähle…",
    "How able are you?": "Wie gut kannst du das?",
    "Where should suggestions reach you?": "Wo sollen dich Vorschläge erreichen?",
    "How do you like to learn?": "Wie lernst du gern?",
    "Nothing from": "Nichts von",
    "until": "bis",
    "A competency": "Eine Fähigkeit",
    "or a course": "oder ein Kurs",
    "By": "Bis",
    "In your own words": "In deinen eigenen Worten",
    "Stored encrypted, and shown to nobody but you.": "Verschlüsselt gespeichert und nur dir gezeigt.",
    "Quiet hours need both a beginning and an end, or neither.": (
        "Ruhige Stunden brauchen Anfang und Ende, oder keins von beiden."
    ),
    "Quiet hours cannot begin and end at the same time.": (
        "Ruhige Stunden können nicht zur selben Zeit beginnen und enden."
    ),
    "Choose a competency or a course, not both.": "Wähle eine Fähigkeit oder einen Kurs, nicht beides.",
    "Say what you want to reach: a competency, a course or your own words.": (
        "Sag, was du erreichen willst: eine Fähigkeit, einen Kurs oder in eigenen Worten."
    ),
    "Choose a day from today on.": "Wähle einen Tag ab heute.",
    "Noted: {name}.": "Notiert: {name}.",
    "Removed: your word on {name}.": "Entfernt: dein Wort zu {name}.",
    "Saved how you like to learn.": "Gespeichert, wie du gern lernst.",
    "You have {most} open goals. Finish or remove one first.": (
        "Du hast {most} offene Ziele. Beende oder entferne zuerst eines."
    ),
    "Your goal is set.": "Dein Ziel steht.",
    "The goal is removed.": "Das Ziel ist entfernt.",
    "Well done. The goal is reached.": "Gut gemacht. Das Ziel ist erreicht.",
    # History
    "What we decided to do, what was sent, and what was not sent and why.": (
        "Was wir beschlossen haben, was gesendet wurde, und was nicht gesendet wurde und warum."
    ),
    "You answered: {answer}.": "Du hast geantwortet: {answer}.",
    "Nothing yet. Whatever we decide about you will be listed here.": (
        "Noch nichts. Was wir über dich beschließen, steht dann hier."
    ),
    "Sent to you.": "An dich gesendet.",
    "Your manager was asked to have a word with you.": (
        "Deine Führungskraft wurde gebeten, mit dir zu sprechen."
    ),
    "A coach was asked to look.": "Ein Coach wurde gebeten, hinzusehen.",
    "Not sent yet: a person looks at it first.": "Noch nicht gesendet: Ein Mensch sieht es sich zuerst an.",
    "On its way, at a time that does not disturb you.": "Unterwegs, zu einer Zeit, die dich nicht stört.",
    "Not sent: {why}.": "Nicht gesendet: {why}.",
    "you said no to this": "Du hast dazu Nein gesagt",
    "you already had two messages in seven days": "Du hattest schon zwei Nachrichten in sieben Tagen",
    "things were better before it went out": "Es wurde besser, bevor es hinausging",
    "a person looked and decided against it": "Ein Mensch hat es angesehen und sich dagegen entschieden",
    # Why not
    "Each decision, what was not sent, the one reason for it, and what would have to change.": (
        "Jede Entscheidung, was nicht gesendet wurde, der eine Grund dafür und was sich ändern müsste."
    ),
    "As it stood on": "Wie es stand am",
    "Write a day and a time.": "Schreib einen Tag und eine Uhrzeit.",
    "Choose a moment that has passed.": "Wähle einen Zeitpunkt, der vorbei ist.",
    "Show": "Zeigen",
    "As it stood {moment}": "Wie es stand: {moment}",
    "No course": "Kein Kurs",
    "What would have to change: {change}": "Was sich ändern müsste: {change}",
    "Decided {moment}.": "Entschieden {moment}.",
    "Looked at again by {moment} at the latest.": "Spätestens {moment} wird wieder hingesehen.",
    "The {days} days before": "Die {days} Tage davor",
    "{moment} to {until}, {times} times": "{moment} bis {until}, {times}-mal",
    "There is more: choose an earlier moment.": "Es gibt mehr: Wähle einen früheren Zeitpunkt.",
    "Nothing was decided in these days.": "In diesen Tagen wurde nichts entschieden.",
    # What can be chosen, and what is counted
    "1: knows what it is": "1: weiß, was es ist",
    "2: can do it with help": "2: kann es mit Hilfe",
    "3: can do it alone": "3: kann es allein",
    "4: can do it when it is hard": "4: kann es, auch wenn es schwer ist",
    "5: can teach it": "5: kann es anderen beibringen",
    "On my page here and by e-mail": "Hier auf meiner Seite und per E-Mail",
    "Only on my page here": "Nur hier auf meiner Seite",
    "No preference": "Egal",
    "Reading": "Lesen",
    "Watching": "Zusehen",
    "Trying it out": "Ausprobieren",
    "Talking with somebody": "Mit jemandem sprechen",
    "The learner": "dir",
    "The manager": "der Führungskraft",
    "A test": "einem Test",
    "A certificate": "einem Zertifikat",
    "Another system": "einem anderen System",
    "Activity": "Aktivität",
    "Results": "Ergebnisse",
    "Plan and due dates": "Plan und Fristen",
    "Materials": "Unterlagen",
    "Learning habits": "Lerngewohnheiten",
    "Skills and ratings": "Fähigkeiten und Bewertungen",
    # Why something was not sent, after "Not sent:"
    "the manager heard about this person within seven days": (
        "Die Führungskraft hat in den letzten sieben Tagen schon von dir gehört"
    ),
    "the manager already has three open requests": "Die Führungskraft hat schon drei offene Bitten",
    "no manager is known": "Es ist keine Führungskraft bekannt",
    "no way to reach the learner": "Wir haben keinen Weg, dich zu erreichen",
    "held too long to still make sense": "Es wurde zu lange zurückgehalten, um noch sinnvoll zu sein",
    "nobody approved it in time": "Niemand hat rechtzeitig zugestimmt",
    "a person is asked first again": "Zuerst wird wieder ein Mensch gefragt",
    "the channel refused it for good": "Der Weg dorthin ist endgültig versperrt",
    "the course ended": "Der Kurs ist zu Ende",
    "a person chose another route": "Ein Mensch hat einen anderen Weg gewählt",
    "on leave when it was due": "Du warst abwesend, als es so weit war",
    "a business-critical week when it was due": "Es war eine geschäftskritische Woche, als es so weit war",
    "a public holiday when it was due": "Es war ein Feiertag, als es so weit war",
    "the last place of the week went to something worth more": (
        "Der letzte Platz der Woche ging an etwas, das mehr wert ist"
    ),
    # What it rests on
    "Back to my page": "Zurück zu meiner Seite",
    "{name}: what this rests on": "{name}: worauf das beruht",
    "What this rests on": "Worauf das beruht",
    "Worked out {moment}. These are facts, not causes.": (
        "Berechnet {moment}. Das sind Tatsachen, keine Ursachen."
    ),
    "What is counted": "Was gezählt wird",
    "What": "Was",
    "Value": "Wert",
    "Over": "Zeitraum",
    "Version": "Version",
    "Behind “{name}”": "Hinter „{name}“",
    "The statement as it was sent": "Die Meldung, wie sie gesendet wurde",
    "What happened in these months is counted too, but is in the cold store and not listed here:": (
        "Was in diesen Monaten geschah, zählt auch; es liegt im Archiv und steht hier nicht:"
    ),
    "Stored {moment}.": "Gespeichert {moment}.",
    "Taken back by its sender {moment}.": "Vom Absender zurückgenommen {moment}.",
    "It lies in the archive and cannot be read just now.": "Sie liegt im Archiv und ist gerade nicht lesbar.",
    "Only the latest {count} are shown.": "Nur die letzten {count} werden gezeigt.",
    "No event since then lies behind it.": "Seitdem liegt kein Ereignis dahinter.",
    "No event of this course lies behind it.": "Kein Ereignis dieses Kurses liegt dahinter.",
}


def say(text: str, **values: object) -> str:
    """These words in the language that is active, filled with these values."""
    language = (translation.get_language() or "en").partition("-")[0]
    told = GERMAN.get(text, text) if language == "de" else text
    return told.format(**values) if values else told


def put_in_words(form: forms.BaseForm) -> None:
    """Labels, help, choices and complaints of a form, in the language that is active."""
    for name, field in form.fields.items():
        field.label = say(str(pretty_name(name) if field.label is None else field.label))
        field.help_text = say(str(field.help_text))
        field.error_messages = {key: say(str(text)) for key, text in field.error_messages.items()}
        if isinstance(field, forms.ModelChoiceField):
            field.empty_label = say(str(field.empty_label)) if field.empty_label else None
        elif isinstance(field, forms.ChoiceField):
            offered: Any = field.choices
            field.choices = [(key, say(str(shown))) for key, shown in offered]
