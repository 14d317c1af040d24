"""The admin of deciding: policies by form, the catalogue, and read-only records."""

from interventions.views import (
    channel_admin,
    message_admin,
    policy_admin,
    record_admin,
    text_admin,
    token_admin,
    webhook_admin,
)

# These register their pages.
__all__ = [
    "channel_admin",
    "message_admin",
    "policy_admin",
    "record_admin",
    "text_admin",
    "token_admin",
    "webhook_admin",
]
