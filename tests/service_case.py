"""Tests of a whole daemon on loopback ports of the real reactor; one plugin fakes processor, store and sink."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from raw_client import Answer, ClientConnection, begin, pause
from service_harness import ServiceHarness, install
from twisted.internet import reactor, tcp
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from imaged.config.load import Loaded, load
from imaged.core.hashes import ImageHash, ImageId
from imaged.daemon.service import Service
from imaged.daemon.start import start_service
from imaged.logs.files import Logs
from imaged.process.endpoints import PUBLIC, STATUS
from imaged.process.inherited_sockets import InheritedSockets
from imaged.process.notify import Notifier
from imaged.store.local import LocalStore
from imaged.testing.pictures import make_jpeg, make_png
from imaged.workers.templates import Templates

PICTURE = make_jpeg()
HASH = hashlib.md5(PICTURE).hexdigest()
IMAGE = ImageId("p", ImageHash(HASH))
HOME = f"/p/{HASH[:3]}/{HASH[3:6]}/{HASH[6:]}"
"""Where the picture's files are, in the canonical form."""


class ServiceTestCase(TestCase):
    """Serves from an empty store; `settings`, in YAML, override its own. Trial fails a test with open connections."""

    timeout = 30
    settings = ""
    failure: Exception | None = None

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = tmp_path
        self.service_harness: ServiceHarness = install(tmp_path / "site", monkeypatch)
        self.inherited = InheritedSockets()
        self.notifier = Notifier(None, None)
        self.log = io.StringIO()

    def configure(self, **changes: Any) -> None:
        """Set the settings for the next read, with these changes."""
        base: dict[str, Any] = {
            "listen": "tcp:0:interface=127.0.0.1",
            "status": {"listen": "tcp:0:interface=127.0.0.1"},
            "state_dir": str(self.folder / "state"),
            "shutdown_timeout_s": 10,
            "store": {"path": str(self.folder / "public")},
            "sources": {"allow_networks": ["127.0.0.1/32"]},
            "render": {"concurrency": 2, "isolation": "thread"},  # the fakes are in this process
            "processors": ["harness"],
            "uploader": "harness",
            "metrics": ["harness"],
        }
        self.yaml = yaml.safe_dump(_merged(_merged(base, yaml.safe_load(self.settings) or {}), changes))

    def read(self) -> Loaded:
        """Read the settings that `configure` has written, or raise `failure`."""
        if self.failure is not None:
            raise self.failure
        return load(self.yaml, "etc/imaged.yaml", environ={}, read_bytes=lambda path: Path(path).read_bytes())

    async def serve(self, **changes: Any) -> Service:
        """Start the daemon; it ends with the test."""
        self.configure(**changes)
        self.stopped = False
        self.addCleanup(lambda: Deferred.fromCoroutine(self.stop()))
        self.service = await start_service(
            reactor,
            read=self.read,
            config_name="etc/imaged.yaml",
            logs=Logs(self.log, reactor),
            notifier=self.notifier,
            inherited=self.inherited,
            templates=Templates(),
        )
        self.url, self.status_url = (self.service.ports[path].url for path in (PUBLIC, STATUS))
        if self.service_harness.processors:
            await until(lambda: self.service_harness.processor.ended)  # the health check tries it once at the start
            self.service_harness.processor.jobs.clear()
        return self.service

    async def stop(self) -> None:
        """Stop the daemon, if a test has not done so, and wait for the last connection to end."""
        for processor in self.service_harness.processors:
            processor.release()
        if not self.stopped:
            self.stopped = True
            await self.service.stop()
        await until(lambda: not any(isinstance(each, tcp.Connection) for each in reactor.getReaders()))

    @property
    def store(self) -> LocalStore:
        """The daemon's store, seen from outside."""
        return LocalStore(self.folder / "public", (3, 3))

    async def begin(self, method: str, target: str | bytes, body: bytes = b"", **headers: str) -> ClientConnection:
        """Send a request; names of headers have _ instead of -."""
        return await begin(self.url, method, target, _headers(headers), body)

    async def begin_held_render(self, path: str) -> ClientConnection:
        """Request an output; its render continues when the processor is released."""
        processor = self.service_harness.processor
        processor.hold()
        connection = await self.begin("GET", path)
        await until(lambda: processor.jobs)
        return connection

    async def ask(self, method: str, target: str | bytes, body: bytes = b"", **headers: str) -> Answer:
        """Send a request and wait for its answer."""
        return await (await self.begin(method, target, body, **headers)).answer()

    async def get(self, target: str | bytes, **headers: str) -> Answer:
        """Send GET and wait for its answer."""
        return await self.ask("GET", target, **headers)

    async def post(self, target: str = "/p", body: bytes = PICTURE, **headers: str) -> Answer:
        """Post a picture."""
        return await self.ask("POST", target, body, **headers)

    async def until_stored(self) -> None:
        """Wait until the store has what clients have: it gets outputs behind the answers."""
        await self.service.generations.pipeline.tasks.drained()

    async def status(self) -> Any:
        """Return `/status.json`."""
        return (await (await begin(self.status_url, "GET", "/status.json")).answer()).json()


async def until(condition: Callable[[], Any]) -> None:
    """Wait until the condition is true; the timeout of the test ends an endless wait."""
    while not condition():
        await pause(0.005)


def other_picture(number: int = 1) -> bytes:
    """Return a picture for each number."""
    return make_png(comment=f"number {number}")


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in given.items()}


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged
