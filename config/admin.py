"""The admin site: for people whose roles include admin, signed in like everyone else."""

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest


class RekindleAdminSite(admin.AdminSite):
    site_title = site_header = "Rekindle admin"
    index_title = "Settings and records"

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and getattr(request.user, "is_staff", False))


class RekindleAdminConfig(AdminConfig):
    default_site = "config.admin.RekindleAdminSite"
