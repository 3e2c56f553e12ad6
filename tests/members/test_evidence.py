import io
from datetime import timedelta

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from communities.rules.kinds import EntryMode
from members.errors import EvidenceNotAsked, PhotoIsDamaged, TooManyUploads
from members.models import Evidence, MemberClassification
from members.models.evidence import evidence_storage
from members.rules.standing import ClassificationSource, EvidenceStatus
from members.rules.status import ApplicationStatus, JoinSource
from members.selectors.evidence import claimed_values, missing_evidence
from members.selectors.evidence_address import photo_path
from members.services.evidencing import approve_evidence_of, reject_evidence_of
from members.services.joining import apply_for_entry
from members.services.uploading import remove_orphan_photos, submit_evidence
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import DataScope, Role
from tests.accounts.factories import UserFactory
from tests.communities.factories import (
    ClassificationAxisFactory,
    ClassificationValueFactory,
    CommunityFactory,
    EntryPolicyFactory,
)
from tests.members.factories import EvidenceFactory, MemberFactory
from tests.members.pictures import encoded, jpeg, photo_from_a_phone, picture, upload

pytestmark = pytest.mark.django_db


@pytest.fixture
def community():
    """Asks everybody for a photo of the breed."""
    community = CommunityFactory(policy=None)
    axis = ClassificationAxisFactory(
        enterprise=community.enterprise, name="品种", is_exclusive=True, evidence_valid_days=30
    )
    EntryPolicyFactory(community=community, mode=EntryMode.OPEN).evidence_axes.add(axis)
    return community


@pytest.fixture
def corgi(community):
    axis = community.entry_policies.get().evidence_axes.get()
    return ClassificationValueFactory(axis=axis, code="corgi", name="柯基")


@pytest.fixture
def application(community):
    return applied(community)


@pytest.fixture
def reviewer(community):
    return UserFactory(enterprise=community.enterprise, role=Role.REVIEWER)


def applied(community):
    member = MemberFactory(enterprise=community.enterprise)
    return apply_for_entry(member, community=community, source=JoinSource.JOIN_PAGE, actor=None)


def bring(application, value, data=None):
    return submit_evidence(application.pk, value=value, upload=upload(data or jpeg()))


def files_of(enterprise_id):
    try:
        return set(evidence_storage().listdir(str(enterprise_id))[1])
    except FileNotFoundError:
        return set()


# --- handing in ---


def test_an_application_waits_for_its_photo(application, corgi):
    assert application.status == ApplicationStatus.EVIDENCE_PENDING
    assert missing_evidence(application) == [corgi.axis]

    evidence = bring(application, corgi)

    application.refresh_from_db()
    assert application.status == ApplicationStatus.IN_REVIEW
    assert missing_evidence(application) == []
    assert claimed_values(application) == {corgi.pk}
    assert evidence.status == EvidenceStatus.PENDING
    assert AuditEvent.objects.filter(verb="submit_evidence", object_id=evidence.pk).exists()


def test_the_file_that_is_kept_is_clean_private_and_unguessable(client, application, corgi):
    evidence = bring(application, corgi, photo_from_a_phone())

    name = evidence.photo.name
    assert name.startswith(f"{application.enterprise_id}/")
    assert len(name.rpartition("/")[2]) == 44
    with evidence.photo.open("rb") as file:
        kept = file.read()
    assert b"Zhang San" not in kept
    assert Image.open(io.BytesIO(kept)).size == (evidence.width, evidence.height) == (480, 640)
    assert len(kept) == evidence.byte_count
    assert client.get(evidence.photo.url).status_code == 404


def test_a_photo_under_review_is_not_swapped(application, corgi):
    bring(application, corgi)

    with pytest.raises(EvidenceNotAsked):
        bring(application, corgi, jpeg(2))

    assert Evidence.objects.count() == 1


def test_a_new_photo_takes_the_place_of_the_former(community, corgi):
    other = ClassificationValueFactory(axis__enterprise=community.enterprise)
    community.entry_policies.get().evidence_axes.add(other.axis)
    application = applied(community)
    husky = ClassificationValueFactory(axis=corgi.axis)
    first = bring(application, corgi)

    second = bring(application, husky, jpeg(2))

    first.refresh_from_db()
    assert (first.status, second.status) == (EvidenceStatus.REJECTED, EvidenceStatus.PENDING)
    assert claimed_values(application) == {husky.pk}
    bring(application, corgi, jpeg(3))
    with pytest.raises(TooManyUploads):
        bring(application, corgi, jpeg(4))


def test_a_photo_nobody_asked_for_is_refused(application, community):
    other = ClassificationValueFactory(axis__enterprise=community.enterprise)

    with pytest.raises(EvidenceNotAsked):
        bring(application, other)


def test_a_decided_application_takes_no_photo(application, corgi):
    application.status = ApplicationStatus.WITHDRAWN
    application.save()

    with pytest.raises(EvidenceNotAsked):
        bring(application, corgi)


def test_a_failed_upload_leaves_no_file(application, corgi, monkeypatch):
    before = files_of(application.enterprise_id)
    with pytest.raises(PhotoIsDamaged):
        bring(application, corgi, jpeg()[:900])

    def clash(**_fields):
        raise RuntimeError

    monkeypatch.setattr(Evidence.objects, "create", clash)
    with pytest.raises(RuntimeError):
        bring(application, corgi)

    assert files_of(application.enterprise_id) == before
    assert not Evidence.objects.exists()


def test_files_that_no_row_knows_are_swept_away_after_an_hour(application, corgi):
    evidence = bring(application, corgi)
    orphan = evidence_storage().save(
        f"{application.enterprise_id}/{'f' * 40}.jpg", ContentFile(b"x")
    )

    remove_orphan_photos(timezone.now())
    assert evidence_storage().exists(orphan)

    remove_orphan_photos(timezone.now() + timedelta(hours=2))
    assert not evidence_storage().exists(orphan)
    assert evidence_storage().exists(evidence.photo.name)


# --- deciding ---


def test_approved_evidence_classifies_for_as_long_as_the_axis_says(application, corgi, reviewer):
    bring(application, corgi)

    approve_evidence_of(application, decided_by=reviewer)

    evidence = Evidence.objects.get()
    held = MemberClassification.objects.get()
    assert (evidence.status, evidence.decided_by) == (EvidenceStatus.APPROVED, reviewer)
    assert evidence.classification == held
    assert (held.value, held.source) == (corgi, ClassificationSource.EVIDENCE)
    left = held.expires_at - timezone.now()
    assert timedelta(days=29) < left <= timedelta(days=30)


def test_who_has_proven_it_is_not_asked_again(application, community, corgi, reviewer):
    bring(application, corgi)
    approve_evidence_of(application, decided_by=reviewer)
    application.status = ApplicationStatus.WITHDRAWN
    application.save()

    again = apply_for_entry(
        application.member, community=community, source=JoinSource.API, actor=None
    )

    assert missing_evidence(again) == []


def test_rejected_evidence_proves_nothing(application, corgi, reviewer):
    bring(application, corgi)

    reject_evidence_of(application, decided_by=reviewer, reason="看不出品种")

    evidence = Evidence.objects.get()
    assert (evidence.status, evidence.reason) == (EvidenceStatus.REJECTED, "看不出品种")
    assert not MemberClassification.objects.exists()
    assert claimed_values(application) == frozenset()


# --- the same photo elsewhere ---


def sighted(evidence, user):
    return Evidence.objects.with_sightings(user).get(pk=evidence.pk)


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(jpeg(7, quality=92), id="the same file"),
        pytest.param(jpeg(7, quality=55), id="saved again"),
        pytest.param(encoded(picture(7).resize((320, 240)), "PNG"), id="small, as a png"),
    ],
)
def test_the_same_photo_of_another_member_is_flagged_both_ways(community, corgi, reviewer, again):
    first = bring(applied(community), corgi, jpeg(7, quality=92))
    second = bring(applied(community), corgi, again)
    other = bring(applied(community), corgi, jpeg(8))

    assert sighted(second, reviewer).seen_count == sighted(first, reviewer).seen_count == 1
    assert sighted(second, reviewer).seen_by == [
        {"id": first.member_id, "nickname": first.member.nickname}
    ]
    assert sighted(other, reviewer).seen_count == 0


def test_ones_own_photo_and_that_of_another_company_are_not_flagged(community, corgi, reviewer):
    mine = bring(applied(community), corgi, jpeg(7))
    EvidenceFactory(file_digest=mine.file_digest, picture_digest=mine.picture_digest)
    EvidenceFactory(
        application__community=community,
        application__member=mine.member,
        application__status=ApplicationStatus.WITHDRAWN,
        file_digest=mine.file_digest,
    )

    assert sighted(mine, reviewer).seen_count == 0


def test_a_reviewer_with_a_narrow_scope_is_told_only_the_number(community, corgi):
    narrow = UserFactory(
        enterprise=community.enterprise, role=Role.REVIEWER, data_scope=DataScope.OWN_COMMUNITIES
    )
    first = bring(applied(community), corgi)
    second = bring(applied(community), corgi)

    assert sighted(first, narrow).seen_count == 1
    assert sighted(second, narrow).seen_by == []


# --- looking ---


@pytest.fixture
def evidence(application, corgi):
    return bring(application, corgi)


def test_a_reviewer_sees_the_photo_for_five_minutes(client, evidence, reviewer):
    path = photo_path(evidence.pk, user_id=reviewer.pk)

    response = client.get(path)

    assert response.status_code == 200
    assert response.content.startswith(b"\xff\xd8")
    assert response["Content-Type"] == "image/jpeg"
    assert response["Cache-Control"] == "no-store"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"].startswith("inline")
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    seen = AuditEvent.objects.get(verb="view_evidence")
    assert (seen.actor, seen.object_id) == (reviewer, evidence.pk)

    with time_machine.travel(timezone.now() + timedelta(seconds=301)):
        assert client.get(path).status_code == 404


def disabled(user):
    user.is_active = False


def demoted(user):
    user.role = Role.ANALYST


def moved(user):
    user.enterprise = UserFactory().enterprise


def narrowed(user):
    user.data_scope = DataScope.OWN_COMMUNITIES


@pytest.mark.parametrize("change", [disabled, demoted, moved, narrowed])
def test_an_address_is_worth_nothing_once_its_user_may_not_look(client, evidence, reviewer, change):
    path = photo_path(evidence.pk, user_id=reviewer.pk)
    change(reviewer)
    reviewer.save()

    assert client.get(path).status_code == 404
    assert not AuditEvent.objects.filter(verb="view_evidence").exists()


def test_a_forged_address_is_worth_nothing(client, evidence, reviewer):
    path = photo_path(evidence.pk, user_id=reviewer.pk)

    assert client.get(path[:-1] + ("a" if path[-1] != "a" else "b")).status_code == 404
    assert client.get("/evidence/x").status_code == 404
    assert client.get(f"/evidence/{evidence.pk}").status_code == 404


def test_a_photo_whose_file_is_gone_answers_404(client, evidence, reviewer):
    evidence_storage().delete(evidence.photo.name)

    assert client.get(photo_path(evidence.pk, user_id=reviewer.pk)).status_code == 404


# --- the API and the admin ---


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_takes_the_same_number_of_queries_for_any_length(
    client, community, corgi, reviewer, count, django_assert_num_queries
):
    for _ in range(count):
        EvidenceFactory(application__community=community, value=corgi, file_digest="same")
    client.force_login(reviewer)

    with django_assert_num_queries(3):
        body = client.get("/api/v1/evidence/").json()

    assert [row["seen_count"] for row in body["results"]] == [count - 1] * count


def test_the_api_gives_an_address_that_works(client, evidence, reviewer):
    client.force_login(reviewer)

    row = client.get(f"/api/v1/evidence/{evidence.pk}/").json()

    assert (row["value_name"], row["axis_name"]) == ("柯基", "品种")
    assert client.get(row["photo_url"]).status_code == 200


@pytest.mark.parametrize("role", [Role.ANALYST, Role.READ_ONLY])
def test_only_reviewers_see_evidence(client, evidence, role):
    client.force_login(UserFactory(enterprise=evidence.enterprise, role=role, is_staff=True))

    assert client.get("/api/v1/evidence/").status_code == 403
    assert client.get(reverse("admin:members_evidence_changelist")).status_code == 403


def test_doubles_can_be_asked_for(client, community, corgi, reviewer):
    bring(applied(community), corgi, jpeg(1))
    twice = [bring(applied(community), corgi, jpeg(2)) for _ in range(2)]
    client.force_login(reviewer)

    found = client.get("/api/v1/evidence/?seen_elsewhere=true").json()["results"]

    assert {row["id"] for row in found} == {one.pk for one in twice}


def test_the_admin_shows_photo_and_doubles(client, community, corgi, reviewer):
    reviewer.is_staff = True
    reviewer.save()
    first, second = (bring(applied(community), corgi) for _ in range(2))
    client.force_login(reviewer)

    listed = client.get(reverse("admin:members_evidence_changelist")).content.decode()
    page = client.get(reverse("admin:members_evidence_change", args=[second.pk])).content.decode()

    assert "另有 1 位成员用过" in listed
    assert first.member.nickname in page
    source = page.split('<img src="/evidence/')[1].split('"')[0]
    assert client.get(f"/evidence/{source}").status_code == 200


def test_the_page_of_an_application_shows_its_photos(client, community, corgi, reviewer):
    reviewer.is_staff = True
    reviewer.save()
    evidence = bring(applied(community), corgi)
    client.force_login(reviewer)

    page = client.get(
        reverse("admin:members_entryapplication_change", args=[evidence.application_id])
    ).content.decode()

    assert '<img src="/evidence/' in page
    assert "没有其他人用过" in page
