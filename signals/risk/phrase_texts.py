"""The sentences that signals.risk.phrases chooses, in English and German: facts and dates, at a reading age of 12."""

from typing import Any

MONTHS = {
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    "de": (
        *("Januar", "Februar", "März", "April", "Mai", "Juni"),
        *("Juli", "August", "September", "Oktober", "November", "Dezember"),
    ),
}
NUMBERS = {
    "en": ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    "de": ("zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn"),
}
SIGNALS = {
    "en": {
        "activity": "activity",
        "results": "results",
        "plan": "what is due",
        "materials": "materials",
        "habits": "learning habits",
        "skills": "skills",
    },
    "de": {
        "activity": "Aktivität",
        "results": "Ergebnisse",
        "plan": "was fällig ist",
        "materials": "Materialien",
        "habits": "Lerngewohnheiten",
        "skills": "Fähigkeiten",
    },
}
TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "inactive": "No activity in {course} since {date}.",
        "never_active": "No activity in {course} since it began on {date}.",
        "active_on": "Was active in {course} on {date}.",
        "nothing_in": "No activity in {course} in the last {days} days.",
        "active_days": "Active on {count} of the last {days} days in {course}.",
        "less_than_before": "Less activity in {course} in the last 7 days than in the weeks before.",
        "more_than_before": "More activity in {course} in the last 7 days than in the weeks before.",
        "sessions": "Learning sessions in {course} in the last {days} days: {count}.",
        "failed_one": "The last score was below the pass mark.",
        "failed_many": "The last {count} scores were below the pass mark.",
        "failed_some": "Some scores were below the pass mark.",
        "passed_all": "Every result in {course} so far reached the pass mark.",
        "room_to_grow": "The last scores in {course} leave room to grow.",
        "fine_scores": "The scores in {course} are good.",
        "scores_fall": "The latest scores in {course} are lower than the ones before.",
        "scores_rise": "The latest scores in {course} are higher than the ones before.",
        "no_result": "There is no result in {course} yet.",
        "no_result_since": "No new result in {course} since {date}.",
        "result_on": "The latest result in {course} came on {date}.",
        "due_soon_one": "One step of {course} is due within a week.",
        "due_soon": "In {course}, {count} steps are due within a week.",
        "due_on": "The next step of {course} is due on {date}.",
        "early": "Steps of {course} were handed in ahead of their due dates.",
        "after_due": "Steps of {course} were handed in after their due dates.",
        "no_new_material": "No new material of {course} has been opened in the last {days} days.",
        "new_materials": "New materials of {course} opened in the last {days} days: {count}.",
        "topic_twice": "More than one try on the same topic was below the pass mark.",
        "missing_one": "One step that was due in {course} is still open.",
        "missing_many": "In {course}, {count} steps that were due are still open.",
        "late_one": "One step in {course} was handed in after its due date.",
        "late_many": "In {course}, {count} steps were handed in after their due dates.",
        "handed_in_all": "Handed in everything that was due in {course}.",
        "behind_plan": "Fewer steps of {course} are done than the plan has until now.",
        "on_plan": "As many steps of {course} are done as the plan has until now.",
        "no_material": "No material of {course} has been opened yet.",
        "materials": "Has opened {count} different materials of {course}.",
        "reopened": "Came back to materials of {course}.",
        "videos_open": "Less than half of the started videos in {course} has been watched.",
        "videos_watched": "The started videos in {course} were watched almost to the end.",
        "no_quiz": "No quiz or test in {course} has been opened lately.",
        "quizzes": "Has worked on quizzes or tests in {course} lately.",
        "no_content": "No text or video of {course} has been opened lately.",
        "content": "Has worked with texts or videos of {course} lately.",
        "skill_gap": "The role asks for more than has been shown so far in some skills.",
        "no_skill_gap": "Has shown the skills that the role asks for.",
        "weak_topic": "Answers on at least one topic leave room to grow.",
        "strong_topics": "Answers on the topics so far are mostly right.",
    },
    "de": {
        "inactive": "Keine Aktivität in {course} seit dem {date}.",
        "never_active": "Keine Aktivität in {course} seit dem Beginn am {date}.",
        "active_on": "War am {date} in {course} aktiv.",
        "nothing_in": "Keine Aktivität in {course} in den letzten {days} Tagen.",
        "active_days": "In {course} an {count} der letzten {days} Tage aktiv.",
        "less_than_before": "In {course} weniger Aktivität in den letzten 7 Tagen als in den Wochen davor.",
        "more_than_before": "In {course} mehr Aktivität in den letzten 7 Tagen als in den Wochen davor.",
        "sessions": "Lernzeiten in {course} in den letzten {days} Tagen: {count}.",
        "failed_one": "Das letzte Ergebnis lag unter der Bestehensgrenze.",
        "failed_many": "Die letzten {count} Ergebnisse lagen unter der Bestehensgrenze.",
        "failed_some": "Einige Ergebnisse lagen unter der Bestehensgrenze.",
        "passed_all": "Alle Ergebnisse in {course} haben bisher die Bestehensgrenze erreicht.",
        "room_to_grow": "Die letzten Ergebnisse in {course} lassen noch Luft nach oben.",
        "fine_scores": "Die Ergebnisse in {course} sind gut.",
        "scores_fall": "Die neuesten Ergebnisse in {course} sind niedriger als die davor.",
        "scores_rise": "Die neuesten Ergebnisse in {course} sind höher als die davor.",
        "no_result": "In {course} gibt es noch kein Ergebnis.",
        "no_result_since": "Kein neues Ergebnis in {course} seit dem {date}.",
        "result_on": "Das letzte Ergebnis in {course} kam am {date}.",
        "due_soon_one": "In {course} ist ein Schritt innerhalb einer Woche fällig.",
        "due_soon": "In {course} sind {count} Schritte innerhalb einer Woche fällig.",
        "due_on": "Der nächste Schritt in {course} ist am {date} fällig.",
        "early": "Schritte in {course} wurden vor dem Termin abgegeben.",
        "after_due": "Schritte in {course} wurden nach dem Termin abgegeben.",
        "no_new_material": "In {course} wurde in den letzten {days} Tagen kein neues Material geöffnet.",
        "new_materials": "Neue Materialien in {course} in den letzten {days} Tagen: {count}.",
        "topic_twice": "Zum selben Thema lag mehr als ein Versuch unter der Bestehensgrenze.",
        "missing_one": "In {course} ist ein fälliger Schritt noch offen.",
        "missing_many": "In {course} sind {count} fällige Schritte noch offen.",
        "late_one": "In {course} kam ein Schritt nach dem Termin.",
        "late_many": "In {course} kamen {count} Schritte nach dem Termin.",
        "handed_in_all": "Hat in {course} alles abgegeben, was fällig war.",
        "behind_plan": "In {course} sind weniger Schritte erledigt, als der Plan bis jetzt vorsieht.",
        "on_plan": "In {course} sind so viele Schritte erledigt, wie der Plan bis jetzt vorsieht.",
        "no_material": "In {course} wurde noch kein Material geöffnet.",
        "materials": "Hat in {course} {count} verschiedene Materialien geöffnet.",
        "reopened": "Ist in {course} zu Materialien zurückgekehrt.",
        "videos_open": "Von den begonnenen Videos in {course} wurde weniger als die Hälfte angesehen.",
        "videos_watched": "Die begonnenen Videos in {course} wurden fast bis zum Ende angesehen.",
        "no_quiz": "In {course} wurde in letzter Zeit kein Quiz oder Test geöffnet.",
        "quizzes": "Hat in {course} in letzter Zeit an einem Quiz oder Test gearbeitet.",
        "no_content": "In {course} wurde in letzter Zeit kein Text oder Video geöffnet.",
        "content": "Hat in {course} in letzter Zeit mit Texten oder Videos gearbeitet.",
        "skill_gap": "Die Rolle verlangt in einigen Fähigkeiten mehr, als bisher gezeigt wurde.",
        "no_skill_gap": "Hat die Fähigkeiten gezeigt, die die Rolle verlangt.",
        "weak_topic": "Die Antworten zu mindestens einem Thema lassen noch Luft nach oben.",
        "strong_topics": "Die Antworten zu den Themen sind bisher meist richtig.",
    },
}
FORMS = {
    "en": {
        "date": "{day} {month}",
        "this_course": "this course",
        "missing": "{unknown} of {all} signals are not known: {names}.",
        "missing_one": "1 of {all} signals is not known: {names}.",
    },
    "de": {
        "date": "{day}. {month}",
        "this_course": "diesem Kurs",
        "missing": "{unknown} von {all} Signalen sind nicht bekannt: {names}.",
        "missing_one": "1 von {all} Signalen ist nicht bekannt: {names}.",
    },
}
# What the composite's three signals are called where they are not known.
OF_COMPOSITE = {
    "en": {
        "mastery": "scores",
        "days_inactive": "activity since the start",
        "fail_rate": "passed and not passed tests",
    },
    "de": {
        "mastery": "Ergebnisse",
        "days_inactive": "Aktivität seit dem Beginn",
        "fail_rate": "bestandene und nicht bestandene Tests",
    },
}


def number(value: Any, language: str) -> str:
    """A count as people say it."""
    whole = round(float(value))
    words = NUMBERS[language]
    return words[whole - 2] if 2 <= whole < 2 + len(words) else str(whole)
