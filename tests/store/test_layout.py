"""Files lie at the path of their URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaged.core.files import ORIGINAL
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.store.layout import Layout
from imaged.store.local import LocalStore

IMAGE = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
OUTPUT = parse("x300.jpg")
CUTS = [
    ((3, 3), "p/f84/0ee/339d264d4bab1b169a653b1a91/x300.jpg"),
    ((3, 3, 3), "p/f84/0ee/339/d264d4bab1b169a653b1a91/x300.jpg"),
    ((), "p/f840ee339d264d4bab1b169a653b1a91/x300.jpg"),
]
"""Today's default, that of image-server 1.x, and none."""


@pytest.mark.parametrize(("partitions", "key"), CUTS, ids=str)
def test_a_key_is_the_path_of_the_url(partitions: tuple[int, ...], key: str) -> None:
    """The hash is cut as the operator says."""
    layout = Layout(Path("root"), partitions)
    assert layout.key(IMAGE, OUTPUT) == key == layout.prefix(IMAGE) + "x300.jpg"
    assert layout.path(IMAGE, OUTPUT) == Path("root") / key
    assert layout.folder(IMAGE) == layout.path(IMAGE, ORIGINAL).parent


@pytest.mark.parametrize(("partitions", "key"), CUTS, ids=str)
@pytest.mark.parametrize("flat", [False, True])
def test_a_layout_finds_its_own_images(partitions: tuple[int, ...], key: str, flat: bool) -> None:  # noqa: FBT001
    """The folder of an image leads back to the image. A flat layout has one folder for each, and the same keys."""
    layout = Layout(Path("root"), partitions, flat)
    segments = layout.folder(IMAGE).relative_to("root").parts
    assert layout.image_at(segments) == IMAGE
    assert layout.depth == len(segments) - 1
    assert layout.key(IMAGE, OUTPUT) == key


@pytest.mark.parametrize("segments", [["Other", "0" * 32], ["p", "abc", "def"], ["p"]])
def test_other_folders_are_no_images(segments: list[str]) -> None:
    """A folder with another kind of name is left alone."""
    assert Layout(Path("root"), (3, 3)).image_at(segments) is None


@pytest.mark.parametrize(("partitions", "key"), CUTS, ids=str)
def test_every_layout_is_written_and_read_back(tmp_path: Path, partitions: tuple[int, ...], key: str) -> None:
    """A store writes, finds and lists its own files, also those that image-server 1.x wrote."""
    store = LocalStore(tmp_path, partitions)
    store.variants.save(IMAGE, OUTPUT, b"picture")
    assert (tmp_path / key).read_bytes() == b"picture"
    assert store.has(IMAGE, OUTPUT)
    assert list(store.walk()) == [(IMAGE, [OUTPUT])]
