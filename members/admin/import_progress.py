"""How far an import is, above its facts; the page asks again while it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from members.models import ImportRun
from members.models.import_run import ImportPayload
from members.rules.imports import ImportState, progress_of, state_of
from scrm.accounts.admin_gates import may
from scrm.accounts.rules.roles import Capability

OFTEN = 2  # seconds
FRAGMENT = "members/import_progress.html"


@dataclass(frozen=True)
class Progress:
    run: ImportRun
    state: ImportState
    percent: int | None
    every: int  # seconds until the page asks again; 0: nobody reads it in the background
    is_left: bool
    may_download: bool


def progress_panel(request: HttpRequest, run: ImportRun) -> Progress:
    is_finished = run.finished_at is not None
    state = state_of(
        is_finished=is_finished,
        has_failed=bool(run.failure),
        has_begun=bool(run.byte_position),
    )
    share = progress_of(run.byte_position, run.total_size, is_finished=is_finished)
    return Progress(
        run=run,
        state=state,
        percent=None if share is None else round(100 * share),
        every=OFTEN if ImportPayload.objects.filter(run=run).exists() else 0,
        is_left=not is_finished,
        may_download=bool(run.rejected_count) and may(request, Capability.INGEST_ACTIVITY),
    )


class ImportProgress:
    """Whoever hands a file in is led to where its progress can be watched."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        page: Any = super()
        run = page.get_object(request, object_id) if object_id else None
        if run is None or not page.has_view_permission(request, run):
            return page.changeform_view(request, object_id, form_url, extra_context)
        panel = progress_panel(request, run)
        if request.GET.get("fragment") == "progress":
            if not panel.every:  # the facts below have moved too
                return HttpResponse(headers={"HX-Refresh": "true"})
            return render(request, FRAGMENT, {"progress": panel})
        context = {**(extra_context or {}), "progress": panel}
        return page.changeform_view(request, object_id, form_url, context)

    def response_add(
        self, request: HttpRequest, obj: ImportRun, post_url_continue: str | None = None
    ) -> Any:
        page: Any = super()
        response = page.response_add(request, obj, post_url_continue)
        if "_addanother" in request.POST:
            return response
        return HttpResponseRedirect(reverse("admin:members_importrun_change", args=[obj.pk]))
