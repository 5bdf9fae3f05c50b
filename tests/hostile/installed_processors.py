"""The processors that are installed here, each as a worker builds it: every hostile file is for all of them."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from imaged.core.errors import BusyError, NotAPictureError, PolicyError, TooLargeError
from imaged.core.outputs import parse
from imaged.core.variants import Variant
from imaged.hooks.processor_loading import ProcessorHost, load_processors
from imaged.hooks.registry import installed
from imaged.workers.processors import Processors

MAXIMUM_PIXELS = 50_000_000
ENDINGS = (NotAPictureError, TooLargeError, PolicyError, BusyError)
"""What a processor may raise for a picture."""


def processor_names() -> list[str]:
    """Return the plugins that offer a processor. The others are not imported: some need seconds."""
    return [name for name, entry in installed().items() if "imaged_processor" in _source(entry.module)]


def _source(module: str) -> str:
    spec = find_spec(module)
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""


@cache
def build(name: str) -> Processors:
    """Return a processor with its default options, behind the checks and bounds of a worker, and its own formats."""
    host = ProcessorHost(
        upload_concurrency=1, namespaces=(), extensions=(), maximum_pixels=MAXIMUM_PIXELS, worker_count=1
    )
    processors, _ = load_processors([(name, {})], host)
    return Processors(processors, MAXIMUM_PIXELS, processors[0]._own)


def variants(processors: Processors, *names: str) -> list[Variant]:
    """Return the variants of these outputs whose format is written."""
    outputs = [parse(name) for name in names]
    formats = processors.formats
    return [
        Variant(each, formats.of(each), 75, "#ffffff") for each in outputs if formats.writes_extension(each.extension)
    ]
