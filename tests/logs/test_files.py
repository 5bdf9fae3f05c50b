"""Log files: one line a write, opened anew when asked, and never in the way of anything."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from service_case import HOME, ServiceTestCase, until
from twisted.internet.task import Clock
from twisted.logger import Logger, LogPublisher

from imaged.config.model import Log
from imaged.core.snapshot import LogStatus
from imaged.core.tracing import Trace
from imaged.logs.files import MAXIMUM_REST_BYTES, LogFile, LogFileError, Logs, open_files
from imaged.logs.request_record import RequestRecord


def lines(path: Path) -> list[Any]:
    """Return what a file holds, line by line."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def logger(logs: Logs) -> Logger:
    """Return a logger that `logs` alone observes."""
    write: Any = logs.write
    return Logger(namespace="imaged.test", observer=LogPublisher(write))


def record(target: str) -> RequestRecord:
    """Return a request that has ended."""
    return RequestRecord(Trace("abc", lambda: 0.0), "127.0.0.1", "GET", target, 200, 10, 0.5, None)


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    """Return logs that go to two files."""
    logs = Logs(io.StringIO(), Clock())
    settings = Log(path=str(tmp_path / "log"), access_path=str(tmp_path / "access"))
    logs.use(open_files(settings))
    return logs


def test_requests_have_a_file_of_their_own(tmp_path: Path, logs: Logs) -> None:
    """Readable for the operator and his group alone, and the rest is in the other."""
    logger(logs).info("one")
    logs.write_request(record("/two"))
    logs.flush()
    assert [line["message"] for line in lines(tmp_path / "log")] == ["one"]
    assert [line["path"] for line in lines(tmp_path / "access")] == ["/two"]
    assert (tmp_path / "access").stat().st_mode & 0o137 == 0


def test_without_files_all_goes_to_the_stream() -> None:
    """As when no settings have been read yet."""
    stream = io.StringIO()
    logs = Logs(stream, Clock())
    logger(logs).info("one")
    logs.use(open_files(Log()))
    logs.write_request(record("/two"))
    logs.flush()
    messages = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert messages == ["one", "GET /two 200 10 bytes 500.000 ms"]


def test_requests_go_where_the_rest_goes_unless_told(tmp_path: Path) -> None:
    """One file may hold all."""
    logs = Logs(io.StringIO(), Clock())
    logs.use(open_files(Log(path=str(tmp_path / "log"))))
    logs.write_request(record("/one"))
    logs.flush()
    assert [line["path"] for line in lines(tmp_path / "log")] == ["/one"]


def test_a_file_that_was_moved_away_is_followed_by_a_new_one(tmp_path: Path, logs: Logs) -> None:
    """No line is lost, and none comes after in the old one."""
    logger(logs).info("one")
    (tmp_path / "log").rename(tmp_path / "log.1")
    logger(logs).info("two")
    logs.reopen()
    logger(logs).info("three")
    assert [line["message"] for line in lines(tmp_path / "log.1")] == ["one", "two"]
    assert [line["message"] for line in lines(tmp_path / "log")] == ["three"]


def test_what_cannot_be_opened_anew_stays_open(tmp_path: Path, logs: Logs) -> None:
    """The folder is gone: lines still go to the file that was."""
    (tmp_path / "log").rename(tmp_path / "log.1")
    (tmp_path / "log").mkdir()
    logs.reopen()
    logger(logs).info("one")
    assert [line["message"] for line in lines(tmp_path / "log.1")] == ["one"]


@pytest.mark.parametrize("key", ["path", "access_path"])
def test_a_file_that_cannot_be_opened_is_told_with_its_key(tmp_path: Path, key: str) -> None:
    """And nothing is left open."""
    good = {"path": str(tmp_path / "log")} if key == "access_path" else {}
    with pytest.raises(LogFileError, match="No such file") as raised:
        open_files(Log(**{**good, key: str(tmp_path / "missing" / "log")}))
    assert raised.value.key == ("log", key)
    opened = [os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()]
    assert str(tmp_path / "log") not in opened


def test_a_pipe_that_nobody_reads_is_refused(tmp_path: Path) -> None:
    """Rather than waited for."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LogFileError):
        open_files(Log(path=str(tmp_path / "pipe")))


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="needs /dev/full, which is always full")
def test_a_full_disk_costs_lines_alone() -> None:
    """The reason is told, and what is too much to wait is lost and counted."""
    logs = Logs(io.StringIO(), Clock())
    logs.use(open_files(Log(path="/dev/full")))
    logger(logs).info("one")
    assert logs.state == LogStatus(0, "/dev/full: No space left on device")
    for _ in range(3):
        logger(logs).info("a" * (MAXIMUM_REST_BYTES // 2))
    assert logs.state.lost == 2


def test_what_a_full_disk_did_not_take_comes_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, and in its order, although a line was cut in two."""
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


def test_a_pipe_whose_reader_keeps_up_loses_nothing(tmp_path: Path) -> None:
    """Although far more lines come at once than it holds."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)  # opened without, for else it would wait for a writer
    file = LogFile(("log", "path"), str(tmp_path / "pipe"))
    text = "".join(f"line {number}\n" for number in range(50_000))
    read: list[bytes] = []

    def keep_up() -> None:
        while sum(map(len, read)) < len(text):
            read.append(os.read(reader, 1 << 16))

    thread = threading.Thread(target=keep_up)
    thread.start()
    file.write(text)
    while file.fault is not None:  # on a busy machine it may have had to wait
        file.write("")
    thread.join()
    assert (b"".join(read).decode(), file.lost) == (text, 0)
    file.close()
    os.close(reader)


def test_a_pipe_with_a_stalled_reader_costs_lines_alone(tmp_path: Path) -> None:
    """Nobody waits for it; when it reads again it has whole lines, those that waited first."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    file = LogFile(("log", "path"), str(tmp_path / "pipe"))
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
    file.close()
    os.close(reader)


def test_what_waits_is_written_at_the_end(tmp_path: Path) -> None:
    """A reader that was slow, and reads again within a second, has every line."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    file = LogFile(("log", "path"), str(tmp_path / "pipe"))
    text = "".join(f"line {number}\n" for number in range(20_000))
    file.write(text)
    assert file.fault is not None
    read = [os.read(reader, 1 << 16)]
    os.set_blocking(reader, True)

    def read_on() -> None:
        while sum(map(len, read)) < len(text):
            read.append(os.read(reader, 1 << 16))

    thread = threading.Thread(target=read_on)
    thread.start()
    while file.fault is not None:  # on a busy machine a second may not be enough
        file.drain()
    thread.join()
    assert b"".join(read).decode() == text
    file.close()
    os.close(reader)


def test_a_late_line_is_written_to_no_other_file(tmp_path: Path) -> None:
    """Neither after a close, nor while files are opened anew: another file may have got the number by then."""
    logs = Logs(io.StringIO(), Clock())
    settings = Log(path=str(tmp_path / "log"))
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
                time.sleep(0.0005)  # long enough for a late line, if there is one, to come in
            assert foreign.read_bytes() == b"pixels"
    finally:
        ending.set()
        for thread in threads:
            thread.join()


def test_a_line_has_the_id_of_its_request(tmp_path: Path, logs: Logs) -> None:
    """Whoever logs it; one that names another keeps that."""
    with Trace("abc", lambda: 0.0).current():
        logger(logs).info("one")
        logger(logs).info("two", request_id="other")
    logger(logs).info("three")
    assert [line.get("request_id") for line in lines(tmp_path / "log")] == ["abc", "other", None]


class TestFiles(ServiceTestCase):
    """As settings of a daemon."""

    async def test_a_reload_takes_another_file(self) -> None:
        """The first is closed, and the second has what comes after."""
        await self.serve(log={"path": str(self.folder / "one")})
        logger(self.service._logs).info("first")
        self.configure(log={"path": str(self.folder / "two")})
        assert (await self.service.reload()).ok
        logger(self.service._logs).info("second")
        assert [line["message"] for line in lines(self.folder / "one")] == ["first"]
        assert [line["message"] for line in lines(self.folder / "two")] == ["second"]

    async def test_a_reload_that_is_refused_opens_the_files_anew(self) -> None:
        """Who rotates them knows nothing of the settings."""
        await self.serve(log={"path": str(self.folder / "log")})
        (self.folder / "log").rename(self.folder / "log.1")
        self.configure(log={"path": str(self.folder / "missing" / "log")})
        outcome = await self.service.reload()
        (fault,) = outcome.errors
        assert "log.path: cannot write" in fault
        logger(self.service._logs).info("goes on")
        assert [line["message"] for line in lines(self.folder / "log")] == ["goes on"]

    async def test_a_start_that_cannot_log_is_none(self) -> None:
        """It says which setting is at fault."""
        with pytest.raises(Exception, match=r"log\.access_path"):
            await self.serve(log={"access_path": str(self.folder / "missing" / "log")})
        self.stopped = True

    async def test_lines_can_be_left_out(self) -> None:
        """Those of requests, and no others."""
        await self.serve(log={"access": False})
        assert (await self.get(f"{HOME}/x30.jpg")).status == 404
        assert "/x30.jpg" not in self.log.getvalue()
        self.configure(log={"access": True})
        assert (await self.service.reload()).ok
        assert (await self.get(f"{HOME}/x30.jpg")).status == 404
        await until(lambda: f"GET {HOME}/x30.jpg 404" in self.log.getvalue())
        assert self.log.getvalue().count(f"GET {HOME}/x30.jpg 404") == 1
        assert (await self.status())["log"] == {"lost": 0, "fault": None}
