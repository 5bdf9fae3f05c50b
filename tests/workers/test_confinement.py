"""A confined process cannot do harm outside, and can still render. Each attempt runs in a process of its own."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from attempts import CONFINED_ONLY, FORBIDDEN, NEEDED

from imaged.workers import seccomp

HERE = Path(__file__).parent
OTHER_USER = 65534
WORKS = {"execute a program": "exit 0"}  # the program takes the place of the process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines processes")


@dataclass(frozen=True)
class Run:
    """What held in the processes of a run, and how each attempt ended."""

    landlock_abi: int
    seccomp: bool
    missing: list[str]
    outcomes: dict[str, str]


def _run(confined: bool, uid: int) -> Run:  # noqa: FBT001
    with tempfile.TemporaryDirectory() as folder:  # not in pytest's folder, which only its user may enter
        Path(folder).chmod(0o755)
        os.chown(folder, uid, -1)
        command = [sys.executable, str(HERE / "run_attempts.py"), folder, "confined" if confined else "free", str(uid)]
        done = subprocess.run(command, check=False, capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    return Run(**found["confinement"], outcomes=found["outcomes"])


@pytest.fixture(params=["own user", "another user"])
def uid(request: pytest.FixtureRequest) -> int:
    """Return the user of the processes."""
    if request.param == "own user":
        return os.getuid()
    if os.getuid() != 0:
        pytest.skip("only root may become another user")
    own = [HERE, Path(os.__file__), Path(sys.prefix)]
    if any(not each.stat().st_mode & 0o001 for path in own for each in path.resolve().parents):
        pytest.skip(f"another user cannot read this Python or these tests: {sys.base_prefix}, {HERE}")
    return OTHER_USER


def test_what_a_worker_may_not_do_fails_and_would_work_otherwise(uid: int) -> None:
    """Each forbidden thing fails with its error in a confined process, and works in a free one.

    What a codec needs works in both. A confined process has no capabilities, even if its user is root.
    """
    confined, free = _run(confined=True, uid=uid), _run(confined=False, uid=uid)
    by_landlock, by_seccomp = {"EACCES", "EXDEV"}, {"EPERM", "ENOSYS"}
    expected = {name: error for name, (error, _) in FORBIDDEN.items()}
    needed = {name: end for name, (end, _) in (NEEDED | CONFINED_ONLY).items()}
    assert bool(confined.missing) == (not confined.landlock_abi or not confined.seccomp), confined.missing
    assert {name: free.outcomes[name] for name in expected} == {name: WORKS.get(name, "done") for name in expected}
    assert {name: confined.outcomes[name] for name in needed} == needed
    assert {name: free.outcomes[name] for name in NEEDED} == {name: needed[name] for name in NEEDED}
    beyond = (set() if confined.landlock_abi else by_landlock) | (set() if confined.seccomp else by_seccomp)
    held = {name: error for name, error in expected.items() if error not in beyond}
    assert {name: confined.outcomes[name] for name in held} == held
    if beyond:
        pytest.skip(f"the rest was tried; this machine does not confine everything: {confined.missing}")


def test_every_denied_call_has_a_name_that_libseccomp_knows() -> None:
    """A misspelt call would be allowed in silence."""
    library = seccomp.library()
    unknown = {name for name in seccomp.DENIED if library.seccomp_syscall_resolve_name(name.encode()) == -1}
    assert unknown <= seccomp.SINCE_LIBRARY.keys()


AARCH64 = 0xC00000B7
NATIVE = 0


def test_the_filter_compiles_for_aarch64() -> None:
    """The calls that take the place of old ones are denied there: clone for fork, fchmodat for chmod."""
    library = seccomp.library()
    for function, kind in (
        ("arch_add", ctypes.c_uint32),
        ("arch_remove", ctypes.c_uint32),
        ("export_pfc", ctypes.c_int),
    ):
        getattr(library, f"seccomp_{function}").argtypes = [ctypes.c_void_p, kind]
    filter = library.seccomp_init(0x7FFF0000)
    assert library.seccomp_arch_add(filter, AARCH64) in {0, -errno.EEXIST}
    if os.uname().machine != "aarch64":
        assert library.seccomp_arch_remove(filter, NATIVE) == 0
    for name in set(seccomp.DENIED) - seccomp.SINCE_LIBRARY.keys():
        seccomp._add(filter, name, errno.EPERM)
    for rule in (*seccomp._rules(), *seccomp._rules_of(4242)):
        seccomp._add(filter, rule.name, errno.EPERM, rule)
    with tempfile.TemporaryFile() as file:
        assert library.seccomp_export_pfc(filter, file.fileno()) == 0
        file.seek(0)
        text = file.read().decode()
    for number in (220, 221, 53, 54, 88, 33, 131, 261, 198, 203):  # of clone, execve, fchmodat … and connect
        assert f"$syscall == {number})" in text
    assert "if ($a0.lo32 & 0x00010000 == 0)" in text  # the flags of clone


def _script(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", text, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


CONFINE = """
from pathlib import Path
import json, sys
from dataclasses import asdict
from imaged.workers import confinement
bounds = confinement.Bounds(address_bytes=1 << 29, file_bytes=1000, descriptors=20)
folder = Path(sys.argv[1])
"""
REPORT = """
print(json.dumps(asdict(confinement.confine(folder, bounds))))
"""


def test_a_system_without_libseccomp_is_confined_by_the_rest(tmp_path: Path) -> None:
    """The missing library is named, and files are confined as ever."""
    without = "import ctypes; load = ctypes.CDLL\nctypes.CDLL = lambda name, **k: load(name and 'no-such-library', **k)"
    done = _script(f"{CONFINE}\n{without}\n{REPORT}\nopen('/etc/passwd')", str(tmp_path))
    found = json.loads(done.stdout)
    assert (found["seccomp"], found["missing"]) == (False, ["seccomp: libseccomp is not installed"])
    if found["landlock_abi"]:
        assert "PermissionError" in done.stderr


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (38, "Landlock: this kernel has no Landlock"),
        (95, "Landlock: this kernel was booted without it"),
        (1, "Landlock: the kernel, or the container's own filter, refuses it (Operation not permitted)"),
    ],
)
def test_a_kernel_without_landlock_is_confined_by_the_rest(tmp_path: Path, number: int, reason: str) -> None:
    """A kernel, or a container, that refuses Landlock costs the limits on files alone."""
    refuse = f"""
from imaged.workers import seccomp
library = seccomp.library()
confinement.prctl(38, 1)
refusing = library.seccomp_init(0x7fff0000)
library.seccomp_rule_add_array(refusing, 0x50000 | {number}, 444, 0, None)
assert library.seccomp_load(refusing) == 0
"""
    done = _script(f"{CONFINE}\n{refuse}\n{REPORT}\nimport socket; socket.socket()", str(tmp_path))
    found = json.loads(done.stdout)
    assert (found["landlock_abi"], found["seccomp"], found["missing"]) == (0, True, [reason])
    assert "PermissionError" in done.stderr


def test_another_system_has_the_limits_alone(tmp_path: Path) -> None:
    """On a system that is not Linux the modules load, and the limits hold."""
    other = "import sys; sys.platform = 'sunos5'"
    done = _script(f"{other}\n{CONFINE}\n{REPORT}\n(folder / 'large').write_bytes(bytes(2000))", str(tmp_path))
    found = json.loads(done.stdout)
    assert (found["landlock_abi"], found["seccomp"]) == (0, False)
    assert found["missing"] == ["Landlock: only Linux has it", "seccomp: only Linux has it"]
    assert "File too large" in done.stderr


THREAD = """
from concurrent.futures import ThreadPoolExecutor
import socket
pool = ThreadPoolExecutor(1)
pool.submit(int).result()
"""


def test_a_thread_that_runs_before_is_reported_and_gets_the_filter(tmp_path: Path) -> None:
    """Landlock holds the calling thread and later ones; seccomp holds all."""
    done = _script(f"{CONFINE}\n{THREAD}\n{REPORT}\npool.submit(socket.socket).result()", str(tmp_path))
    found = json.loads(done.stdout)
    if found["landlock_abi"]:
        assert found["missing"] == ["Landlock: does not hold the threads that ran before (1)"]
    if found["seccomp"]:
        assert "PermissionError" in done.stderr


def test_a_confined_process_can_be_watched_and_killed(tmp_path: Path) -> None:
    """The process that started it reads its memory, and kills it."""
    wait = "sys.stdout.flush(); sys.stdin.read()"
    command = [sys.executable, "-c", f"{CONFINE}\n{REPORT}\n{wait}", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        resident = int(Path(f"/proc/{process.pid}/statm").read_bytes().split()[1])
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert resident > 0


@pytest.fixture
def family() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a parent with a child that dies with it; yield the parent, and a pipe that closes when the child ends."""
    text = """
import os, sys, signal
from imaged.workers.confinement import die_with_parent
parent = os.getpid()
if not os.fork():
    die_with_parent(parent)
    os.write(int(sys.argv[1]), b"x")
    signal.pause()
os.close(int(sys.argv[1]))
signal.pause()
"""
    read, write = os.pipe()
    with subprocess.Popen([sys.executable, "-c", text, str(write)], pass_fds=[write]) as process:
        os.close(write)
        yield process, read
        process.kill()
    os.close(read)


def test_a_child_dies_with_its_parent(family: tuple[subprocess.Popen[bytes], int]) -> None:
    """A kill that no process can catch ends the child, too."""
    parent, pipe = family
    assert os.read(pipe, 1) == b"x"
    parent.kill()
    assert os.read(pipe, 1) == b""  # its end, when the child has ended


def test_a_child_whose_parent_is_gone_exits() -> None:
    """The parent may end before the child asks for the signal."""
    gone = "from imaged.workers.confinement import die_with_parent\ndie_with_parent(1 << 22)\nprint('alive')"
    done = _script(gone)
    assert (done.returncode, done.stdout) == (1, "")
