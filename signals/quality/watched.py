"""Which shares are watched, and what to do about each: the monitors' subjects, in words."""

from signals.models import Finding
from signals.quality.monitors import Share

Kind = Finding.Kind

# In the order in which the page lists them. A rise is counted in points of share above the source's own past; a
# ceiling is too much whatever it was before.
SHARES: dict[Kind, Share] = {
    Kind.QUARANTINE: Share(
        part=lambda day: day.quarantined,
        whole=lambda day: day.quarantined + day.statements,
        rise=0.05,
        ceiling=0.2,
        of="what came went to quarantine",
        mend="Open the quarantine, filter by this source and look at the reason: one mend often settles them all.",
    ),
    Kind.REFUSED: Share(
        part=lambda day: day.refused,
        whole=lambda day: day.refused + day.statements + day.resent,
        rise=0.05,
        ceiling=0.2,
        of="what was sent was refused as faulty",
        mend="The answers told the system what is wrong, statement by statement: ask for its error log. A source you"
        " trust can send in bulk instead; then only the faulty ones wait in quarantine.",
    ),
    Kind.PARKED: Share(
        part=lambda day: day.parked,
        whole=lambda day: day.statements,
        rise=0.1,
        ceiling=0.5,
        of="the statements were about nobody we know",
        mend="Import the roster again, and compare the identifiers the system sends (address, account, employee"
        " number) with those in the roster. Statements wait, and are taken up as soon as the person is known.",
    ),
    Kind.RESENT: Share(
        part=lambda day: day.resent,
        whole=lambda day: day.resent + day.statements,
        rise=0.3,
        ceiling=None,
        of="what was sent had been sent before",
        mend="Harmless for the figures: each statement is kept once. The system probably does not note how far it has"
        " come; its operator can save both of us the work.",
    ),
    Kind.TWINS: Share(
        part=lambda day: day.twins,
        whole=lambda day: day.events,
        rise=0.05,
        ceiling=0.1,
        of="the events say again, under another id, what was known already",
        mend="Two systems report the same learning, or one gives a new id to each repeat. Switch one of them off or"
        " have ids kept; void the surplus statements, as they count twice.",
    ),
    Kind.MIDNIGHT: Share(
        part=lambda day: day.midnight,
        whole=lambda day: day.read,
        rise=0.1,
        ceiling=0.3,
        of="the timestamps are midnight sharp: only the date was known",
        mend="Have the system send the moment, not the day. Until then learning sessions and dwell times from it mean"
        " nothing; days active and scores are right.",
    ),
    Kind.OLD: Share(
        part=lambda day: day.old,
        whole=lambda day: day.read,
        rise=0.2,
        ceiling=None,
        of="what came is about things more than 30 days back",
        mend="If history is being loaded, give it a credential of its own with the permission backfill: otherwise it"
        " counts as learned of today, and models would be trained on that.",
    ),
    Kind.MISSING_TIME: Share(
        part=lambda day: day.undated,
        whole=lambda day: day.read,
        rise=0.1,
        ceiling=0.5,
        of="the statements carry no timestamp",
        mend="The moment of arrival is taken instead. Have the system send when things happened.",
    ),
    Kind.MISSING_SCORE: Share(
        part=lambda day: day.unscored,
        whole=lambda day: day.results,
        rise=0.1,
        ceiling=None,
        of="the results carry no score that can be used",
        mend="Features need result.score.scaled, or raw with max. Look at what changed in the quiz or its export.",
    ),
    Kind.MISSING_DURATION: Share(
        part=lambda day: day.untimed,
        whole=lambda day: day.endings,
        rise=0.1,
        ceiling=None,
        of="what was finished carries no duration",
        mend="Dwell time is then guessed from the gaps between events. Have result.duration sent again.",
    ),
    Kind.MISSING_COURSE: Share(
        part=lambda day: day.outside,
        whole=lambda day: day.deriving,
        rise=0.1,
        ceiling=None,
        of="the statements lie in no course we know",
        mend="Add the new course (or its plan) under the IRI the system uses, or have it name the course among the"
        " statement's parents. Events outside a course count for no risk.",
    ),
    Kind.MISSING_REGISTRATION: Share(
        part=lambda day: day.unregistered,
        whole=lambda day: day.deriving,
        rise=0.1,
        ceiling=None,
        of="the statements carry no registration",
        mend="Only matters where one person takes a course more than once: the registration tells the times apart.",
    ),
}

VERBS_LEAST, TYPES_LEAST = 5, 20
VERBS_SAY = "Verbs that this source did not use before and that mean nothing here yet"
VERBS_MEND = (
    "Say what each means under Unknown verbs in the admin; until then they count as “other”, and a rebuild mends what"
    " came before."
)
TYPES_SAY = "Activity types that this source did not use before"
TYPES_MEND = (
    "Nothing to do if the content is new. If it replaces a type you know, check that single questions are still"
    " recognised as such (cmi.interaction)."
)
