"""`docs/info.md` explains each field of info.json."""

from __future__ import annotations

import json
import re

from source_tree import ROOT

from imaged.core.details import ImageDetails
from imaged.core.gravities import FocalPoint
from imaged.core.hashes import ImageHash
from imaged.core.pictures import ImageInfo
from imaged.store.records import describe

PAGE = (ROOT / "docs" / "info.md").read_text(encoding="utf-8")
DETAILS = ImageDetails(1, False, 1, None, "", "#000000", "#000000", "0" * 16, FocalPoint(50, 50))


def test_each_field_is_explained() -> None:
    """The example and the table have the fields of a record, in its order."""
    hash = "5908f81a7e940caad6c593229a81d2be"
    fields = list(describe(ImageInfo(ImageHash(hash), 1, 1, "image/png", 1, "", DETAILS), (3, 3)))
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert list(json.loads(example)) == fields
    cells = re.findall(r"^\| (`.*?`) \|", PAGE, re.MULTILINE)
    assert [field for cell in cells for field in re.findall(r"`(\w+)`", cell)] == fields
