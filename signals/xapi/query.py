"""Reading statements back by the standard's filters, page by page, on keyed hashes alone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db import connection

from signals.models import Credential
from signals.unit_scope import sight
from signals.xapi import keys
from signals.xapi.credentials import authority
from signals.xapi.parameters import agent_of, check_known, iri_of, moment_of, uuid_in
from signals.xapi.primitives import uuid_of
from signals.xapi.wire import BadRequest

MOST = 500
USUAL = 100
FORMATS = ("exact", "ids", "canonical")
SINGLE = frozenset({"statementId", "voidedStatementId"})
WITH_SINGLE = SINGLE | {"format", "attachments"}
PARAMETERS = WITH_SINGLE | {
    "agent",
    "verb",
    "activity",
    "registration",
    "related_activities",
    "related_agents",
    "since",
    "until",
    "limit",
    "ascending",
    "cursor",
}
CURSOR_SALT = "signals.xapi.more"


class Query(NamedTuple):
    """What is asked for. Everything in it is a hash, a moment or a switch: it can be signed and sent away."""

    all_of: list[int]  # search keys that all must be there
    any_of: list[list[int]]  # of each list one must be there
    authority: (
        list[str] | None
    )  # credentials vouched for by the agent asked for; alternative to any_of's first
    since: str | None
    until: str | None
    ascending: bool
    limit: int
    format: str
    attachments: bool
    after: tuple[str, str] | None  # (stored, id) of the last one sent


class Found(NamedTuple):
    id: UUID
    stored: datetime
    body: bytes
    credential_id: UUID
    voided: bool


class Page(NamedTuple):
    found: list[Found]
    more: str  # what asks for the next page, or ""


def single(parameters: Mapping[str, str]) -> tuple[UUID, bool] | None:
    """(id, whether a voided one is asked for) where a request asks for one statement."""
    asked = sorted(SINGLE & set(parameters))
    if not asked:
        return None
    if len(asked) == 2:
        raise BadRequest("voidedStatementId", "cannot go with statementId", "Ask for one of the two.")
    (name,) = asked
    others = set(parameters) - WITH_SINGLE
    if others:
        raise BadRequest(sorted(others)[0], f"cannot go with {name}", "Leave out all filters.")
    found = uuid_of(parameters[name])
    if found is None:
        raise BadRequest(name, "is not a UUID", "Send 32 hexadecimal digits as 8-4-4-4-12.")
    return found, name == "voidedStatementId"


def parse(parameters: Mapping[str, str]) -> Query:
    """The query asked for. Raises BadRequest naming the parameter that is wrong."""
    check_known(parameters, PARAMETERS)
    if "cursor" in parameters:
        return _continued(parameters["cursor"])
    all_of: list[int] = []
    any_of: list[list[int]] = []
    vouched_by: list[str] | None = None
    if "agent" in parameters:
        agent = agent_of(parameters)
        found = keys.identity(agent)
        if found is None:
            raise BadRequest("agent", "has no identifier", "Ask for an agent or an identified group.")
        if switch(parameters, "related_agents"):
            any_of.append([found[1], found[2]])
            vouched_by = _vouched_by(agent, found[0])
        else:
            all_of.append(found[1])
    if "verb" in parameters:
        all_of.append(keys.verb_key(iri_of(parameters, "verb")))
    if "activity" in parameters:
        iri = iri_of(parameters, "activity")
        if switch(parameters, "related_activities"):
            any_of.append([keys.activity_key(iri), keys.related_activity_key(iri)])
        else:
            all_of.append(keys.activity_key(iri))
    if "registration" in parameters:
        all_of.append(keys.registration_key(str(uuid_in(parameters, "registration"))))
    # Checked even where nothing uses them.
    switch(parameters, "related_agents")
    switch(parameters, "related_activities")
    return Query(
        all_of=all_of,
        any_of=any_of,
        authority=vouched_by,
        since=_moment(parameters, "since"),
        until=_moment(parameters, "until"),
        ascending=switch(parameters, "ascending"),
        limit=_limit(parameters),
        format=format_of(parameters),
        attachments=switch(parameters, "attachments"),
        after=None,
    )


def format_of(parameters: Mapping[str, str]) -> str:
    """The form of answer asked for."""
    asked = parameters.get("format", "exact")
    if asked not in FORMATS:
        raise BadRequest("format", "is not one of the standard's", f"Send one of {', '.join(FORMATS)}.")
    return asked


def page(query: Query, *, mine: Credential | None) -> Page:
    """One page of statements, voided ones left out. ``mine`` shows only what that credential may see."""
    filters, filter_values = _filters(query)
    where, values = _limits(query, mine)
    order = "{0}stored, {0}id" if query.ascending else "{0}stored DESC, {0}id DESC"
    own = (
        f"SELECT s.id FROM signals_statement s WHERE {where} AND {filters.format('s.search_keys')}"
        f" ORDER BY {order.format('s.')} LIMIT %s"
    )
    bound = [*values, *filter_values, query.limit + 1]
    if filter_values:
        # A statement about another one is found by what finds that one.
        own = (
            f"({own}) UNION (SELECT s.id FROM signals_statementlink l JOIN signals_statement s"
            f" ON s.id = l.statement_id WHERE {where} AND {filters.format('l.keys')}"
            f" ORDER BY {order.format('s.')} LIMIT %s)"
        )
        bound *= 2
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH hit AS ({own}) SELECT id, stored, body, credential_id, voided_at IS NOT NULL"
            f" FROM hit JOIN signals_statement USING (id) ORDER BY {order.format('')} LIMIT %s",
            [*bound, query.limit + 1],
        )
        rows = [Found(*row) for row in cursor.fetchall()]
    if len(rows) <= query.limit:
        return Page(rows, "")
    rows = rows[: query.limit]
    last = (rows[-1].stored.isoformat(), str(rows[-1].id))
    return Page(rows, _cursor(query._replace(after=last)))


def _filters(query: Query) -> tuple[str, list[Any]]:
    """The conditions on search keys, whose column is still to be named, and their values."""
    conditions = ["true"]
    values: list[Any] = []
    if query.all_of:
        conditions.append("{0} @> %s::bigint[]")
        values.append(query.all_of)
    for number, group in enumerate(query.any_of):
        if number == 0 and query.authority is not None:
            conditions.append("({0} && %s::bigint[] OR s.credential_id = ANY(%s::uuid[]))")
            values += [group, query.authority]
        else:
            conditions.append("{0} && %s::bigint[]")
            values.append(group)
    return " AND ".join(conditions), values


def _limits(query: Query, mine: Credential | None) -> tuple[str, list[Any]]:
    """The conditions on time, sequence and sender, and their values."""
    conditions = ["s.voided_at IS NULL"]
    values: list[Any] = []
    if query.since is not None:
        conditions.append("s.stored > %s::timestamptz")
        values.append(query.since)
    if query.until is not None:
        conditions.append("s.stored <= %s::timestamptz")
        values.append(query.until)
    if mine is not None:
        condition, bound = sight(mine)
        conditions.append(condition)
        values += bound
    if query.after is not None:
        conditions.append(f"(s.stored, s.id) {'>' if query.ascending else '<'} (%s::timestamptz, %s::uuid)")
        values += query.after
    return " AND ".join(conditions), values


def one(statement_id: UUID, *, voided: bool, mine: Credential | None) -> Found | None:
    """The statement of this id, if it is (or is not) voided, as asked for."""
    limit, bound = sight(mine) if mine is not None else ("true", [])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, stored, body, credential_id, voided_at IS NOT NULL FROM signals_statement"
            f" WHERE id = %s AND (voided_at IS NOT NULL) = %s AND {limit}",
            [statement_id, voided, *bound],
        )
        row = cursor.fetchone()
    return Found(*row) if row is not None else None


def _cursor(query: Query) -> str:
    return signing.dumps(query, salt=CURSOR_SALT, compress=True)


def _continued(cursor: str) -> Query:
    try:
        query = Query(*signing.loads(cursor, salt=CURSOR_SALT))
    except (signing.BadSignature, TypeError) as error:
        raise BadRequest(
            "cursor", "is not one of ours", "Use the more address exactly as it was sent."
        ) from error
    if query.after is None:
        return query
    stored, last = query.after
    return query._replace(after=(stored, last))


def _vouched_by(agent: dict[str, Any], hashed: bytes) -> list[str] | None:
    """The credentials whose authority this agent is."""
    named = [str(pk) for pk in Credential.objects.filter(authority_hash=hashed).values_list("pk", flat=True)]
    account = agent.get("account")
    if account is not None and account["homePage"] == settings.PUBLIC_URL:
        found = uuid_of(account["name"])
        if found is not None and authority(found).get("account") == account:
            named.append(str(found))
    return named or None


def _moment(parameters: Mapping[str, str], name: str) -> str | None:
    found = moment_of(parameters, name)
    return found.isoformat() if found is not None else None


def switch(parameters: Mapping[str, str], name: str) -> bool:
    """Whether the parameter says true."""
    value = parameters.get(name, "false").lower()
    if value not in ("true", "false"):
        raise BadRequest(name, "is neither true nor false", "Send true or false.")
    return value == "true"


def _limit(parameters: Mapping[str, str]) -> int:
    text = parameters.get("limit", "0")
    if not text.isascii() or not text.isdigit():
        raise BadRequest("limit", "is not a whole number", "Send 0 (as many as we like) or more.")
    # No number of statements has more digits; Python refuses to read thousands of them.
    return min(int(text.lstrip("0")[:9] or 0), MOST) or USUAL
