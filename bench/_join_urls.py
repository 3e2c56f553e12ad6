"""The product's addresses, and a bare view that does nothing but redirect."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path

from scrm.urls import handler400, handler403, handler404, handler500
from scrm.urls import urlpatterns as of_the_product


def bare(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("https://chat.example/0")


urlpatterns = [path("bare", bare), *of_the_product]

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]
