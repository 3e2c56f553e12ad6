import io
import zipfile
from pathlib import Path
from unittest.mock import ANY

import pytest
from PIL import Image

from campaigns.errors import BadFile, FileTooLarge
from campaigns.models import MediaAsset
from campaigns.rules.media import MEGABYTE, clean_name
from campaigns.services.media import rename_media, upload_media
from scrm.accounts.models import AuditEvent
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import colleague_of
from tests.members.pictures import (
    animated,
    encoded,
    jpeg,
    photo_from_a_phone,
    picture,
    png_that_claims,
)

MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(100)
PDF = b"%PDF-1.7\n" + bytes(100)


def document(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


WORD = document("[Content_Types].xml", "word/document.xml")


@pytest.fixture
def actor(db):
    return UserFactory()


def kept(actor, data, name="a", kind=""):
    return upload_media(actor=actor, upload=io.BytesIO(data), name=name, kind=kind)


@pytest.mark.parametrize(
    ("data", "name", "kind", "kept_as"),
    [
        (jpeg(), "海报.PNG", "image", "海报.jpg"),
        (encoded(picture(2), "PNG"), "../图", "image", "图.png"),
        (MP4, "片子.mov", "video", "片子.mp4"),
        (PDF, "资料.pdf", "file", "资料.pdf"),
        (WORD, "表.docm", "file", "表.docx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(20), "老.xls", "file", "老.xls"),
        ("姓名,电话\n".encode(), "名单.csv", "file", "名单.csv"),
    ],
)
def test_a_file_is_what_its_bytes_say_whatever_it_is_called(actor, data, name, kind, kept_as):
    asset = kept(actor, data, name)

    assert (asset.kind, asset.name) == (kind, kept_as)
    assert asset.size == asset.file.size
    assert AuditEvent.objects.get(verb="upload_media").after["sha256"] == asset.sha256


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "空.jpg"),
        (b"%PDF-", "太短.pdf"),
        (b"MZ" + bytes(100), "程序.exe"),
        (b"<html><script>alert(1)</script>", "页.txt"),
        (b"\xff\xfe\x00\x01\x02\x03", "乱.txt"),
        (document("a.txt"), "包.zip"),
        (document("[Content_Types].xml", "word/vbaProject.bin"), "宏.docx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(20), "安装.msi"),
        (jpeg()[:2000], "断.jpg"),
        (jpeg() + b"<script>alert(1)</script>", "夹带.jpg"),
        (animated("PNG"), "动图.png"),
        (png_that_claims(60_000, 60_000), "炸弹.png"),
        (b"GIF89a" + bytes(50), "动.gif"),
    ],
)
def test_what_the_platform_or_a_recipient_should_not_get_is_refused(actor, data, name):
    with pytest.raises(BadFile):
        kept(actor, data, name)

    assert not MediaAsset.objects.exists()


def test_pictures_lose_where_and_by_whom_they_were_taken(actor):
    asset = kept(actor, photo_from_a_phone(), "门店.jpg")

    with asset.file.open("rb") as file:
        data = file.read()
    assert b"Zhang San" not in data
    assert b"at home" not in data
    with Image.open(io.BytesIO(data)) as upright:
        assert upright.size == (480, 640)
        assert dict(upright.getexif()) == {}


def test_each_kind_has_the_size_of_the_platform(actor):
    large = MP4 + bytes(10 * MEGABYTE)

    with pytest.raises(FileTooLarge, match="10 MB"):
        kept(actor, large, "长.mp4")
    assert kept(actor, large, "长.mp4", kind="file").kind == "file"
    with pytest.raises(FileTooLarge, match="20 MB"):
        kept(actor, PDF + bytes(20 * MEGABYTE), "厚.pdf")
    with pytest.raises(BadFile, match="不是图片，而是视频"):
        kept(actor, MP4, kind="image")


def test_the_same_file_is_kept_once_per_enterprise(actor):
    first = kept(actor, jpeg(4), "甲.jpg")
    again = kept(colleague_of(actor), jpeg(4), "乙.jpg")
    elsewhere = kept(UserFactory(), jpeg(4), "丙.jpg")

    assert again == first
    assert (again.name, elsewhere.pk) == ("甲.jpg", ANY)
    assert elsewhere != first
    assert elsewhere.file.name != first.file.name


def test_a_half_written_file_of_a_crash_is_written_again(actor):
    asset = kept(actor, PDF, "资料.pdf")
    Path(asset.file.path).write_bytes(PDF[:10])
    asset.delete()

    assert kept(actor, PDF, "资料.pdf").file.size == len(PDF)


def test_names_keep_their_extension_and_no_path(actor):
    asset = kept(actor, PDF, "资料.pdf")

    assert rename_media(asset.pk, actor=actor, name="价目\x00表.exe").name == "价目表.pdf"
    assert clean_name("C:\\x\\..", "pdf") == "file.pdf"
    assert len(clean_name("长" * 300, "pdf")) == 100
