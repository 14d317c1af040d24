"""Identity providers and their groups in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from consent import audit
from consent.actors import Party
from consent.read_only import ReadOnly
from learners.models import ScimClient, ScimGroup, User
from learners.scim import clients


def _acting(request: HttpRequest) -> Party:
    assert isinstance(request.user, User)  # the admin site lets nobody else in
    return Party("user", request.user.pk)


@admin.register(ScimClient)
class ScimClientAdmin(admin.ModelAdmin):
    """A new client's token is shown once, after saving; nobody can see it again."""

    list_display = ("name", "groups_mean", "is_active", "last_used_at", "people_count")
    list_filter = ("is_active",)
    fields = ("name", "groups_mean", "home_page", "is_active")
    readonly_fields = ("created_at", "last_used_at")
    actions = ("renew",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fields = ("name", "groups_mean", "home_page", "is_active")
        return fields if obj is None else (*fields, "created_at", "last_used_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ScimClient]:
        return ScimClient.objects.annotate(people_number=Count("people"))

    @admin.display(description="people")
    def people_count(self, client: Any) -> int:
        return int(client.people_number)

    def save_model(self, request: HttpRequest, obj: ScimClient, form: Any, change: bool) -> None:
        now = timezone.now()
        if change:
            super().save_model(request, obj, form, change)
            if "is_active" in form.changed_data and not obj.is_active:
                self._trace(request, "scim.client_revoked", obj)
            return
        made = clients.create(name=obj.name, groups_mean=obj.groups_mean, home_page=obj.home_page, now=now)
        is_active = obj.is_active
        obj.pk, obj._state.adding = made.client.pk, False
        obj.refresh_from_db()
        if not is_active:
            obj.is_active = False
            obj.save(update_fields=["is_active"])
        self._show(request, made)
        self._trace(request, "scim.client_created", obj)

    @admin.action(description="Give a new token (the old one stops working)")
    def renew(self, request: HttpRequest, queryset: QuerySet[ScimClient]) -> None:
        for client in queryset:
            self._show(request, clients.create(name=client.name, now=timezone.now()))
            self._trace(request, "scim.client_renewed", client)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its people name it; take it out of use instead

    def _trace(self, request: HttpRequest, action: str, client: ScimClient) -> None:
        audit.record(
            actor=_acting(request),
            action=action,
            target=Party("scim_client", client.pk),
            now=timezone.now(),
        )

    def _show(self, request: HttpRequest, made: clients.NewClient) -> None:
        self.message_user(
            request,
            f"{made.client.name}: token {made.token}. It is shown only now.",
            messages.WARNING,
        )


@admin.register(ScimGroup)
class ScimGroupAdmin(ReadOnly, admin.ModelAdmin):
    """What groups came in and what each stands for; the identity provider edits them, nobody else."""

    list_display = ("display_name", "client", "unit", "role_name", "members")
    list_filter = ("client",)
    list_select_related = ("client", "unit", "role_name")
    search_fields = ("display_name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ScimGroup]:
        return ScimGroup.objects.annotate(member_number=Count("memberships"))

    @admin.display(description="members")
    def members(self, group: Any) -> int:
        return int(group.member_number)
