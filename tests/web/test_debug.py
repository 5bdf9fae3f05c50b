"""`/debug` of the status port: the settings turn it on, and it takes one profile of a kind at a time."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import Any

from raw_client import Answer, ClientConnection, begin
from service_case import ServiceTestCase, until

from imaged.web.debug import LONGEST_S

WANTED = {"status": {"profile": True}}
PROFILE = "/debug/pprof/profile"


class TestDebug(ServiceTestCase):
    """Requests below `/debug`."""

    async def ask_status(self, target: str, method: str = "GET") -> Answer:
        """Send a request to the status port."""
        return await (await self.begin_status(target, method)).answer()

    async def begin_status(self, target: str, method: str = "GET") -> ClientConnection:
        """Send a request to the status port, and return at once."""
        return await begin(self.status_url, method, target)

    async def reload(self, **changes: Any) -> None:
        """Reload with other settings."""
        self.configure(**changes)
        assert (await self.service.reload()).ok

    @property
    def profiling(self) -> bool:
        """Whether a CPU profile is being taken."""
        return self.service.profiles._cpu.locked()

    async def test_it_is_off_by_default(self) -> None:
        """Its answers name the setting, and memory is not traced."""
        await self.serve()
        for target in ("/debug", "/debug/threads", "/debug/pprof/heap", f"{PROFILE}?seconds=1"):
            answer = await self.ask_status(target)
            assert (answer.status, b"set status.profile to" in answer.body) == (404, True)
        assert not tracemalloc.is_tracing()

    async def test_a_reload_switches_it(self) -> None:
        """It turns `/debug` and tracing on and off; the public port never has it."""
        await self.serve()
        await self.reload(**WANTED)
        assert tracemalloc.is_tracing()
        assert (await self.ask_status("/debug/threads")).status == 200
        assert (await self.get("/debug/threads")).status == 404
        await self.reload()
        assert not tracemalloc.is_tracing()
        assert (await self.ask_status("/debug/threads")).status == 404

    async def test_cpu_profiles_trace_no_memory(self) -> None:
        """With `cpu`, the other profiles work, which cost nothing while none is taken."""
        await self.serve(status={"profile": "cpu"})
        assert not tracemalloc.is_tracing()
        assert (await self.ask_status(f"{PROFILE}?seconds=1")).status == 200
        assert "set status.profile to true" in (await self.ask_status("/debug/pprof/heap")).error
        await self.reload(**WANTED)
        assert (await self.ask_status("/debug/pprof/heap")).status == 200

    async def test_a_refused_reload_changes_nothing(self) -> None:
        """Tracing follows the settings in effect."""
        await self.serve()
        self.configure(processors=["missing"], **WANTED)
        assert not (await self.service.reload()).ok
        assert not tracemalloc.is_tracing()

    async def test_the_index_lists_profiles(self) -> None:
        """It is there with and without the slash."""
        await self.serve(**WANTED)
        for target in ("/debug", "/debug/", "/debug/pprof", "/debug/pprof/"):
            answer = await self.ask_status(target)
            assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
            assert b"/debug/pprof/heap" in answer.body
        assert (await self.ask_status("/debug", "HEAD")).body == b""
        assert (await self.ask_status("/debug/pprof/goroutine")).status == 404

    async def test_profiles_come_as_go_serves_them(self) -> None:
        """They are gzipped attachments that no cache keeps."""
        await self.serve(**WANTED)
        for name, query in (("heap", ""), ("profile", "?seconds=1")):
            answer = await self.ask_status(f"/debug/pprof/{name}{query}")
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["content-disposition"] == f'attachment; filename="{name}.pb.gz"'
            assert answer.headers["cache-control"] == "no-store"
            assert b"nanoseconds" in gzip.decompress(answer.body) or name == "heap"

    async def test_threads_are_listed(self) -> None:
        """The reactor's thread comes first."""
        await self.serve(**WANTED)
        text = (await self.ask_status("/debug/threads")).body.decode()
        assert "(the reactor)" in text.split("\n\n")[1]
        assert "PoolThread-queue" in text

    async def test_nonsense_is_refused(self) -> None:
        """The refusal comes at once, and no profile begins."""
        await self.serve(**WANTED)
        for seconds in ("0", "-1", str(LONGEST_S + 1), "1e9", "nan", "inf", "", "1.5", "+1", "%d9%a1"):
            answer = await self.ask_status(f"{PROFILE}?seconds={seconds}")
            assert (answer.status, f"1 to {LONGEST_S}" in answer.error) == (400, True)
        assert "more than one" in (await self.ask_status(f"{PROFILE}?seconds=1&seconds=2")).error
        for target in (f"{PROFILE}?second=1", f"{PROFILE}?seconds=1&debug=1", "/debug/pprof/heap?seconds=1"):
            assert "unknown parameter" in (await self.ask_status(target)).error
        assert not self.profiling

    async def test_other_methods_are_refused(self) -> None:
        """HEAD would have to take the profile first."""
        await self.serve(**WANTED)
        for target in (PROFILE, "/debug/pprof/heap"):
            for method in ("HEAD", "POST"):
                answer = await self.ask_status(target, method)
                assert (answer.status, answer.headers["allow"]) == (405, "GET")
        assert (await self.ask_status("/debug/threads", "POST")).status == 405

    async def test_one_at_a_time(self) -> None:
        """A second client gets a Retry-After, and a client that leaves makes room."""
        await self.serve(**WANTED)
        connection = await self.begin_status(f"{PROFILE}?seconds={LONGEST_S}")
        await until(lambda: self.profiling)
        refused = await self.ask_status(f"{PROFILE}?seconds=1")
        assert refused.status == 503
        assert LONGEST_S - 30 < int(refused.headers["retry-after"]) <= LONGEST_S
        assert (await self.ask_status("/debug/pprof/heap")).status == 200
        assert (await self.ask_status("/debug/threads")).status == 200
        connection.leave()
        await until(lambda: not self.profiling)
        assert (await self.ask_status(f"{PROFILE}?seconds=1")).status == 200

    async def test_a_reload_that_turns_it_off_ends_the_profile(self) -> None:
        """The client gets the samples so far."""
        await self.serve(**WANTED)
        connection = await self.begin_status(f"{PROFILE}?seconds={LONGEST_S}")
        await until(lambda: self.profiling)
        await self.reload()
        assert gzip.decompress((await connection.answer()).body)

    async def test_the_daemon_does_not_wait_for_a_profile(self) -> None:
        """The profile ends with the daemon, and tracing stops."""
        await self.serve(**WANTED)
        connection = await self.begin_status(f"{PROFILE}?seconds={LONGEST_S}")
        await until(lambda: self.profiling)
        await self.stop()
        assert gzip.decompress((await connection.answer()).body)
        assert not tracemalloc.is_tracing()
