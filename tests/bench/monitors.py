"""How often the monitor of volume cries wolf, and how soon it sees a real fall: on made-up years of many sources.

    bin/manage shell -c "import runpy; runpy.run_path('tests/bench/monitors.py', run_name='__main__')"

No database. A source has a size, busy weekdays, quiet weekends, day-to-day swings, a course that comes and goes, and
the year's public holidays; false alarms are counted with and without these entered as days off. Each source is alone
in its installation, the hardest case: no other source tells a holiday from an outage.
"""

import math
import random
from collections.abc import Collection
from datetime import date, timedelta

from signals.quality import monitors
from signals.quality.counts import Counts
from signals.quality.monitors import Answer, History

START = date(2025, 1, 1)
DAYS = 425
HOLIDAYS = {(1, 1), (4, 18), (4, 21), (5, 1), (5, 26), (8, 25), (12, 25), (12, 26)}
DAY = timedelta(days=1)
SOURCES, SEED = 100, 1


def year(draw: random.Random, usual: int) -> dict[date, Counts]:
    """A source's days."""
    swing, season, phase = draw.uniform(0.1, 0.35), draw.uniform(0.0, 0.3), draw.uniform(0, 365)
    days = {}
    for number in range(DAYS):
        day = START + number * DAY
        mean = usual * (1 + season * math.sin(2 * math.pi * (number + phase) / 365))
        if day.weekday() > 4 or (day.month, day.day) in HOLIDAYS:
            mean *= 0.03
        number_of = max(0.0, draw.lognormvariate(math.log(mean) - swing**2 / 2, swing)) if mean else 0.0
        days[day] = Counts(statements=max(0, round(draw.gauss(number_of, math.sqrt(number_of)))))
    return days


def fires(days: dict[date, Counts], first: int, last: int, *, off: Collection[date] = ()) -> list[date]:
    """The days on which a finding would be opened: the first of each run of days that fire."""
    history = History(days, START, off)
    opened, is_open = [], False
    for number in range(first, last):
        day = START + number * DAY
        answer = monitors.volume(history, day, today=0, others_are_fine=is_open).answer
        if answer is Answer.FIRES and not is_open:
            opened.append(day)
        is_open = is_open if answer is Answer.CANNOT_TELL else answer is Answer.FIRES
    return opened


def main() -> None:
    draw = random.Random(SEED)
    off = [day for day in (START + n * DAY for n in range(DAYS)) if (day.month, day.day) in HOLIDAYS]
    print(
        f"{'a day':>7} {'false alarms a year':>20} {'with days off':>14}   seen, and how soon, when so much is lost"
    )
    for usual in (15, 30, 100, 1000, 10_000):
        alarms, told_alarms = 0, 0
        seen: dict[float, list[int]] = {loss: [] for loss in (0.5, 0.8, 1.0)}
        for _ in range(SOURCES):
            days = year(draw, usual)
            alarms += len(fires(days, 60, DAYS))
            told_alarms += len(fires(days, 60, DAYS, off=off))
            begin = draw.randrange(120, 380)
            for loss, delays in seen.items():
                cut = dict(days)
                for number in range(begin, begin + 14):
                    day = START + number * DAY
                    cut[day] = Counts(statements=round(days[day].statements * (1 - loss)))
                found = fires(cut, begin, begin + 14, off=off)
                if found:
                    delays.append((found[0] - START).days - begin + 1)
        told = "  ".join(
            f"{loss:.0%}: {len(delays) / SOURCES:.0%}"
            + (f" in {sorted(delays)[len(delays) // 2]} d" if delays else "")
            for loss, delays in seen.items()
        )
        years = SOURCES * (DAYS - 60) / 365
        print(f"{usual:>7} {alarms / years:>20.2f} {told_alarms / years:>14.2f}   {told}")


if __name__ == "__main__":
    main()
