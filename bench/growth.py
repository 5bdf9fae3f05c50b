"""What grows with the work: a render with the pixels, a hit with the files, a job with the queue."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import loading
import synthetic
from figures import Bench, Section, in_turn
from renders import processor_of, used_by
from servers import Server
from sides import processors

from imaged.api import Processor, RenderJob
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.jobs.queue import JobQueue
from imaged.testing.pictures import make_jpeg
from imaged.testing.processors import make_variant

FILES_OF_IMAGE = 100
PUTS = 20


def measure(bench: Bench) -> Section:
    """Measure each kind of growth, its sides in turn."""
    section = Section("growth", "Growth: time for more, to time for less")
    _renders(bench, section)
    _hits(bench, section)
    _puts(bench, section)
    section.notes.append(f"The store has {bench.many:,} files, the queue {bench.many:,} jobs; a put is fsynced.")
    return section


def _renders(bench: Bench, section: Section) -> None:
    """CPU time of x300.jpg for each megapixel, so that a linear growth stays the same."""
    sizes = {"1 MP": synthetic.SMALL_SIZE, "6 MP": synthetic.SIZE, "24 MP": synthetic.LARGE_SIZE}
    sources = {}
    for name, size in sizes.items():
        make = synthetic.tiled if size == synthetic.LARGE_SIZE else synthetic.resized
        sources[name] = bench.work / f"{name.partition(' ')[0]}.jpg"
        sources[name].write_bytes(make(bench.picture, size))
    for name in processors(bench):

        def render(source: Path, processor: Processor = processor_of(name)) -> None:  # noqa: B008  # that of this loop
            job = RenderJob(source, processor.identify(source), (make_variant(parse("x300.jpg")),), 60, 10**8)
            list(processor.render(job))

        def time_it(size: str, number: int, name: str = name) -> None:
            cpu_s = min(used_by(partial(render, sources[size]))[0] for _ in range(3))
            if number:
                width, height = sizes[size]
                per_megapixel_ms = 1e9 * cpu_s / (width * height)
                section.add(
                    size, f"imaged, {name}: x300.jpg", "CPU ms for each megapixel", per_megapixel_ms, smallest=True
                )

        in_turn(bench, {size: partial(time_it, size) for size in sizes})


def _hits(bench: Bench, section: Section) -> None:
    few, many = "a store of few files", f"a store of {bench.many:,} files"
    with ExitStack() as stack:
        servers = {name: stack.enter_context(Server(bench.work / name, [])) for name in (few, many)}
        homes = {name: server.put(make_jpeg(), "w40.jpg") for name, server in servers.items()}
        _fill_store(servers[many].store / "p", bench.many)

        def load(name: str, number: int) -> None:
            seen = loading.hit(servers[name].public, homes[name], 16, bench.seconds)
            if number:
                section.add("hits", name, "requests/s", seen["per_s"], few)

        in_turn(bench, {name: partial(load, name) for name in servers})


def _fill_store(root: Path, files: int) -> None:
    """Store outputs of many images. The files of an image are one, by links, which takes a fifth of the time."""
    for number in range(files // FILES_OF_IMAGE):
        digits = f"{number * 0x9E3779B97F4A7C15 % (1 << 128):032x}"[::-1]
        folder = root / digits[:3] / digits[3:6] / digits[6:]
        folder.mkdir(parents=True)
        (folder / "w1.jpg").write_bytes(bytes(1000))
        for width in range(2, FILES_OF_IMAGE + 1):
            os.link(folder / "w1.jpg", folder / f"w{width}.jpg")


def _puts(bench: Bench, section: Section) -> None:
    few, many = "an empty queue", f"a queue of {bench.many:,} jobs"
    files = [parse("x300.jpg"), parse("w500.jpg")]
    with ExitStack() as stack:
        queues = {}
        for name in (few, many):
            folder = bench.work / name
            folder.mkdir()
            queues[name] = JobQueue(folder, time.time)
            stack.callback(queues[name].close)
        for number in range(0, bench.many, 1000):
            image = ImageId("p", ImageHash(f"{number:032x}"))
            queues[many].add("upload", image, [parse(f"w{width}.jpg") for width in range(1, 1001)])

        def put(name: str, number: int) -> None:
            began_s = time.perf_counter()
            for each in range(PUTS):
                queues[name].add("render", ImageId("p", ImageHash(f"{number:016x}{each:016x}")), files, "127.0.0.1")
            if number:
                section.add("a put of two jobs", name, "ms", 1000 * (time.perf_counter() - began_s) / PUTS, few)

        in_turn(bench, {name: partial(put, name) for name in queues})
