"""A thin synthetic layer over the real run, plainly labelled: onboarding, quizzes, videos, certificates, ratings,
and a short course that is due soon.

The Open University data has none of these, and starter rules need them. They lie outside the course, so that the
course's own figures stay those of real people. Platform: "Rekindle sample layer (made up)". Two of its statements are
faulty, as real sources' are, so that the quarantine has something to show.
"""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid5

from coaching.demo import refresher
from coaching.demo.drawing import draw
from coaching.demo.statements import ADL, HOME_PAGE, NAMESPACE, ROOT, account_name
from signals.certificates import EXPIRES

PLATFORM = "Rekindle sample layer (made up)"
VERBS = {
    "completed": f"{ADL}/verbs/completed",
    "answered": f"{ADL}/verbs/answered",
    "earned": "http://id.tincanapi.com/verb/earned",
    "rated": "http://id.tincanapi.com/verb/rated",
    "progressed": f"{ADL}/verbs/progressed",
    "registered": f"{ADL}/verbs/registered",
}
VIDEO_PROGRESS = "https://w3id.org/xapi/video/extensions/progress"
# The days on which something faulty is sent: a score in per cent where the standard wants a share, and a clock that
# is a year ahead.
PER_CENT_ON, YEAR_AHEAD_ON = 12, 18
QUIZZES = ("phishing", "lock-out", "price", "feedback", "personal-data")


def layer(people: Collection[int], *, starts_on: date, first: int, last: int) -> list[bytes]:
    """The layer's statements of these days (inclusive, counted from the start), the same every time."""
    made = []
    for person in people:
        onboarded = draw("onboarded", person) % 20
        quiz = QUIZZES[draw("quiz", person) % len(QUIZZES)]
        plan: list[tuple[int, str, str, dict[str, object]]] = [
            (onboarded, "completed", "onboarding", {"completion": True})
        ]
        if draw("items", person) % 4 == 0:
            day = 5 + draw("item day", person) % 50
            plan += [
                (day, "answered", f"{quiz}/item-{item}", {"success": draw("right", person, item) % 100 < 65})
                for item in range(1, 5)
            ]
        if draw("certificate", person) % 6 == 0:
            plan += _permits(person, quiz, starts_on)
        plan += refresher.plan_of(person)
        if draw("video", person) % 10 == 0:
            seen: dict[str, object] = {"extensions": {VIDEO_PROGRESS: 0.2 + draw("seen", person) % 6 / 10}}
            plan.append((15 + draw("watched", person) % 40, "progressed", f"video-{quiz}", seen))
        if draw("rating", person) % 8 == 0:
            score: dict[str, object] = {"score": {"raw": 1 + draw("stars", person) % 5, "min": 1, "max": 5}}
            plan.append((20 + draw("rated", person) % 35, "rated", "programme", score))
        made += [
            _statement(person, starts_on + timedelta(days=day), verb, what, result)
            for day, verb, what, result in plan
            if first <= day <= last
        ]
    return [*made, *_faulty(sorted(people), starts_on, first, last)]


def _permits(person: int, quiz: str, starts_on: date) -> list[tuple[int, str, str, dict[str, object]]]:
    """A provisional permit of 45 days, which half of them renew for a year while it still holds."""
    earned = draw("earned", person) % 25
    found = [(earned, 45)]
    if draw("renews", person) % 2:
        found.append((earned + 25 + draw("renewed", person) % 15, 365))
    return [
        (
            day,
            "earned",
            f"certificate-{quiz}",
            {
                "completion": True,
                "extensions": {EXPIRES: (starts_on + timedelta(days=day + days)).isoformat()},
            },
        )
        for day, days in found
    ]


def _faulty(people: Sequence[int], starts_on: date, first: int, last: int) -> list[bytes]:
    made = []
    if people and first <= PER_CENT_ON <= last:
        per_cent: dict[str, object] = {"success": True, "score": {"scaled": 87}}
        day = starts_on + timedelta(days=PER_CENT_ON)
        made.append(_statement(people[0], day, "answered", "faulty-quiz/item-1", per_cent))
    if people and first <= YEAR_AHEAD_ON <= last:
        day = starts_on + timedelta(days=YEAR_AHEAD_ON + 365)
        made.append(_statement(people[-1], day, "completed", "faulty-clock", {"completion": True}))
    return made


def _statement(person: int, day: date, verb: str, what: str, result: dict[str, object]) -> bytes:
    at = datetime.combine(day, time(9), UTC) + timedelta(seconds=draw("second", person, what) % 28_000)
    return json.dumps(
        {
            "id": str(uuid5(NAMESPACE, f"layer|{day}|{person}|{verb}|{what}")),
            "actor": {"account": {"homePage": HOME_PAGE, "name": account_name(person)}},
            "verb": {"id": VERBS[verb]},
            "object": {"id": f"{ROOT}/sample-layer/{what}"},
            **({"result": result} if result else {}),
            "context": {"platform": PLATFORM},
            "timestamp": at.isoformat(),
        }
    ).encode()
