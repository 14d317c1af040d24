"""What we decide and do: policy, episodes, decisions, limits, deliveries, outcomes and the catalogue."""

from interventions.models.catalogue import Lesson, LessonText, LessonVisit, MessageText
from interventions.models.deciding import Approval, Attempt, Decision, Episode, Escalation, HelpRequest, Watch
from interventions.models.delivering import AlertSlot, Answer, Delivery, ManagerAsk, Outcome, Suppression
from interventions.models.policies import Policy
from interventions.models.reaching import (
    ApiToken,
    ChatConnection,
    UnreachableAddress,
    WebhookEndpoint,
    WebhookMessage,
)

__all__ = [
    "AlertSlot",
    "Answer",
    "ApiToken",
    "Approval",
    "Attempt",
    "ChatConnection",
    "Decision",
    "Delivery",
    "Episode",
    "Escalation",
    "HelpRequest",
    "Lesson",
    "LessonText",
    "LessonVisit",
    "ManagerAsk",
    "MessageText",
    "Outcome",
    "Policy",
    "Suppression",
    "UnreachableAddress",
    "Watch",
    "WebhookEndpoint",
    "WebhookMessage",
]
