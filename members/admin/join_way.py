"""Join ways as operators see them: here, because what came of them is known by stays."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from communities.models import GroupChat, JoinRoute, JoinWay
from communities.rules.status import JoinWayState
from communities.services.join_ways import (
    RouteFields,
    close_join_way,
    create_join_way,
    edit_join_way,
    pause_join_way,
    resume_join_way,
    set_routes,
)
from members.admin.words import NOTHING
from members.selectors.join_ways import Period, figures_of, with_figures
from scrm.accounts.admin_scope import (
    EnterpriseModelAdmin,
    EnterpriseTabularInline,
    admin_user,
    confirm,
)
from scrm.accounts.rules.roles import Capability

DAYS = 30
STATE_COLOURS = {
    JoinWayState.ACTIVE: "success",
    JoinWayState.PAUSED: "warning",
    JoinWayState.CLOSED: "danger",
}


class Routes(EnterpriseTabularInline[JoinRoute, JoinWay]):
    """The chats of a way, saved together by one verb."""

    model = JoinRoute
    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.MANAGE_COMMUNITIES
    change_capability = Capability.MANAGE_COMMUNITIES
    delete_capability = Capability.MANAGE_COMMUNITIES
    verbose_name = _("客户群")
    verbose_name_plural = _("分流（不选则通往社群的所有客户群）")
    fields = ("chat", "people", "weight", "region")
    readonly_fields = ("people",)
    ordering = ("pk",)
    way: JoinWay | None = None

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[JoinRoute]:
        return super().get_queryset(request).select_related("chat", "region")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        self.way = obj
        return super().get_formset(request, obj, **kwargs)

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "chat" and self.way is not None:
            kwargs["queryset"] = GroupChat.objects.live().filter(community=self.way.community_id)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @display(description=_("人数 / 容量"))
    def people(self, route: JoinRoute) -> str:
        return f"{route.chat.member_count} / {route.chat.capacity}" if route.pk else NOTHING


@admin.register(JoinWay)
class JoinWayAdmin(EnterpriseModelAdmin[JoinWay]):
    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.MANAGE_COMMUNITIES
    change_capability = Capability.MANAGE_COMMUNITIES
    create_verb = create_join_way
    update_verb = edit_join_way
    list_display = ("title", "community", "source", "state_label", "scans", "joins", "quits")
    list_filter = (("state", MultipleChoicesDropdownFilter), "community")
    list_select_related = ("community",)
    search_fields = ("name", "code", "source", "community__name")
    autocomplete_fields = ("community",)
    fields = ("community", ("name", "source"))
    ordering = ("-pk",)
    inlines = (Routes,)
    actions_detail = ("pause", "resume", "close")

    class Media:
        js = ("shared/copy.js",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[JoinWay]:
        zone = admin_user(request).enterprise.zone
        period = Period.until(timezone.now(), days=DAYS, zone=zone)
        return with_figures(super().get_queryset(request), period)

    def get_fields(self, request: HttpRequest, obj: JoinWay | None = None) -> Any:
        if obj is None:
            return self.fields
        return (("community", "state"), ("name", "source"), "poster", "last_days")

    def get_readonly_fields(self, request: HttpRequest, obj: JoinWay | None = None) -> Any:
        return () if obj is None else ("community", "state", "poster", "last_days")

    def get_inlines(self, request: HttpRequest, obj: JoinWay | None) -> Any:
        return self.inlines if obj else ()

    def idle_buttons(self, row: JoinWay) -> set[str]:
        if row.state == JoinWayState.CLOSED:
            return {"pause", "resume", "close"}
        return {"pause"} if row.state == JoinWayState.PAUSED else {"resume"}

    def save_model(self, request: HttpRequest, obj: JoinWay, form: Any, change: bool) -> None:
        if form.changed_data:
            super().save_model(request, obj, form, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save(commit=False)  # tells Django's own diary what changed
        if not formset.has_changed():
            return
        routes = [
            RouteFields(chat=row["chat"], weight=row["weight"], region=row["region"])
            for row in formset.cleaned_data
            if row and not row.get("DELETE")
        ]
        set_routes(form.instance.pk, routes=routes, actor=admin_user(request))

    @display(description=_("群活码"), ordering="name", header=True)
    def title(self, way: JoinWay) -> list[str]:
        return [way.name, way.code, way.name[:1]]

    @display(description=_("状态"), ordering="state", label=STATE_COLOURS)
    def state_label(self, way: JoinWay) -> tuple[str, str]:
        return way.state, way.get_state_display()

    @display(description=_("30 天扫码"), ordering="scans")
    def scans(self, way: Any) -> int:
        return int(way.scans)

    @display(description=_("30 天入群"), ordering="joins")
    def joins(self, way: Any) -> int:
        return int(way.joins)

    @display(description=_("30 天退群"), ordering="quits")
    def quits(self, way: Any) -> int:
        return int(way.quits)

    @display(description=_("短链与二维码"))
    def poster(self, way: JoinWay) -> SafeString | str:
        routes = way.routes.exclude(region=None).select_related("region")
        regions = {route.region.code: route.region.name for route in routes if route.region}
        words = {"way": way, "regions": sorted(regions.items())}
        return render_to_string("communities/join_way_poster.html", words)

    @display(description=_("最近 30 天"))
    def last_days(self, way: JoinWay) -> str:
        period = Period.until(timezone.now(), days=DAYS, zone=way.enterprise.zone)
        found = figures_of(way, period)
        return gettext(
            "扫码 %(scans)d · 入群 %(joins)d（7 天内退群 %(early_quits)d）"
            " · 退群 %(quits)d · 现在在群 %(current)d"
        ) % vars(found)

    @action(
        description=_("暂停"),
        icon="pause",
        variant=ActionVariant.WARNING,
        permissions=["change"],
        dialog=confirm(_("暂停"), _("扫码的人会看到暂时不能入群，可以随时恢复。")),
    )
    def pause(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, pause_join_way, done=gettext("已暂停。"))

    @action(
        description=_("恢复"),
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
        permissions=["change"],
        dialog=confirm(_("恢复"), _("扫码的人又会被带到有空位的群。")),
    )
    def resume(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, resume_join_way, done=gettext("已恢复。"))

    @action(
        description=_("停用"),
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["change"],
        dialog=confirm(_("停用"), _("不能恢复，这个短码以后也不再使用。已印出的海报将失效。")),
    )
    def close(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, close_join_way, done=gettext("已停用。"))
