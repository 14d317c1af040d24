"""Makes a compression dictionary from invented statements of the shapes that are common. Run by hand, once.

    python -m signals.xapi.make_dictionary signals/xapi/dictionary-2.zdict

Then add the number to ``bodies.DICTIONARIES`` and make it ``CURRENT``. Dictionaries in use are never replaced.
"""

import json
import random
import sys
import uuid
from pathlib import Path
from typing import Any

import zstandard

VERBS = ("completed", "attempted", "experienced", "interacted", "passed", "failed", "scored", "answered", "progressed",
         "launched", "terminated", "registered", "initialized", "exited")  # fmt: skip
TYPES = (
    "course",
    "module",
    "assessment",
    "question",
    "media",
    "link",
    "lesson",
    "cmi.interaction",
    "simulation",
)


def samples(count: int, seed: int) -> list[bytes]:
    """Invented statements, the same for the same seed."""
    draw = random.Random(seed)
    return [
        json.dumps(_statement(draw), separators=draw.choice([(",", ":"), (", ", ": ")])).encode()
        for _ in range(count)
    ]


def _statement(draw: random.Random) -> dict[str, Any]:
    verb = draw.choice(VERBS)
    kind = draw.choice(TYPES)
    host = draw.choice(["lms.example.com", "learn.example.org", "rekindle.example", "academy.example.net"])
    place = draw.choice(["activity", "mod/quiz", "course", "site", "assessment"])
    activity: dict[str, Any] = {
        "objectType": "Activity",
        "id": f"https://{host}/{place}/{draw.randrange(10**6)}",
    }
    if draw.random() < 0.8:
        activity["definition"] = {
            "type": f"http://adlnet.gov/expapi/activities/{kind}",
            "name": {draw.choice(["en", "en-US", "en-GB", "de"]): f"Unit {draw.randrange(99)}"},
        }
        if kind == "cmi.interaction":
            activity["definition"] |= {
                "interactionType": draw.choice(["choice", "true-false", "fill-in"]),
                "correctResponsesPattern": [str(draw.randrange(4))],
                "choices": [{"id": str(at), "description": {"en": f"Answer {at}"}} for at in range(4)],
            }
    actor: dict[str, Any] = {"objectType": "Agent"}
    shape = draw.random()
    if shape < 0.5:
        actor["account"] = {"homePage": f"https://{host}", "name": f"{draw.randrange(10**12):012d}"}
    elif shape < 0.8:
        actor["mbox"] = f"mailto:person{draw.randrange(10**5)}@example.com"
    else:
        actor["mbox_sha1sum"] = f"{draw.getrandbits(160):040x}"
    if draw.random() < 0.3:
        actor["name"] = f"Person {draw.randrange(10**4)}"
    day = f"20{draw.randrange(13, 27)}-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d}"
    time = f"{draw.randrange(24):02d}:{draw.randrange(60):02d}:{draw.randrange(60):02d}"
    out: dict[str, Any] = {
        "id": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
        "timestamp": f"{day}T{time}{draw.choice(['Z', '.000Z', '+00:00'])}",
        "actor": actor,
        "verb": {"id": f"http://adlnet.gov/expapi/verbs/{verb}", "display": {"en-US": verb}},
        "object": activity,
    }
    if verb in ("passed", "failed", "scored", "answered", "completed"):
        out["result"] = {
            "score": {"scaled": round(draw.random(), 2), "raw": draw.randrange(100), "min": 0, "max": 100},
            "success": draw.random() < 0.7,
            "completion": True,
            "duration": f"PT{draw.randrange(60)}M{draw.randrange(60)}S",
        }
    if draw.random() < 0.8:
        out["context"] = {
            "contextActivities": {
                draw.choice(["parent", "grouping"]): [
                    {"objectType": "Activity", "id": f"https://{host}/course/{draw.randrange(10**4)}"}
                ],
                "category": [{"id": "https://w3id.org/xapi/cmi5/context/categories/moveon"}],
            },
            "platform": draw.choice(["Moodle", "LMS", "Open University"]),
            "language": "en",
            "extensions": {"https://w3id.org/rekindle/xapi/count": draw.randrange(40)},
        }
        if draw.random() < 0.4:
            out["context"]["registration"] = str(uuid.UUID(int=draw.getrandbits(128), version=4))
    return out


if __name__ == "__main__":
    trained = zstandard.train_dictionary(8 * 1024, [*samples(6000, seed=1)], level=3)
    Path(sys.argv[1]).write_bytes(trained.as_bytes())
    print(f"{len(trained.as_bytes())} bytes")
