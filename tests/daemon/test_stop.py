"""Start and stop: requests in flight are finished, queued jobs are kept, and a failed start names the cause."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading

import pytest
from raw_client import connect, pause, request
from real_reactor import reactor
from service_case import HASH, HOME, IMAGE, PICTURE, ServiceTestCase, until
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory

from imaged.config.faults import ConfigurationError
from imaged.core.errors import BusyError, StoreError
from imaged.core.files import parse_file
from imaged.owners import realm
from imaged.process.endpoints import PUBLIC
from imaged.process.ports import PortError


class TestStop(ServiceTestCase):
    """A daemon that shuts down."""

    async def begin_stop(self) -> Deferred[None]:
        """Begin to stop the daemon, and give it a moment."""
        self.stopped = True
        stopping = Deferred.fromCoroutine(self.service.stop())
        await pause(0.1)
        return stopping

    async def test_requests_in_flight_are_finished(self) -> None:
        """New connections are refused, and running requests get their answer."""
        await self.serve()
        await self.post()
        processor = self.service_harness.processor
        connection = await self.begin_held_render(f"{HOME}/x30.jpg")
        stopping = await self.begin_stop()
        with pytest.raises(ConnectError):
            await self.get("/status_check")
        assert not stopping.called
        assert processor.closed == 0
        processor.release()
        assert (await connection.answer()).status == 200
        await stopping
        assert processor.closed == 1

    async def test_new_requests_on_open_connections_are_refused(self) -> None:
        """With 503 at once, `/status_check` too."""
        await self.serve()
        await self.post()
        inside = await self.begin_held_render(f"{HOME}/x30.jpg")
        outside = [await connect(self.url), await connect(self.url)]
        await pause()
        stopping = await self.begin_stop()
        for connection, path in zip(outside, (f"{HOME}/x31.jpg", "/status_check"), strict=True):
            connection.send(request("GET", path))
            answer = await connection.answer()
            assert (answer.status, "retry-after" in answer.headers) == (503, True)
        self.service_harness.processor.release()
        assert (await inside.answer()).status == 200
        await stopping

    async def test_an_unfinished_body_is_in_flight(self) -> None:
        """The shutdown waits for its end, and the request is answered."""
        await self.serve()
        connection = await connect(self.url)
        asked = request("POST", "/p", body=PICTURE)
        connection.send(asked[:-10])
        await pause()
        stopping = await self.begin_stop()
        connection.send(asked[-10:])
        assert (await connection.answer()).status == 200
        await stopping

    async def test_idle_connections_do_not_delay_it(self) -> None:
        """Neither one that is kept alive nor one without any request."""
        await self.serve()
        idle = await connect(self.url)
        idle.send(request("GET", "/status_check", {"Connection": "keep-alive"}))
        await until(lambda: idle.received)
        silent = await connect(self.url)
        self.stopped = True
        await self.service.stop()
        await idle.ended
        await silent.ended

    async def test_the_status_port_stays_open_to_the_end(self) -> None:
        """It shows the requests in flight, and that the daemon drains."""
        await self.serve()
        await self.post()
        connection = await self.begin_held_render(f"{HOME}/x30.jpg")
        stopping = await self.begin_stop()
        status = await self.status()
        assert (status["message"], status["processing"]["current"]) == ("draining", 1)
        self.service_harness.processor.release()
        assert (await connection.answer()).status == 200
        await stopping
        with pytest.raises(ConnectError):
            await self.status()

    async def test_no_queued_job_is_started(self) -> None:
        """The next daemon runs it."""
        await self.serve()
        await self.post()
        connection = await self.begin_held_render(f"{HOME}/x30.jpg")
        stopping = await self.begin_stop()
        await self.service.environment.jobs.enqueue("render", IMAGE, [parse_file("x31.jpg")])
        self.service_harness.processor.release()
        await connection.ended
        await stopping
        assert not self.store.has(IMAGE, parse_file("x31.jpg"))

    async def test_requests_of_older_generations_are_finished_too(self) -> None:
        """Also when a reload came shortly before the stop."""
        await self.serve()
        await self.post()
        old = self.service_harness.processor
        connection = await self.begin_held_render(f"{HOME}/x30.jpg")
        await self.service.reload()
        stopping = await self.begin_stop()
        waited = not stopping.called
        old.release()
        connection.leave()
        await stopping
        await until(lambda: old.closed)
        assert waited

    async def test_a_download_in_flight_is_finished(self) -> None:
        """A client that reads slowly has the same time as others."""
        await self.serve()
        large = PICTURE + os.urandom(20_000_000)
        await self.post(body=large)
        connection = await self.begin("GET", f"/p/{hashlib.md5(large).hexdigest()}/original")
        await until(lambda: connection.received)
        connection.transport.pauseProducing()
        stopping = await self.begin_stop()
        waited = not stopping.called
        connection.transport.resumeProducing()
        assert (await connection.answer()).body == large
        await stopping
        assert waited

    async def test_a_request_that_never_ends_is_abandoned(self) -> None:
        """The daemon stops after `shutdown_timeout_s`, and closes its queue."""
        await self.serve(shutdown_timeout_s=0.1)
        await self.post()
        connection = await self.begin_held_render(f"{HOME}/x30.jpg")
        self.stopped = True
        await self.service.stop()
        assert list((self.folder / "state" / "owners").iterdir()) == []
        self.service_harness.processor.failure = BusyError("given up")
        self.service_harness.processor.release()
        connection.leave()
        await until(lambda: not any("give_up" in str(each) for each in reactor.getDelayedCalls()))

    async def test_threads_do_not_keep_the_process(self) -> None:
        """They are daemon threads: a processor that never returns does not block the exit."""
        await self.serve()
        await self.post()
        await self.get(f"{HOME}/x30.jpg")
        names = ("render", "work", "queue")
        ours = [each for each in threading.enumerate() if any(name in each.name for name in names)]
        assert ours
        assert all(each.daemon for each in ours)

    async def test_queued_uploads_survive_the_daemon(self) -> None:
        """The next daemon runs them."""
        await self.serve(shutdown_timeout_s=0.1)
        await self.post()
        self.service_harness.uploader.failure = StoreError("down")
        await self.get(f"{HOME}/x30.jpg")
        await until(lambda: self.service.environment.counters.uploads.failed)
        self.stopped = True
        await self.service.stop()
        await self.serve()
        await until(lambda: f"{HOME[1:]}/x30.jpg" in self.service_harness.files)

    async def test_queued_renders_survive_the_daemon(self) -> None:
        """The next daemon runs them."""
        await self.serve()
        await self.post()
        with sqlite3.connect(self.folder / "state" / "jobs.sqlite") as db:
            db.execute(
                "INSERT INTO jobs (kind, namespace, hash, output, created_at, due_at) VALUES (?, ?, ?, ?, 0, 0)",
                ("render", "p", HASH, "x30.jpg"),
            )
        db.close()
        await self.stop()
        await self.serve()
        await until(lambda: self.store.has(IMAGE, parse_file("x30.jpg")))


class TestPause(ServiceTestCase):
    """A daemon that leaves new connections to a new process on the same ports."""

    async def paused(self) -> Deferred[None]:
        """Begin the pause."""
        await self.service.prepare_handover()
        return Deferred.fromCoroutine(self.service.pause({"listen", "status.listen"}))

    async def test_new_connections_are_left_to_the_new_process(self) -> None:
        """They wait in the queue of the shared socket, and are not refused."""
        await self.serve()
        paused = await self.paused()
        connection = await self.begin("GET", "/status_check")
        await pause(0.1)
        assert connection.received == b""
        await paused
        await self.service.resume()
        assert (await connection.answer()).status == 200

    async def test_open_connections_get_one_more_answer(self) -> None:
        """With status 200, also from `/status_check`, and with `Connection: close`."""
        await self.serve()
        await self.post()
        connections = [await connect(self.url), await connect(self.url)]
        await pause()
        paused = await self.paused()
        for connection, path in zip(connections, ("/status_check", f"{HOME}/x30.jpg"), strict=True):
            connection.send(request("GET", path, {"Connection": "keep-alive"}))
            answer = await connection.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
        await paused
        await self.stop()

    async def test_a_port_that_the_new_process_did_not_claim(self) -> None:
        """It is closed, and `resume` opens it again."""
        await self.serve()
        await self.service.prepare_handover()
        paused = Deferred.fromCoroutine(self.service.pause({"status.listen"}))
        await pause()
        with pytest.raises(ConnectError):
            await connect(self.url)
        await paused
        await self.service.resume()
        self.url = self.service.ports[PUBLIC].url
        assert (await self.get("/status_check")).status == 200

    async def test_queued_jobs_are_left_to_the_new_process(self) -> None:
        """Until `resume`."""
        await self.serve()
        await self.post()
        await (await self.paused())
        await self.service.environment.jobs.enqueue("render", IMAGE, [parse_file("x30.jpg")])
        await pause(0.1)
        assert not self.store.has(IMAGE, parse_file("x30.jpg"))
        await self.service.resume()
        await until(lambda: self.store.has(IMAGE, parse_file("x30.jpg")))


class TestStart(ServiceTestCase):
    """A start that fails, and one that cleans up after a crash."""

    async def failed(self, error: type[Exception]) -> str:
        """Try to start, and return the error."""
        with pytest.raises(error) as caught:
            await self.serve()
        self.stopped = True
        return str(caught.value)

    async def test_bad_settings(self) -> None:
        """The error has every fault."""
        self.settings = "{images: {maximum_width: 0}, upload: {concurrency: 0}}"
        assert len((await self.failed(ConfigurationError)).splitlines()) == 2

    async def test_a_port_that_is_taken(self) -> None:
        """The error names the setting."""
        port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number = port.getHost().port
        self.settings = f"status: {{listen: 'tcp:{number}:interface=127.0.0.1'}}"
        message = await self.failed(PortError)
        assert message.startswith(f"status.listen: cannot listen on tcp:{number}:interface=127.0.0.1")

    async def test_a_state_folder_that_cannot_be_made(self) -> None:
        """The error names the setting and the path."""
        (self.folder / "file").write_text("")
        self.settings = f"state_dir: {self.folder}/file/state"
        message = await self.failed(StoreError)
        assert message.startswith("state_dir: no job queue can be kept in ")

    async def test_unfinished_files_are_removed(self) -> None:
        """Those of a process that has ended, whose lock is free."""
        incoming, owners = self.folder / "public" / ".incoming", self.folder / "public" / ".owners"
        incoming.mkdir(parents=True)
        owners.mkdir()
        gone = f"{realm(owners)}-1-{0:08x}"
        (owners / gone).touch()
        (incoming / f"{gone}.{0:016x}").write_bytes(b"half")
        await self.serve()
        await until(lambda: not any(incoming.iterdir()))  # the health check has some for a moment
