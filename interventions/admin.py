"""The admin of deciding: policies by form, the catalogue, and read-only records."""

from interventions.views import busy_admin, policy_admin, record_admin, rule_admin, text_admin

# These register their pages.
__all__ = ["busy_admin", "policy_admin", "record_admin", "rule_admin", "text_admin"]
