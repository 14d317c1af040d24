"""Finds the people and groups a filter means (RFC 7644, 3.4.2).

Personal data is encrypted, so the database narrows by keyed hashes whatever a filter compares with "eq"; the rest of
the filter is answered on what was found. A filter that narrows nothing is answered for MOST_READ people at most.
"""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q
from scim2_models import ListResponse, SearchRequest, TooManyException
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)

from learners.identity import canonical, employee_hash, identifier_hash, resolve
from learners.models import ScimClient, ScimGroup
from learners.scim.groups import uuid_of
from learners.scim.people import external_hash, people_of, user_name_hash
from learners.scim.representing import around, group_resource, members_of, person_resource
from learners.scim.schemas import MOST_AT_ONCE, Group, Person

MOST_READ = 2000
USUAL_COUNT = 100
MOST_SKIPPED = 1_000_000_000  # more people than there are, and a number the database knows
# Made once: each making of such a class costs milliseconds.
LISTED_PEOPLE: Any = ListResponse[Person]
LISTED_GROUPS: Any = ListResponse[Group]


class _Narrowing(FilterVisitor[Q | None]):
    """The condition by which the database can narrow; None where it cannot."""

    def visit_comparison(self, node: Comparison) -> Q | None:
        if node.op != CompareOperator.eq or not isinstance(node.value, str):
            return None
        return self.equals(_dotted(node.attr_path), node.value)

    @abstractmethod
    def equals(self, attribute: str, value: str) -> Q | None:
        """The condition for this attribute being that; None where no look-up key knows it."""

    def visit_logical_expr(self, node: LogicalExpr) -> Q | None:
        terms = [self.visit(term) for term in node.terms]
        known = [term for term in terms if term is not None]
        if node.op == LogicalOperator.and_:
            return _joined(known, is_and=True)
        return _joined(known, is_and=False) if len(known) == len(terms) else None

    def visit_not(self, node: Not) -> Q | None:
        return None

    def visit_present(self, node: Present) -> Q | None:
        return None

    def visit_value_path(self, node: ValuePath) -> Q | None:
        return self._within(_dotted(node.attr_path), node.val_filter)

    def _within(self, attribute: str, inner: FilterNode) -> Q | None:
        """emails[type eq "work" and value eq "…"] names its addresses as emails.value eq "…" does."""
        if isinstance(inner, Comparison) and inner.op == CompareOperator.eq and isinstance(inner.value, str):
            return self.equals(f"{attribute}.{_dotted(inner.attr_path)}", inner.value)
        if isinstance(inner, LogicalExpr) and inner.op == LogicalOperator.and_:
            return _joined(
                [found for term in inner.terms if (found := self._within(attribute, term)) is not None],
                is_and=True,
            )
        return None


class _People(_Narrowing):
    def equals(self, attribute: str, value: str) -> Q | None:
        if attribute == "username":
            return Q(user_name_hash=user_name_hash(value))
        if attribute == "externalid":
            return Q(external_hash=external_hash(value))
        if attribute in ("emails", "emails.value"):
            named = resolve([identifier_hash(canonical("mbox", value))])
            return Q(learner__in=list(named.values()))
        if attribute == "employeenumber":
            return Q(learner__employee_hash=employee_hash(value))
        if attribute == "id":
            pk = uuid_of(value)
            return Q(learner=pk) if pk else Q(pk__in=[])
        return None


class _Groups(_Narrowing):
    def equals(self, attribute: str, value: str) -> Q | None:
        if attribute == "displayname":
            return Q(display_name__iexact=value)
        if attribute == "externalid":
            return Q(external_id=value)
        pk = uuid_of(value)
        if attribute == "id":
            return Q(pk=pk) if pk else Q(pk__in=[])
        if attribute in ("members", "members.value"):
            return Q(memberships__person__learner=pk) if pk else Q(pk__in=[])
        return None


def _dotted(path: AttrPath) -> str:
    return f"{path.attr}.{path.sub_attr}".lower() if path.sub_attr else path.attr.lower()


def _joined(terms: Sequence[Q], *, is_and: bool) -> Q | None:
    if not terms:
        return None
    joined = terms[0]
    for term in terms[1:]:
        joined = joined & term if is_and else joined | term
    return joined


def people(
    client: ScimClient, request: "SearchRequest[Any]", *, now: datetime
) -> "tuple[ListResponse[Any], list[Any]]":
    """The page of users a request asks for, and the learners it shows."""
    rows = people_of(client).order_by("pk")
    today = now.date()

    def resources(some: Any) -> list[Any]:
        page = list(some)
        surroundings = around(page, today=today)
        return [person_resource(one, surroundings, today=today) for one in page]

    total, page = _page(rows, request, _People(), resources)
    return _answer(LISTED_PEOPLE, total, page, request), page


def groups(client: ScimClient, request: "SearchRequest[Any]") -> "ListResponse[Any]":
    """The page of groups a request asks for."""
    rows = ScimGroup.objects.filter(client=client).order_by("created_at", "pk")
    hides_members = any(str(path).lower() == "members" for path in request.excluded_attributes or ())

    def resources(some: Any) -> list[Any]:
        page = list(some)
        members = {} if hides_members and request.filter is None else members_of(page)
        return [group_resource(one, members.get(one.pk, ())) for one in page]

    total, page = _page(rows, request, _Groups(), resources)
    return _answer(LISTED_GROUPS, total, page, request)


def _page(
    rows: Any, request: "SearchRequest[Any]", narrowing: _Narrowing, resources: Any
) -> tuple[int, list[Any]]:
    """How many there are, and those from startIndex on."""
    count = USUAL_COUNT if request.count is None else min(request.count, MOST_AT_ONCE)
    start = min((request.start_index or 1) - 1, MOST_SKIPPED)
    if request.filter is None:
        return rows.count(), resources(rows[start : start + count]) if count else []
    narrowed = narrowing.visit(request.filter.ast)
    candidates = rows if narrowed is None else rows.filter(narrowed).distinct()
    if candidates.count() > MOST_READ:
        raise TooManyException(
            detail="This filter leaves too many to look at; compare userName, externalId, emails.value or id with eq."
        )
    found = [one for one in resources(candidates) if request.filter.match(one)]
    return len(found), found[start : start + count]


def _answer(kind: Any, total: int, page: list[Any], request: "SearchRequest[Any]") -> "ListResponse[Any]":
    answer: ListResponse[Any] = kind(
        total_results=total,
        start_index=request.start_index or 1,
        items_per_page=len(page),
        resources=page,
    )
    return answer
