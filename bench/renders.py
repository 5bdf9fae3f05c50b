"""Renders without HTTP: each processor in this process, and programs that do the same, by format and size."""

from __future__ import annotations

import functools
import importlib
import io
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from figures import Bench, Section, in_turn
from PIL import Image
from sides import processors

from imaged.api import Processor, RenderJob
from imaged.core.outputs import parse
from imaged.testing.fakes import make_host
from imaged.testing.processors import make_variant

OUTPUTS = ("x300.jpg", "w1000.jpg", "x300.webp", "w1000.webp")
SOURCES = ("jpg", "png", "webp")
REPEATS = 2
"""How often a side renders in a round; the fastest counts."""

Render = Callable[[Path, str], None]


def measure(bench: Bench) -> Section:
    """Measure each output of each source in turn, on each side."""
    section = Section("renders", "Renders without HTTP, from 6 megapixels: smallest CPU time, and median time")
    files = dict(_write_sources(bench))
    made: dict[str, Render] = {}
    for name in processors(bench):
        made[f"imaged, {name}"] = _in_process(name)
        made[f"imaged, {name}, filter: fast"] = _in_process(name, filter="fast")
    made |= _programs(bench, section)
    for kind, source in files.items():
        for output in OUTPUTS:
            column = f"{kind} → {output}"
            bench.say(f"  {column}")

            def time_it(
                name: str, number: int, source: Path = source, output: str = output, column: str = column
            ) -> None:
                used = [used_by(functools.partial(made[name], source, output)) for _ in range(REPEATS)]
                if number:
                    section.add(column, name, "CPU ms", 1000 * min(cpu_s for cpu_s, _ in used), smallest=True)
                    section.add(column, name, "ms", 1000 * min(wall_s for _, wall_s in used))

            in_turn(bench, {name: functools.partial(time_it, name) for name in made})
    section.notes.append("JPEGs are baseline up to 100,000 pixels, else progressive; those of programs are baseline.")
    section.notes.append("The time of a program includes its start.")
    return section


def used_by(function: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds of CPU and of the clock that a call takes; ended child processes count."""
    before, began_s = _cpu_s(), time.perf_counter()
    function()
    return _cpu_s() - before, time.perf_counter() - began_s


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def processor_of(name: str, **options: str) -> Processor:
    """Return a built-in processor as the daemon would get it."""
    processor: Processor = importlib.import_module(f"imaged_{name}").imaged_processor(make_host(name, options))
    return processor


def _in_process(name: str, **options: str) -> Render:
    processor = processor_of(name, **options)

    def render(source: Path, output: str) -> None:
        job = RenderJob(source, processor.identify(source), (make_variant(parse(output)),), 60, 50_000_000)
        for _ in processor.render(job):
            pass

    return render


def _write_sources(bench: Bench) -> Iterator[tuple[str, Path]]:
    with Image.open(io.BytesIO(bench.picture)) as opened:
        picture = opened.convert("RGB")
    for kind in SOURCES:
        path = bench.work / f"source.{kind}"
        if kind == "jpg":
            path.write_bytes(bench.picture)
        else:
            picture.save(path, quality=80, compress_level=6)
        yield kind, path


def _programs(bench: Bench, section: Section) -> dict[str, Render]:
    found: dict[str, Render] = {}
    target = bench.work / "target"

    def convert(program: str, source: Path, output: str) -> None:
        side = int(output[1:].partition(".")[0])
        box = f"{side}x{side}"
        fill = ["-thumbnail", f"{box}^", "-gravity", "center", "-extent", box]
        sizing = fill if output.startswith("x") else ["-thumbnail", f"{side}x"]
        hint = ["-define", f"jpeg:size={2 * side}x{2 * side}"]
        _run([program, *hint, str(source), *sizing, "-quality", "75", f"{target}{Path(output).suffix}"])

    def thumbnail(program: str, source: Path, output: str) -> None:
        side = int(output[1:].partition(".")[0])
        sizing = [f"{side}x{side}", "--smartcrop", "centre"] if output.startswith("x") else [f"{side}x"]
        _run([program, str(source), "--size", *sizing, "-o", f"{target}{Path(output).suffix}[Q=75,strip]"])

    # Where ImageMagick 6 and 7 are, the newer one counts.
    for name, names, render in (
        ("convert", ("magick", "convert-im6.q16", "convert"), convert),
        ("vipsthumbnail", ("vipsthumbnail",), thumbnail),
    ):
        program = next(filter(None, map(shutil.which, names)), None)
        if program:
            found[name] = functools.partial(render, program)
        else:
            section.notes.append(f"{name} was skipped: it is not installed.")
    return found


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
