"""The processors that are installed here, each as a worker builds it: every hostile file is for all of them.

A chain is the setting `processors` as text: names, separated by commas.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from imaged.core.errors import BusyError, NotAPictureError, PolicyError, TooLargeError
from imaged.core.outputs import parse
from imaged.core.variants import Variant
from imaged.hooks.installation import installed
from imaged.hooks.processor_loading import ProcessorHost, load_processors
from imaged.testing.processors import make_variant
from imaged.workers.processors import Processors

MAXIMUM_PIXELS = 50_000_000
ENDINGS = (NotAPictureError, TooLargeError, PolicyError, BusyError)
"""What a processor may raise for a picture."""


NEXT = {"pillow": "magick"}
"""What renders the jobs that a processor does not accept."""


CHAINS = [chain for chain in ("magick", "pillow,magick") if chain.split(",")[0] in installed()]
"""The built-in processors that are here, each with the one that takes what it does not accept."""


def chains() -> list[str]:
    """Return each plugin that offers a processor, with its next one. Others are not imported: some need seconds."""
    names = [name for name, entry in installed().items() if "imaged_processor" in _source(entry.module)]
    return [f"{name},{NEXT[name]}" if name in NEXT else name for name in names]


def _source(module: str) -> str:
    spec = find_spec(module)
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""


@cache
def build(chain: str, **options: object) -> Processors:
    """Return processors with these options each, behind the checks and bounds of a worker, and their own formats."""
    host = ProcessorHost(
        upload_concurrency=1,
        namespaces=(),
        extensions=("avif",),
        read_formats=("avif", "heic", "tiff", "bmp"),
        maximum_pixels=MAXIMUM_PIXELS,
        worker_count=1,
    )
    processors, formats = load_processors([(name, options) for name in chain.split(",")], host)
    own = processors[0]._own if len(processors) == 1 else formats
    return Processors(processors, MAXIMUM_PIXELS, own)


def variants(processors: Processors, *names: str) -> list[Variant]:
    """Return the variants of these outputs whose format is written."""
    outputs = [parse(name) for name in names]
    formats = processors.formats
    return [make_variant(each, formats=formats) for each in outputs if formats.writes_extension(each.extension)]
