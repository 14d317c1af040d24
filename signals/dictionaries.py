"""Learns what this installation's statements have in common, so that their bodies take a third of the space.

A dictionary is made from samples without their people: ids, names, addresses, answers and the values of extensions are
replaced first, and an activity's address and texts are kept only where several samples name it. It is kept encrypted
all the same. A new one is made each time the store has become ten times as large.
"""

import json
import random
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import zstandard
from django.db import connection

from signals.models import Dictionary
from signals.xapi import bodies

FIRST_AT = 10_000  # statements: fewer say too little about what will come
GROWTH = 10
SAMPLES, TESTED = 4000, 1000
SIZE = 8 * 1024  # bytes: twice as much compresses no better
WORTH_IT = 0.95  # a new dictionary must save a twentieth
FIRST_NUMBER, LAST_NUMBER = 16, 255
NAMED_BY_SEVERAL = 3
SHARED_BY_MANY = 50
PARTS_READ = 8

_decode = msgspec.json.Decoder().decode


def learn(*, now: datetime) -> int:
    """1 where a dictionary was made and will be used, else 0."""
    last = Dictionary.objects.order_by("-number").first()
    there = _statements(most=FIRST_AT)
    if there < (last.statements * GROWTH if last is not None else FIRST_AT):
        return 0
    number = last.number + 1 if last is not None else FIRST_NUMBER
    if number > LAST_NUMBER:
        return 0
    sampled = _sample(SAMPLES + TESTED)
    tested = sampled[: len(sampled) // 5]
    content = _trained(without_people(sampled[len(tested) :]))
    is_better = bool(content) and _size(tested, content) < WORTH_IT * sum(
        len(bodies.compress(raw, bodies.current())) for raw in tested
    )
    made = Dictionary(
        number=number,
        content=b64encode(content).decode() if is_better else "",
        in_use=is_better,
        statements=there,
        made_at=now,
    )
    Dictionary.objects.bulk_create([made], ignore_conflicts=True)  # somebody else may have been quicker
    bodies.forget_current()
    return int(is_better)


def _statements(*, most: int) -> int:
    """About how many statements there are; exact below ``most``."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT greatest((SELECT reltuples::bigint FROM pg_class WHERE oid = 'signals_statement'::regclass),"
            " (SELECT count(*) FROM (SELECT FROM signals_statement LIMIT %s) few))",
            [most],
        )
        found: int = cursor.fetchone()[0]
        return found


def _sample(count: int) -> list[bytes]:
    """Bodies: half of them the newest, half from several places in the order of ids, mostly no order at all."""
    found: dict[UUID, bytes] = {}
    each = count // 2 // PARTS_READ
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, body FROM signals_statement ORDER BY stored DESC LIMIT %s", [count // 2])
        found.update(cursor.fetchall())
        for _ in range(PARTS_READ):
            cursor.execute(
                "(SELECT id, body FROM signals_statement WHERE id >= %s ORDER BY id LIMIT %s)"
                " UNION ALL (SELECT id, body FROM signals_statement ORDER BY id LIMIT %s) LIMIT %s",
                [uuid4(), each, each, each],
            )
            found.update(cursor.fetchall())
    chosen = sorted(found)
    random.Random(0).shuffle(chosen)  # so that what is kept for testing is like the rest
    return [bodies.unseal(found[key]).raw for key in chosen]


def _trained(samples: Sequence[bytes]) -> bytes:
    try:
        return zstandard.train_dictionary(SIZE, list(samples), level=bodies.LEVEL).as_bytes()
    except zstandard.ZstdError:  # too few, or too much alike
        return b""


def _size(raws: Sequence[bytes], content: bytes) -> int:
    compressor = bodies.compressor_with(zstandard.ZstdCompressionDict(content))
    return sum(len(compressor.compress(raw)) for raw in raws)


# --- samples without their people -----------------------------------------------------------------------------------

_PEOPLE = frozenset({"actor", "instructor", "team", "authority", "agent", "group"})
_DROPPED = frozenset({"attachments", "response"})
_IDS = frozenset({"registration"})


def without_people(raws: Sequence[bytes]) -> list[bytes]:
    """Statements of the same shapes, about nobody."""
    statements = [(raw, _decode(raw)) for raw in raws]
    named = Counter(iri for _, statement in statements for iri in set(_activities(statement)))
    common = {iri for iri, count in named.items() if count >= NAMED_BY_SEVERAL}
    # How the names of accounts begin, where many different ones begin alike: "student-", say.
    accounts = {name for _, statement in statements if (name := _account_name(statement))}
    beginnings = Counter(_beginning(name) for name in accounts)
    common |= {start for start, count in beginnings.items() if start and count >= SHARED_BY_MANY}
    draw = random.Random(0)
    out = []
    for raw, statement in statements:
        bare = _bare(statement, common, draw)
        if "id" in statement:
            bare["id"] = _made_up(draw)
        if isinstance(statement.get("timestamp"), str):
            bare["timestamp"] = _digits(statement["timestamp"], draw, keep=5)
        # As its sender writes JSON, with spaces or without.
        spaced = b'": ' in raw
        text = json.dumps(bare, separators=(", ", ": ") if spaced else (",", ":"), ensure_ascii=raw.isascii())
        out.append(text.encode())
    return out


def _activities(value: Any) -> list[str]:
    """The ids of everything that is not a person, in a statement or a part of it."""
    if isinstance(value, list):
        return [iri for item in value for iri in _activities(item)]
    if not isinstance(value, dict):
        return []
    own = [value["id"]] if isinstance(value.get("id"), str) and ":" in value["id"] else []
    return own + [
        iri
        for name, item in value.items()
        if name not in _PEOPLE and name != "extensions"
        for iri in _activities(item)
    ]


def _bare(value: dict[str, Any], common: set[str], draw: random.Random) -> dict[str, Any]:
    iri = value.get("id")
    is_rare = isinstance(iri, str) and ":" in iri and iri not in common
    out: dict[str, Any] = {}
    for name, item in value.items():
        if name in _DROPPED:
            continue
        if name in _PEOPLE or (name == "object" and _is_person(item)):
            out[name] = _nobody(item, common, draw)
        elif name in _IDS or (name == "id" and isinstance(item, str) and ":" not in item):
            out[name] = _made_up(draw)
        elif name == "id" and is_rare:
            out[name] = item[: item.rfind("/") + 1] if "/" in item else ""
        elif name == "extensions" and isinstance(item, dict):
            out[name] = {key: _nothing(one, draw) for key, one in item.items()}
        elif is_rare and name == "definition" and isinstance(item, dict):
            out[name] = {key: one for key, one in item.items() if key in ("type", "interactionType")}
        elif isinstance(item, dict):
            out[name] = _bare(item, common, draw)
        elif isinstance(item, list):
            out[name] = [_bare(one, common, draw) if isinstance(one, dict) else one for one in item]
        else:
            out[name] = item
    return out


def _is_person(value: Any) -> bool:
    return isinstance(value, dict) and value.get("objectType") in ("Agent", "Group")


def _account_name(statement: dict[str, Any]) -> str:
    name = statement["actor"].get("account", {}).get("name", "")
    return name if isinstance(name, str) else ""


def _beginning(name: str) -> str:
    """The part of an account's name before its first digit."""
    return name[: next((at for at, one in enumerate(name) if one.isdigit()), 0)]


def _nobody(agent: Any, common: set[str], draw: random.Random) -> dict[str, Any]:
    """An agent of the same form who is nobody: only the system the account is in is kept."""
    out: dict[str, Any] = {}
    for name, item in agent.items() if isinstance(agent, dict) else ():
        if name == "objectType":
            out[name] = item
        elif name == "account" and isinstance(item, dict):
            start = _beginning(str(item.get("name", "")))
            out[name] = {
                "homePage": item.get("homePage"),
                "name": (start if start in common else "") + str(draw.randrange(10**6)),
            }
        elif name == "mbox":
            out[name] = "mailto:"
        elif name == "mbox_sha1sum":
            out[name] = f"{draw.getrandbits(160):040x}"
        elif name in ("agent", "group"):
            out[name] = _nobody(item, common, draw)
        elif name in ("name", "openid"):
            out[name] = ""
    return out


def _nothing(value: Any, draw: random.Random) -> Any:
    """What stands for an extension's value: whether something is so, or some number."""
    if isinstance(value, bool):
        return value
    return draw.randrange(100) if isinstance(value, int | float) else ""


def _digits(text: str, draw: random.Random, *, keep: int) -> str:
    """The text with other digits after the first so many characters."""
    return text[:keep] + "".join(str(draw.randrange(10)) if one.isdigit() else one for one in text[keep:])


def _made_up(draw: random.Random) -> str:
    return str(UUID(int=draw.getrandbits(128), version=4))
