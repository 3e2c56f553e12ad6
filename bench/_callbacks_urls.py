"""The product's addresses, and a bare view that stores what it is sent."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from scrm.urls import handler400, handler403, handler404, handler500
from scrm.urls import urlpatterns as of_the_product


@csrf_exempt
def bare(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bench_body (body) VALUES (%s)", [request.body.decode()])
    return HttpResponse(b"success", content_type="text/plain; charset=utf-8")


urlpatterns = [path("bare", bare), *of_the_product]

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]
