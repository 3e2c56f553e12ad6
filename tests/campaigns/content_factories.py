"""Contents, versions and files of ours."""

from __future__ import annotations

import hashlib

from django.core.files.base import ContentFile
from django.utils import timezone
from factory import LazyAttribute, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from campaigns.models import Content, ContentVersion, MediaAsset
from campaigns.rules.contents import AttachmentKind, ContentStatus
from tests.accounts.factories import EnterpriseFactory, UserFactory


class ContentFactory(DjangoModelFactory):
    class Meta:
        model = Content

    author = SubFactory(UserFactory)
    enterprise = SelfAttribute("author.enterprise")
    title = Sequence(lambda n: f"选题{n}")
    category = "knowledge"
    status = ContentStatus.DRAFTING


class PublishedVersionFactory(DjangoModelFactory):
    """Written by the author of a published content, published by a colleague."""

    class Meta:
        model = ContentVersion

    content = SubFactory(ContentFactory, status=ContentStatus.PUBLISHED)
    number = 1
    body = "周末读书会，欢迎报名"
    written_by = SelfAttribute("content.author")
    published_by = LazyAttribute(lambda v: UserFactory(enterprise=v.content.enterprise))
    published_at = LazyAttribute(lambda v: timezone.now())


class MediaAssetFactory(DjangoModelFactory):
    """A row with a small file behind it."""

    class Meta:
        model = MediaAsset

    enterprise = SubFactory(EnterpriseFactory)
    uploaded_by = LazyAttribute(lambda a: UserFactory(enterprise=a.enterprise))
    kind = AttachmentKind.IMAGE
    name = Sequence(lambda n: f"图{n}.jpg")
    sha256 = Sequence(lambda n: hashlib.sha256(str(n).encode()).hexdigest())
    size = 6
    file = Sequence(lambda n: ContentFile(b"\xff\xd8\xff123", name=f"{n}.jpg"))
