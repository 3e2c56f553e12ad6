"""Files in a multipart form, read as the platform reads them."""

from __future__ import annotations

import re
from io import BytesIO

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from scrm.wecom.simulator.api.call import Upload
from scrm.wecom.simulator.refusals import Refused

LARGEST = 21_000_000
ENCODED_NAME = re.compile(rb"filename\*=", re.IGNORECASE)


class InMemory(MemoryFileUploadHandler):
    """Without a file on the disk, whatever its size."""

    def handle_raw_input(self, *args: object, **kwargs: object) -> None:
        self.activated = True


def read_uploads(content_type: str, body: bytes) -> dict[str, Upload]:
    """A name in the form of RFC 2231 (``filename*=``) is not understood: there is no file then."""
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
    try:
        _, files = MultiPartParser(meta, BytesIO(body), [InMemory()]).parse()
    except MultiPartParserError:
        raise Refused(40058, "invalid form") from None
    if ENCODED_NAME.search(body[:2000]):
        return {}
    return {
        name: Upload(file.name or "", file.read(), file.content_type or "")
        for name, file in files.items()
        if isinstance(file, UploadedFile)
    }
