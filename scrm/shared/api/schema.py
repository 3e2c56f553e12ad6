"""OpenAPI: every operation documents the problems it can answer, under their own media type."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.openapi import AutoSchema

from scrm.shared.api.problems import MEDIA_TYPE, TITLES, ProblemSerializer

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class ProblemAutoSchema(AutoSchema):
    def _get_response_bodies(self, direction: Any = "response") -> Any:
        responses = super()._get_response_bodies(direction=direction)
        if direction != "response":
            return responses
        for status_code in self.problem_codes():
            if status_code not in responses:
                answer: Any = self._get_response_for_code(  # type: ignore[no-untyped-call]
                    ProblemSerializer, status_code, media_types=[MEDIA_TYPE]
                )
                responses[status_code] = {**answer, "description": str(TITLES[int(status_code)])}
        return responses

    def problem_codes(self) -> list[str]:
        codes = {"400", "401", "403", "405", "406", "429", "500", "503"}
        if "{" in self.path:
            codes.add("404")
        if self.method in WRITES:
            codes |= {"409", "413", "415"}
        if not self.view.get_permissions():
            codes -= {"401", "403"}
        return sorted(codes)

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        """The view's own words, then who may call it, so that nobody has to find out by a 403."""
        description = super().get_description() or ""
        capability = self.required_capability()
        if capability:
            needs = _("需要权限：`%(capability)s`。") % {"capability": capability}
            description = f"{description}\n\n{needs}".strip()
        return description

    def required_capability(self) -> str:
        declared = getattr(self.view, "required_capabilities", {})
        action = getattr(self.view, "action", None) or self.method.lower()
        return str(declared.get(action) or "")
