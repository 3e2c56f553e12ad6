import base64

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from rest_framework.test import APIClient

from campaigns.models import Content, LexiconTerm, MediaAsset, RunReport
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import BroadcastFactory, colleague_of
from tests.campaigns.content_factories import MediaAssetFactory, PublishedVersionFactory
from tests.members.pictures import jpeg

pytestmark = pytest.mark.django_db

CONFIRMED = {"_form_submitted": "on"}


@pytest.fixture
def author():
    return UserFactory(role=Role.OPERATOR)


@pytest.fixture
def reviewer(author):
    return colleague_of(author, role=Role.REVIEWER)


def api_of(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_a_content_is_written_and_published_by_programs(author, reviewer):
    api, other = api_of(author), api_of(reviewer)
    made = api.post("/api/v1/contents/", {"title": "读书会", "category": "event"}, format="json")
    own = f"/api/v1/contents/{made.json()['id']}/"
    body = {"body": "全网最低价的读书会", "attachments": []}
    version = api.post(f"{own}versions/", body, format="json")
    assert version.status_code == 201, version.content
    (finding,) = version.json()["findings"]
    assert (finding["term"], finding["severity"]) == ("全网最低价", "block")

    assert api.post(f"{own}submit/").json()["status"] == "review"
    assert api.post(f"{own}publish/").status_code == 403
    published = other.post(f"{own}publish/").json()
    assert (published["status"], published["published_version"]) == (
        "published",
        version.json()["id"],
    )
    assert api.post(f"{own}optimise/", {"learnt": "短"}, format="json").status_code == 409
    refused = api.post(f"{own}collect-feedback/")
    assert refused.json()["status"] == "feedback"
    assert api.get("/api/v1/contents/?status=feedback&title=读书").json()["results"]


def test_versions_come_with_what_was_measured(author):
    version = PublishedVersionFactory(content__author=author)
    broadcast = BroadcastFactory(author=author)
    run = broadcast.runs.create(planned_for="2026-01-01T00:00Z", content_version=version)
    RunReport.objects.create(run=run, figures={"people_reached": 8, "net_amount": None})

    (row,) = api_of(author).get(f"/api/v1/contents/{version.content_id}/versions/").json()

    assert row["result"]["people_reached"] == 8
    assert row["result"]["net_amount"] is None


def test_a_file_comes_in_as_base64_and_is_shown_only_to_the_own_enterprise(author):
    api = api_of(author)
    content = base64.b64encode(jpeg(9)).decode()
    made = api.post(
        "/api/v1/media-assets/", {"name": "海报.jpg", "content": content}, format="json"
    )
    assert made.status_code == 201, made.content
    own = f"/api/v1/media-assets/{made.json()['id']}/"

    shown = api.get(f"{own}file/")

    assert shown.headers["Content-Type"] == "image/jpeg"
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert shown.content[:3] == b"\xff\xd8\xff"
    assert api_of(UserFactory()).get(f"{own}file/").status_code == 404
    for wrong in ("%%%", "", 5):
        body = {"name": "a.jpg", "content": wrong}
        refused = api.post("/api/v1/media-assets/", body, format="json")
        assert refused.status_code == 400, refused.content


def test_a_text_is_judged_without_being_kept(author):
    manager = colleague_of(author, role=Role.ADMINISTRATOR)
    body = {"term": "神药", "severity": "block", "exceptions": ["神药铺"]}
    assert api_of(author).post("/api/v1/lexicon-terms/", body, format="json").status_code == 403
    made = api_of(manager).post("/api/v1/lexicon-terms/", body, format="json")
    assert made.status_code == 201, made.content

    answer = api_of(author).post(
        "/api/v1/lexicon-terms/check/", {"body": "神药铺的神药"}, format="json"
    )

    (finding,) = answer.json()["findings"]
    assert (finding["quote"], finding["start"]) == ("神药", 4)
    assert "+" in answer.json()["version"]


# --- Operators ----------------------------------------------------------------------------------


def form_of(page, **typed):
    """What the page would post if nothing but ``typed`` was changed."""
    form = page.context["adminform"].form
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    prepared = {
        name: form.fields[name].prepare_value(value)
        for name, value in values.items()
        if value is not None
    }
    management = {
        key: 0
        for formset in page.context["inline_admin_formsets"]
        for key in (
            f"{formset.formset.prefix}-TOTAL_FORMS",
            f"{formset.formset.prefix}-INITIAL_FORMS",
        )
    }
    return {**prepared, **management, **typed}


def test_an_operator_writes_a_version_on_one_page(client, author):
    client.force_login(author)
    add = reverse("admin:campaigns_content_add")
    client.post(add, form_of(client.get(add), title="读书会", category="event"))
    content = Content.objects.get()
    page = reverse("admin:campaigns_content_change", args=[content.pk])

    saved = client.post(page, form_of(client.get(page), body="周六见", attachments=""))

    assert saved.status_code == 302, saved.context["adminform"].form.errors
    assert content.versions.get().body == "周六见"
    shown = client.get(page)
    assert "没有发现违禁词" in shown.content.decode()
    assert "ContentStatus" not in shown.content.decode()
    assert "(&#x27;drafting" not in shown.content.decode()
    assert "提交审核" in shown.content.decode()
    assert "收集反馈" not in shown.content.decode()  # leads nowhere from here
    client.post(reverse("admin:campaigns_content_submit", args=[content.pk]), CONFIRMED)
    content.refresh_from_db()
    assert content.status == "review"


def test_an_operator_uploads_and_looks_at_a_file(client, author):
    client.force_login(author)
    upload = SimpleUploadedFile("海报.jpg", jpeg(3), content_type="image/jpeg")
    saved = client.post(reverse("admin:campaigns_mediaasset_add"), {"upload": upload, "kind": ""})
    assert saved.status_code == 302, saved.context["adminform"].form.errors
    asset = MediaAsset.objects.get()
    page = client.get(reverse("admin:campaigns_mediaasset_change", args=[asset.pk]))
    assert "海报.jpg" in page.content.decode()

    change = reverse("admin:campaigns_mediaasset_change", args=[asset.pk])
    assert client.post(change, {"name": asset.name}).status_code == 302
    assert not AuditEvent.objects.filter(verb="rename_media").exists()

    shown = client.get(reverse("admin:campaigns_mediaasset_file", args=[asset.pk]))
    assert shown.headers["Content-Type"] == "image/jpeg"
    stranger = MediaAssetFactory()
    assert client.get(
        reverse("admin:campaigns_mediaasset_file", args=[stranger.pk])
    ).status_code in {302, 404}
    wrong = SimpleUploadedFile("a.jpg", b"MZ" + bytes(50))
    page = client.post(reverse("admin:campaigns_mediaasset_add"), {"upload": wrong, "kind": ""})
    assert "不支持这种文件" in page.content.decode()


def test_an_operator_writes_a_term_with_its_exceptions(client):
    client.force_login(UserFactory(role=Role.ADMINISTRATOR))
    add = reverse("admin:campaigns_lexiconterm_add")
    body = {"term": "最后", "kind": "own", "severity": "hint", "is_active": "on"}

    refused = client.post(add, body | {"exceptions": "第一天"})
    saved = client.post(add, body | {"exceptions": "最后一天\n最后，"})

    assert "里没有" in refused.content.decode()
    assert saved.status_code == 302
    assert LexiconTerm.objects.get().exceptions == ["最后一天", "最后，"]
