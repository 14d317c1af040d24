"""What we decide and do: policy, episodes, decisions, limits, deliveries, outcomes and the catalogue."""

from interventions.models.automation import AutomaticRoute
from interventions.models.catalogue import Lesson, LessonText, LessonVisit, MessageText
from interventions.models.deciding import Approval, Attempt, Decision, Episode, Escalation, HelpRequest, Watch
from interventions.models.delivering import AlertSlot, Answer, Delivery, ManagerAsk, Outcome, Suppression
from interventions.models.holding import BusyPeriod, Hold, HoldReason
from interventions.models.places import LessonPlace, PlatformEnrolment
from interventions.models.policies import Policy, PolicyProposal
from interventions.models.reaching import (
    ApiToken,
    ChatConnection,
    UnreachableAddress,
    WebhookEndpoint,
    WebhookMessage,
)
from interventions.models.rooms import CoachRoom
from interventions.models.rules import Rule

__all__ = [
    "AlertSlot",
    "Answer",
    "ApiToken",
    "Approval",
    "Attempt",
    "AutomaticRoute",
    "BusyPeriod",
    "ChatConnection",
    "CoachRoom",
    "Decision",
    "Delivery",
    "Episode",
    "Escalation",
    "HelpRequest",
    "Hold",
    "HoldReason",
    "Lesson",
    "LessonPlace",
    "LessonText",
    "LessonVisit",
    "ManagerAsk",
    "MessageText",
    "Outcome",
    "PlatformEnrolment",
    "Policy",
    "PolicyProposal",
    "Rule",
    "Suppression",
    "UnreachableAddress",
    "Watch",
    "WebhookEndpoint",
    "WebhookMessage",
]
