"""Log files hold whole lines, reopen on request, and block nothing."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from service_case import HOME, ServiceTestCase, until
from twisted.internet.task import Clock
from twisted.logger import Logger, LogPublisher

from imaged.config.model import LogSettings
from imaged.core.snapshot import LogStatus
from imaged.core.tracing import Trace
from imaged.logs.files import Logs, open_files
from imaged.logs.request_lines import RequestRecord
from imaged.logs.streams import MAXIMUM_PENDING_BYTES, LogFile, LogFileError


def lines(path: Path) -> list[Any]:
    """Return the lines of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[LogFile, int]]:
    """Return a log file that is a pipe, and the descriptor of its reader, which does not block."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    file = LogFile(("log", "path"), str(tmp_path / "pipe"))
    yield file, reader
    file.close()
    os.close(reader)


def read_all(reader: int, size_bytes: int) -> bytes:
    """Read so many bytes of a pipe, waiting for each."""
    os.set_blocking(reader, True)
    read = b""
    while len(read) < size_bytes:
        read += os.read(reader, 1 << 16)
    return read


def logger(logs: Logs) -> Logger:
    """Return a logger that only `logs` observes."""
    write: Any = logs.write
    publisher: Any = LogPublisher(write)
    return Logger(namespace="imaged.test", observer=publisher)


def record(target: str) -> RequestRecord:
    """Return a request that has ended."""
    return RequestRecord(Trace("abc", lambda: 0.0), "127.0.0.1", "GET", target, 200, 10, 0.5, None)


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    """Return logs that go to two files."""
    logs = Logs(io.StringIO(), Clock())
    settings = LogSettings(path=str(tmp_path / "log"), access_path=str(tmp_path / "access"))
    logs.use(open_files(settings))
    return logs


def test_requests_have_their_own_file(tmp_path: Path, logs: Logs) -> None:
    """Only the operator and the operator's group may read it; other lines go to the main file."""
    logger(logs).info("one")
    logs.write_request(record("/two"))
    logs.flush()
    assert [line["message"] for line in lines(tmp_path / "log")] == ["one"]
    assert [line["path"] for line in lines(tmp_path / "access")] == ["/two"]
    assert (tmp_path / "access").stat().st_mode & 0o137 == 0


def test_without_files_every_line_goes_to_the_stream() -> None:
    """So do lines before the settings are read."""
    stream = io.StringIO()
    logs = Logs(stream, Clock())
    logger(logs).info("one")
    logs.use(open_files(LogSettings()))
    logs.write_request(record("/two"))
    logs.flush()
    messages = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert messages == ["one", "GET /two 200 10 bytes 500.000 ms"]


def test_requests_go_to_the_main_file_by_default(tmp_path: Path) -> None:
    """One file may hold every line."""
    logs = Logs(io.StringIO(), Clock())
    logs.use(open_files(LogSettings(path=str(tmp_path / "log"))))
    logs.write_request(record("/one"))
    logs.flush()
    assert [line["path"] for line in lines(tmp_path / "log")] == ["/one"]


def test_a_reopened_file_is_a_new_one(tmp_path: Path, logs: Logs) -> None:
    """No line is lost, and the file that was moved gets no further one."""
    logger(logs).info("one")
    (tmp_path / "log").rename(tmp_path / "log.1")
    logger(logs).info("two")
    logs.reopen()
    logger(logs).info("three")
    assert [line["message"] for line in lines(tmp_path / "log.1")] == ["one", "two"]
    assert [line["message"] for line in lines(tmp_path / "log")] == ["three"]


def test_a_file_that_cannot_be_reopened_stays_open(tmp_path: Path, logs: Logs) -> None:
    """Lines still go to the file that was moved."""
    (tmp_path / "log").rename(tmp_path / "log.1")
    (tmp_path / "log").mkdir()
    logs.reopen()
    logger(logs).info("one")
    assert [line["message"] for line in lines(tmp_path / "log.1")] == ["one"]


@pytest.mark.parametrize("key", ["path", "access_path"])
def test_the_error_of_a_file_that_cannot_be_opened_has_its_key(tmp_path: Path, key: str) -> None:
    """No other file stays open."""
    good: dict[str, Any] = {"path": str(tmp_path / "log")} if key == "access_path" else {}
    with pytest.raises(LogFileError, match="No such file") as raised:
        open_files(LogSettings(**{**good, key: str(tmp_path / "missing" / "log")}))
    assert raised.value.key == ("log", key)
    opened = [os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()]
    assert str(tmp_path / "log") not in opened


def test_a_pipe_without_a_reader_is_refused(tmp_path: Path) -> None:
    """The daemon does not wait for one."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LogFileError):
        open_files(LogSettings(path=str(tmp_path / "pipe")))


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="needs /dev/full, which is always full")
def test_a_full_disk_costs_lines_alone() -> None:
    """The status names the reason, and counts the lines that exceed the bound."""
    logs = Logs(io.StringIO(), Clock())
    logs.use(open_files(LogSettings(path="/dev/full")))
    logger(logs).info("one")
    assert logs.state == LogStatus(0, "/dev/full: No space left on device")
    for _ in range(3):
        logger(logs).info("a" * (MAXIMUM_PENDING_BYTES // 2))
    assert logs.state.lost == 2


def test_lines_that_a_full_disk_refused_are_written_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are whole and in order, although the disk had taken half a line."""
    file = LogFile(("log", "path"), str(tmp_path / "log"))
    write, room = os.write, [0, 3]

    def full(descriptor: int, data: bytes) -> int:
        if not room:
            return write(descriptor, data)
        if taken := room.pop():
            return write(descriptor, data[:taken])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    file.write("first\n")
    assert ((tmp_path / "log").read_text(), file.fault) == ("fir", f"{tmp_path / 'log'}: No space left on device")
    file.write("second\n")
    assert ((tmp_path / "log").read_text(), file.fault, file.lost) == ("first\nsecond\n", None, 0)
    file.close()


def test_a_pipe_whose_reader_keeps_up_loses_nothing(pipe: tuple[LogFile, int]) -> None:
    """It gets far more lines at once than a pipe holds."""
    file, reader = pipe
    text = "".join(f"line {number}\n" for number in range(50_000))
    with ThreadPoolExecutor(1) as reading:
        read = reading.submit(read_all, reader, len(text))
        file.write(text)
        while file.fault is not None:  # a busy machine may need more than one write
            file.write("")
        assert (read.result().decode(), file.lost) == (text, 0)


def test_a_pipe_with_a_stalled_reader_costs_lines_alone(tmp_path: Path, pipe: tuple[LogFile, int]) -> None:
    """No write waits for it; when it reads again, it gets whole lines in order."""
    file, reader = pipe
    count = 0
    while not file.lost:
        file.write(f"{count:0999}\n")
        count += 1
    assert file.fault == f"{tmp_path / 'pipe'}: its reader is slow"
    read = b""
    while file.fault is not None:
        read += os.read(reader, 1 << 20)
        file.write("")
    read += os.read(reader, 1 << 20)
    assert [int(line) for line in read.splitlines()] == list(range(count - file.lost))


def test_drain_writes_what_waits(pipe: tuple[LogFile, int]) -> None:
    """A slow reader that reads again within a second gets every line."""
    file, reader = pipe
    text = "".join(f"line {number}\n" for number in range(20_000))
    file.write(text)
    assert file.fault is not None
    with ThreadPoolExecutor(1) as reading:
        read = reading.submit(read_all, reader, len(text))
        while file.fault is not None:  # a second may be too short on a busy machine
            file.drain()
        assert read.result().decode() == text


def test_a_late_line_is_written_to_no_other_file(tmp_path: Path) -> None:
    """After a close or a reopen, the descriptor's number may belong to another file."""
    logs = Logs(io.StringIO(), Clock())
    settings = LogSettings(path=str(tmp_path / "log"))
    logs.use(open_files(settings))
    ending = threading.Event()

    def chatter() -> None:
        while not ending.is_set():
            logger(logs).info("a line")

    threads = [threading.Thread(target=chatter) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(200):
            logs.reopen()
            logs.use(open_files(settings))
            foreign = tmp_path / f"picture-{number % 5}"
            with foreign.open("wb") as picture:
                picture.write(b"pixels")
                time.sleep(0.0005)  # time for a late line
            assert foreign.read_bytes() == b"pixels"
    finally:
        ending.set()
        for thread in threads:
            thread.join()


def test_a_line_has_the_id_of_its_request(tmp_path: Path, logs: Logs) -> None:
    """An event that names another id keeps that."""
    with Trace("abc", lambda: 0.0).current():
        logger(logs).info("one")
        logger(logs).info("two", request_id="other")
    logger(logs).info("three")
    assert [line.get("request_id") for line in lines(tmp_path / "log")] == ["abc", "other", None]


class TestFiles(ServiceTestCase):
    """With a service."""

    async def test_a_reload_takes_another_file(self) -> None:
        """It closes the first; the second gets later lines."""
        await self.serve(log={"path": str(self.folder / "one")})
        logger(self.service.logs).info("first")
        self.configure(log={"path": str(self.folder / "two")})
        assert (await self.service.reload()).ok
        logger(self.service.logs).info("second")
        assert [line["message"] for line in lines(self.folder / "one")] == ["first"]
        assert [line["message"] for line in lines(self.folder / "two")] == ["second"]

    async def test_a_refused_reload_reopens_the_files(self) -> None:
        """Logrotate sends SIGHUP whatever the settings say."""
        await self.serve(log={"path": str(self.folder / "log")})
        (self.folder / "log").rename(self.folder / "log.1")
        self.configure(log={"path": str(self.folder / "missing" / "log")})
        outcome = await self.service.reload()
        (fault,) = outcome.errors
        assert "log.path: cannot write" in fault
        logger(self.service.logs).info("continues")
        assert [line["message"] for line in lines(self.folder / "log")] == ["continues"]

    async def test_a_daemon_that_cannot_log_does_not_start(self) -> None:
        """The error names the setting."""
        with pytest.raises(Exception, match=r"log\.access_path"):
            await self.serve(log={"access_path": str(self.folder / "missing" / "log")})
        self.stopped = True

    async def test_lines_of_requests_can_be_left_out(self) -> None:
        """A reload turns them on again."""
        await self.serve(log={"access": False})
        assert (await self.get(f"{HOME}/x30.jpg")).status == 404
        assert "/x30.jpg" not in self.log.getvalue()
        self.configure(log={"access": True})
        assert (await self.service.reload()).ok
        assert (await self.get(f"{HOME}/x30.jpg")).status == 404
        await until(lambda: f"GET {HOME}/x30.jpg 404" in self.log.getvalue())
        assert self.log.getvalue().count(f"GET {HOME}/x30.jpg 404") == 1
        assert (await self.status())["log"] == {"lost": 0, "fault": None}
