"""How long scoring takes beside the model itself: coverage, reasons by signal, the next look, and writing it all.

    python -m tests.bench.scoring --rows 1000 [--features 150]

Scores made-up features with an additive model (whose own time is taken off), and prints the median of several rounds
(processor time).
Needs no database; how long writing takes is part of tests.bench.refresh.
"""

import argparse
import json
import os
import statistics
import time
from datetime import UTC, datetime, timedelta


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--features", type=int, default=150, help="pad the feature store to so many")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    import random

    from signals.features.definitions import BY_KEY
    from signals.risk.known import Known
    from signals.risk.weighing import Weigher, matrix
    from tests.support.models import Additive

    now = datetime.now(UTC)
    draw = random.Random(7)
    keys = [key for key, one in BY_KEY.items() if not one.is_time]
    keys += [f"amount_{kind}_{n}" for n in range(1, 99) for kind in ("content", "assessment")]
    keys = keys[: asked.features]
    model = Additive({key: draw.uniform(-0.1, 0.1) for key in keys}, unknown=0.05)
    moments = {
        "last_active_at": (now - timedelta(days=4)).isoformat(),
        "started_at": (now - timedelta(days=40)).isoformat(),
    }
    known = [
        Known(
            number,
            {**moments, **{key: None if draw.random() < 0.2 else draw.uniform(0, 5) for key in keys}},
            "Safety at work",
            now,
            1,
        )
        for number in range(asked.rows)
    ]
    weigher = Weigher(model, model.importance)
    weigher.assess(known)
    whole, own, dumped = [], [], []
    for _ in range(asked.rounds):
        started = time.process_time()
        assessed = weigher.assess(known)
        whole.append(time.process_time() - started)
        features = matrix([row.features for row in known], model.keys)
        started = time.process_time()
        model.score(features)
        own.append(time.process_time() - started)
        started = time.process_time()
        sizes = [len(json.dumps(one.reasons)) for one in assessed]
        dumped.append(time.process_time() - started)
    print(
        f"{asked.rows} rows, {len(keys)} features: {statistics.median(whole):.3f} s, of which the model"
        f" {statistics.median(own):.3f} s; as JSON {statistics.median(dumped):.3f} s,"
        f" {statistics.mean(sizes):.0f} bytes a row"
    )


if __name__ == "__main__":
    main()
