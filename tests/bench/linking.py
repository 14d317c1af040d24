"""How well, and how fast, linking finds one person under two records. Run against a database on this machine only.

    python tests/bench/linking.py [--people 10000] [--seed 1]      precision, recall and time, rolled back afterwards
    python tests/bench/linking.py --estimate                       the model's m and u, from other invented people

Two rosters of invented people share half of them; the second was typed in again, with the mistakes people make. Then
statements' actors: half of them are of the first roster, by name and an address nobody told us.
"""

import argparse
import os
import random
import resource
import sys
import time
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from learners.linking import comparing, engine  # noqa: E402
from learners.linking.encoding import Encoder, Person, blocks  # noqa: E402
from learners.linking.model import COMPARED  # noqa: E402
from learners.linking.model import settings as model  # noqa: E402
from learners.models import JobRole, Learner, LinkRecord, OrgUnit  # noqa: E402

VOWELS, CONSONANTS = "aeiou", "bdfghklmnprstvw"
UNITS, ROLES = 40, 25
Drawn = tuple[str, Person]  # who it really is, and what a record says


def names(draw: random.Random, count: int, syllables: tuple[int, int]) -> list[str]:
    made: dict[str, None] = {}
    while len(made) < count:
        parts = [
            draw.choice(CONSONANTS) + draw.choice(VOWELS) + draw.choice(["", "", "n", "r", "l", "s"])
            for _ in range(draw.randint(*syllables))
        ]
        made["".join(parts).capitalize()] = None
    return list(made)


class World:
    """Names as common and as rare as real ones: the n-th most common is n times rarer than the first (Zipf)."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.given, self.family = names(self.draw, 400, (1, 3)), names(self.draw, 6000, (2, 3))
        self.given_weights = [1 / (n + 8) for n in range(len(self.given))]
        self.family_weights = [1 / (n + 20) for n in range(len(self.family))]

    def person(self, number: int) -> Person:
        draw = self.draw
        given = draw.choices(self.given, self.given_weights)[0]
        family = draw.choices(self.family, self.family_weights)[0]
        return Person(
            name=f"{given} {family}",
            address=self.address(given, family, number, "works.example"),
            number=f"E{number:06}",
            started_on=date(2005, 1, 1) + timedelta(days=draw.randrange(7600)),
            unit=f"u{draw.randrange(UNITS)}",
            job_role=f"r{draw.randrange(ROLES)}",
        )

    def address(self, given: str, family: str, number: int, domain: str) -> str:
        forms = (
            f"{given}.{family}",
            f"{given[:1]}.{family}",
            f"{family}{number % 100:02}",
            f"{given}{family[:1]}",
        )
        return f"{self.draw.choices(forms, (6, 2, 1, 1))[0]}@{domain}".lower()

    def typed_again(self, person: Person, number: int, *, second: bool) -> Person:
        """The same person as another system has them."""
        draw = self.draw
        given, _, family = person.name.partition(" ")
        if draw.random() < 0.04:
            family = draw.choices(self.family, self.family_weights)[0]  # married
        if draw.random() < 0.06:
            given = given[:3]  # what friends call them
        if draw.random() < 0.2:
            given = self.mistyped(given)
        if draw.random() < 0.25:
            family = self.mistyped(family)
        name = f"{family}, {given}" if draw.random() < 0.15 else f"{given} {family}"
        same_address = draw.random() < 0.4
        address = (
            f"{person.address.partition('@')[0]}@{'works.example' if draw.random() < 0.6 else 'group.example'}"
            if same_address
            else self.address(given, family, number, draw.choice(["works.example", "group.example"]))
        )
        started = person.started_on
        if started is not None and draw.random() < 0.12:
            started = started + timedelta(days=draw.choice([1, -1, 30, 31, 365, -365, 9]))
        return Person(
            name=name,
            address="" if draw.random() < 0.1 else address,
            number=(person.number if draw.random() < 0.1 else f"X{number:06}") if second else "",
            started_on=None if not second or draw.random() < 0.2 else started,
            unit=(person.unit if draw.random() < 0.75 else f"u{draw.randrange(UNITS)}") if second else "",
            job_role=(person.job_role if draw.random() < 0.7 else f"r{draw.randrange(ROLES)}")
            if second
            else "",
        )

    def mistyped(self, word: str) -> str:
        draw, place = self.draw, self.draw.randrange(len(word))
        letter = draw.choice(VOWELS + CONSONANTS)
        return draw.choice(
            [
                word[:place] + word[place + 1 :],
                word[:place] + letter + word[place:],
                word[:place] + letter + word[place + 1 :],
                word[:place] + word[place : place + 2][::-1] + word[place + 2 :],
            ]
        )

    def rosters(self, size: int) -> tuple[list[Drawn], list[Drawn]]:
        first = [(f"p{number}", self.person(number)) for number in range(size)]
        again = self.draw.sample(first, size // 2)
        second = [
            (who, self.typed_again(person, size + n, second=True)) for n, (who, person) in enumerate(again)
        ]
        second += [
            (f"q{number}", self.typed_again(self.person(2 * size + number), 2 * size + number, second=True))
            for number in range(size - len(second))
        ]
        return first, second

    def actors(self, first: list[Drawn], count: int) -> list[Drawn]:
        size = len(first)
        known = [
            (who, self.typed_again(person, n, second=False))
            for n, (who, person) in enumerate(self.draw.sample(first, count // 2))
        ]
        return known + [
            (f"z{n}", self.typed_again(self.person(5 * size + n), n, second=False))
            for n in range(count - len(known))
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--estimate", action="store_true")
    options = parser.parse_args()
    if not 100 <= options.people <= 50_000:
        parser.error("--people takes 100 to 50000")
    if settings.DATABASES["default"]["HOST"] not in ("", "127.0.0.1", "localhost"):
        parser.error("this bench writes (and rolls back): it runs against a database on this machine only")
    if options.estimate:
        estimate(World(options.seed + 1000), options.people)
        return
    world = World(options.seed)
    first, second = world.rosters(options.people)
    with transaction.atomic():
        measure_rosters(first, second)
        measure_actors(first, world.actors(first, options.people // 5))
        measure_change(first)
        transaction.set_rollback(True)


def store(drawn: list[Drawn]) -> dict[int, str]:
    """Learners of these people; their link records and who they really are."""
    units = {
        f"u{n}": OrgUnit.objects.get_or_create(code=f"u{n}", defaults={"name": f"u{n}"})[0]
        for n in range(UNITS)
    }
    roles = {
        f"r{n}": JobRole.objects.get_or_create(code=f"r{n}", defaults={"name": f"r{n}"})[0]
        for n in range(ROLES)
    }
    learners = [
        Learner(
            name=one.name,
            email=one.address,
            employee_number=one.number,
            started_on=one.started_on,
            unit=units.get(one.unit),
            job_role=roles.get(one.job_role),
        )
        for _, one in drawn
    ]
    Learner.objects.bulk_create(learners, batch_size=2000)
    ids = dict(LinkRecord.objects.filter(learner__in=learners).values_list("learner_id", "pk"))
    return {ids[learner.pk]: who for learner, (who, _) in zip(learners, drawn, strict=True)}


def measure_rosters(first: list[Drawn], second: list[Drawn]) -> None:
    truth = store(first) | store(second)
    analyse()
    begun = time.perf_counter()
    found = comparing.run_all(now=timezone.now(), at_least=0.05)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"two rosters of {len(first)} and {len(second)}: {seconds:.1f} s, {found.looked_at} records,"
        f" peak {peak:.0f} MB, {found.common_blocks} blocks too common"
    )
    tell(found.pairs, truth, shared=len(second) // 2)


def measure_actors(first: list[Drawn], actors: list[Drawn]) -> None:
    # The learners of measure_rosters are there; the second roster's count as other people here.
    learners = {
        row.pk: row for row in LinkRecord.objects.filter(learner__isnull=False).select_related("learner")
    }
    by_number = {person.number: who for who, person in first}
    truth = {
        pk: by_number.get(row.learner.employee_number, f"second {pk}")
        for pk, row in learners.items()
        if row.learner is not None
    }
    rows = [
        LinkRecord(
            actor=f"{n:016}".encode(),
            agent={"name": one.name, **({"mbox": f"mailto:{one.address}"} if one.address else {})},
            dirty_since=timezone.now(),
        )
        for n, (_, one) in enumerate(actors)
    ]
    LinkRecord.objects.bulk_create(rows)
    truth |= {row.pk: who for row, (who, _) in zip(rows, actors, strict=True)}
    begun = time.perf_counter()
    found = comparing.run_all(now=timezone.now(), at_least=0.05)
    print(
        f"{len(actors)} unknown actors against {len(learners)} learners: {time.perf_counter() - begun:.1f} s"
    )
    numbers = {row.pk: row.learner.employee_number for row in learners.values() if row.learner is not None}
    # A pair with the second roster's record of the same person is right too, but that roster's owner is not asked here.
    pairs = [pair for pair in found.pairs if numbers.get(pair.left, numbers.get(pair.right, "")) in by_number]
    tell(pairs, truth, shared=len(actors) // 2)


def measure_change(first: list[Drawn]) -> None:
    some = LinkRecord.objects.filter(learner__employee_number__isnull=False).order_by("pk")[:10]
    for row in some:
        assert row.learner is not None
        row.learner.name += " Neu"
        row.learner.save(update_fields=["name"])
    begun = time.perf_counter()
    found = comparing.run_all(now=timezone.now(), at_least=0.05)
    print(
        f"10 changed learners: {time.perf_counter() - begun:.2f} s, compared with {found.compared_with} others"
    )


def tell(pairs: list[engine.Pair], truth: dict[int, str], *, shared: int) -> None:
    for bar in (0.05, 0.2, 0.5, 0.8, 0.95):
        said = [pair for pair in pairs if pair.probability >= bar]
        right = sum(truth[pair.left] == truth[pair.right] for pair in said)
        print(
            f"  at {bar}: {len(said)} pairs, precision {right / max(len(said), 1):.4f}, recall {right / shared:.4f}"
        )


def analyse() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE learners_linkrecord")


def estimate(world: World, size: int) -> None:
    """Prints m and u of every level, counted by splink: u on pairs drawn blindly, m on pairs that are one person."""
    from splink import Linker

    first, second = world.rosters(size)
    # Actors are part of what is linked, so part of what is learned from.
    drawn = first + second + world.actors(first, size)
    encoder = Encoder()
    rows = [engine.Row(n, encoder.encode(one), blocks(one), True, False) for n, (_, one) in enumerate(drawn)]
    database = engine.connect()
    _, people = engine.load(database, rows, person=[who for who, _ in drawn])
    linker = Linker(people, model(1e-4))
    linker.training.estimate_u_using_random_sampling(max_pairs=2e7, seed=world.draw.randrange(1000))
    linker.training.estimate_m_from_label_column("person")
    out: dict[str, Any] = linker.misc.save_model_to_json()
    # Pairs drawn blindly hold a few of one person, which for rare levels are most of what agrees: they do not count.
    times = Counter(who for who, _ in drawn)
    alike = sum(n * (n - 1) for n in times.values()) / (len(drawn) * (len(drawn) - 1))
    for compared, learned in zip(COMPARED, out["comparisons"], strict=True):
        print(compared.field)
        for level, one in zip(compared.levels, learned["comparison_levels"][1:], strict=True):
            m, u = one.get("m_probability", 0.0), one.get("u_probability", 0.0)
            print(f"  {level.key:16} m {m:.5f}  u {max(u - alike * m, 0) / (1 - alike):.3g}")


if __name__ == "__main__":
    main()
