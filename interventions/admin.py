"""The admin of deciding: policies by form, the catalogue, and read-only records."""

from interventions.views import (
    automation_admin,
    busy_admin,
    channel_admin,
    message_admin,
    place_admin,
    policy_admin,
    record_admin,
    rule_admin,
    text_admin,
    token_admin,
    webhook_admin,
)

# These register their pages.
__all__ = [
    "automation_admin",
    "busy_admin",
    "channel_admin",
    "message_admin",
    "place_admin",
    "policy_admin",
    "record_admin",
    "rule_admin",
    "text_admin",
    "token_admin",
    "webhook_admin",
]
