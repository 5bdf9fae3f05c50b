"""The plugin opencv finds faces: here in a drawing of one."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from drawn_faces import SIZE, draw_face
from PIL import Image

from imaged.api import Detector, OptionsError, Region, Sample, Size
from imaged.testing.fakes import make_host

if find_spec("cv2") is None:  # its import would change the environment of all tests
    pytest.skip("OpenCV is missing: install the extra faces", allow_module_level=True)
import imaged_opencv


def detector(**options: float) -> Detector:
    """Return the detector that a worker would get."""
    detector = imaged_opencv.imaged_detector(make_host("opencv", options))
    assert detector is not None
    return detector


def find(image: Image.Image, **options: float) -> list[Region]:
    """Return the faces that it finds."""
    return list(detector(**options).detect(Sample(SIZE, image.convert("RGBA").tobytes(), transparency=False)))


@pytest.mark.parametrize(("left_px", "top_px"), [(300, 90), (20, 20), (340, 180)])
def test_a_face_is_found(left_px: int, top_px: int) -> None:
    """The middle of its region is in the middle of the face."""
    (face,) = find(draw_face(left_px, top_px, 120))
    assert face.left_px + face.width_px / 2 == pytest.approx(left_px + 60, abs=15)
    assert face.top_px + face.height_px / 2 == pytest.approx(top_px + 60, abs=15)


def test_a_face_that_is_too_small_does_not_count() -> None:
    """The option is a share of the longer side."""
    assert find(draw_face(300, 90, 120), minimum_size=0.2)
    assert not find(draw_face(300, 90, 120), minimum_size=0.4)


def test_a_picture_without_faces_has_none() -> None:
    """The caller then looks at edges and colours."""
    assert not find(Image.linear_gradient("L").resize((SIZE.width_px, SIZE.height_px)))


def test_the_daemon_has_the_same_side_without_opencv() -> None:
    """The hook of a process that does not render returns an object that is never called."""
    unloaded = imaged_opencv.imaged_detector(make_host("opencv", renders=False))
    assert unloaded is not None
    assert unloaded.side_px == detector().side_px
    with pytest.raises(RuntimeError, match="only worker processes call a detector"):
        unloaded.detect(Sample(Size(1, 1), bytes(4), transparency=True))


def test_a_size_that_the_cascade_cannot_find_is_no_option() -> None:
    """A face of fewer than 15 pixels of the sample would never be found."""
    with pytest.raises(OptionsError):
        imaged_opencv.imaged_detector(make_host("opencv", {"minimum_size": 0.001}))
