"""What speaks against putting a rule in force, found before rules multiply: overlaps, conflicts, what never applies."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from django.db.models import Q

from interventions.models import Lesson, Rule
from interventions.rules import condition, history, proxies, store
from interventions.rules.condition import When
from interventions.rules.history import Walk
from interventions.rules.region import impossible, meet
from learners.models import CompetencyItem, CompetencyLesson, Course, PlanStep
from signals.models import Event
from signals.training.association import Association
from signals.xapi.keys import activity_key

ALIKE = 0.5  # share of the rarer rule's times at which the other applied too


class Finding(NamedTuple):
    """One thing that was found. ``blocks``: it must be mended first; else a person reads it and decides."""

    kind: str  # overlapping, conflicting, dead, expired, ownerless, proxy
    message: str
    blocks: bool = False


class Checked(NamedTuple):
    """Everything a person should know before a rule is put in force."""

    preview: str
    findings: list[Finding]
    measured: list[Association]
    board_because: list[str]  # why the review board must look, as measured


def check(rule: Rule, *, now: datetime, looked: Walk | None = None) -> Checked:
    """Looks at this draft beside the rules in force, on the history of the last weeks.

    ``looked``: that history as walked for this rule and all of those already.
    """
    when = condition.load(rule.when)
    others = list(
        Rule.objects.filter(state=Rule.State.LIVE)
        .exclude(key=rule.key)
        .select_related("lesson")
        .order_by("position", "key")
    )
    whens = {other.key: condition.load(other.when) for other in others}
    looked = looked or history.walk({**whens, rule.key: when}, now=now)
    mine = looked.fired[rule.key]
    measured = proxies.measured({pk: pk in mine.enrolments for pk in looked.enrolments})
    because = proxies.too_strong(measured)
    findings = [
        *_unready(rule, now.date()),
        *_dead(rule, when, looked, now.date()),
        *(finding for other in others for finding in _beside(rule, when, other, whens[other.key], looked)),
    ]
    return Checked(history.in_words(mine, looked), findings, measured, because)


def flags(rule: Rule, *, today: date) -> list[str]:
    """What is wrong with a rule in force by itself: nobody answers for it, or its day is over."""
    found: list[str] = []
    if rule.state == Rule.State.RETIRED:
        return found
    if rule.owner is None or not rule.owner.is_active:
        found.append("nobody owns it")
    if rule.expires_on is None:
        found.append("it never expires")
    elif rule.expires_on <= today:
        found.append("it has expired and no longer applies")
    if rule.lesson is not None and not rule.lesson.is_open(today):
        found.append(f"its lesson {rule.lesson.key} is not suggested: {store.why_closed(rule.lesson, today)}")
    return found


def _unready(rule: Rule, today: date) -> list[Finding]:
    return [Finding(one.kind, one.message, blocks=True) for one in store.unready(rule, today=today)]


def _dead(rule: Rule, when: When, looked: Walk, today: date) -> list[Finding]:
    found = []
    nowhere = impossible(when)
    if nowhere:
        names = ", ".join(nowhere)
        found.append(Finding("dead", f"Its conditions rule each other out: {names}.", blocks=True))
    for clause in when.clauses:
        if clause.fact == "course" and not Course.objects.filter(iri=clause.value).exists():
            found.append(Finding("dead", f"There is no course {clause.value}.", blocks=True))
        if clause.what and not _is_known(clause.what):
            found.append(Finding("dead", f"Nothing is known under {clause.what}.", blocks=True))
    if (
        rule.action != Rule.Step.NUDGE
        and rule.lesson is None
        and not Lesson.objects.suggestible(on=today).exists()
    ):
        found.append(Finding("dead", "There is no active lesson that it could give.", blocks=True))
    if not nowhere and looked.looked_at and not looked.fired[rule.key].people:
        found.append(Finding("dead", "It would have applied to nobody in the last 8 weeks."))
    return found


def _is_known(iri: str) -> bool:
    """Does a course, a plan, a competency's lesson or item name it, or has anybody done anything with it?"""
    named = (
        Course.objects.filter(iri=iri).exists()
        or PlanStep.objects.filter(activity_iri=iri).exists()
        or CompetencyLesson.objects.filter(iri=iri).exists()
        or CompetencyItem.objects.filter(iri=iri).exists()
    )
    return named or Event.objects.filter(Q(activity=activity_key(iri))).order_by().exists()


def _beside(rule: Rule, when: When, other: Rule, its: When, looked: Walk) -> Sequence[Finding]:
    if rule.acts_alone != other.acts_alone or not meet(when, its):
        return ()
    mine, theirs = looked.fired[rule.key].decisions, looked.fired[other.key].decisions
    both = len(mine & theirs)
    share = both / min(len(mine), len(theirs)) if mine and theirs else 0.0
    same_words = condition.dump(when) == condition.dump(its)
    if not both and not same_words:
        return ()
    first = rule if (rule.position, rule.key) < (other.position, other.key) else other
    if (rule.action, rule.lesson_id, rule.message) != (other.action, other.lesson_id, other.message):
        return (
            Finding(
                "conflicting",
                f"“{other.title}” chooses something else for the same people at the same time. "
                f"There, “{first.title}” counts, because its position is lower.",
            ),
        )
    if share >= ALIKE or same_words:
        return (Finding("overlapping", f"“{other.title}” chooses the same for mostly the same people."),)
    return ()
