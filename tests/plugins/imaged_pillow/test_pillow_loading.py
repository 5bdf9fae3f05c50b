"""The plugin loads what it needs, says what it uses, and leaves the process as a template needs it."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import features

from imaged.testing.pictures import make_gif, make_jpeg, make_png, make_webp

MADE = "import imaged_pillow; from imaged.testing.fakes import make_host; "
PROCESSOR = f"{MADE}made = imaged_pillow.imaged_processor(make_host('pillow')); "
THREADS = "from pathlib import Path; print(len(list(Path('/proc/self/task').iterdir())))"


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


def test_a_missing_pillow_is_reported_with_advice() -> None:
    """Loading the plugin fails, not the first render."""
    last = run("import sys; sys.modules['PIL'] = None; import imaged_pillow").stderr.splitlines()[-1]
    wanted = "'cykooz-resizer>=4' 'pillow-heif>=1.1' 'pillow>=11'"
    assert last == f"ImportError: Pillow is missing: {sys.executable} -m pip install {wanted}"


def test_the_detail_names_the_libraries_in_use() -> None:
    """The status page names cykooz-resizer only where it is installed."""
    both = run(f"{PROCESSOR}print(made.detail)").stdout
    alone = run(f"import sys; sys.modules['cykooz_resizer'] = None; {PROCESSOR}print(made.detail)").stdout
    assert both.startswith("Pillow ")
    assert (", cykooz-resizer " in both) == (find_spec("cykooz_resizer") is not None)  # Debian has none
    assert "cykooz" not in alone
    assert ", libjpeg-turbo " in alone


def test_the_daemon_does_not_load_pillow_while_workers_render() -> None:
    """Its processor lists the formats, and has every method that the daemon looks up."""
    program = (
        f"{MADE}import sys; made = imaged_pillow.imaged_processor(make_host('pillow', renders=False)); "
        "print(*(each.extension for each in made.writes), callable(made.verify), 'PIL' in sys.modules)"
    )
    has_avif = "avif" in features.get_supported()  # Pillow before 11.3 does not know the word
    avif = "avif " if has_avif else ""
    assert run(program).stdout == f"jpg png webp {avif}True False\n"


def test_it_has_one_thread(tmp_path: Path) -> None:
    """A template forks workers, so that loading must start no thread; rendering starts none either."""
    if not Path("/proc/self/task").is_dir():
        pytest.skip("this system does not list threads in /proc/self/task")
    source = tmp_path / "original"
    source.write_bytes(make_jpeg())
    rendering = (
        "import sys; from imaged.core.outputs import parse; from imaged.testing.processors import render_job; "
        "job = render_job(Path(sys.argv[1]), made.identify(Path(sys.argv[1])), [parse('x20.jpg'), parse('x20.webp')]); "
        "list(made.render(job)); print(len(list(Path('/proc/self/task').iterdir())))"
    )
    ended = run(f"{PROCESSOR}{THREADS}; {rendering}", str(source))
    assert ended.stdout == "1\n1\n", ended.stderr


def test_renders_import_nothing(tmp_path: Path) -> None:
    """Workers share the memory of modules that their template has loaded, and need no time for them."""
    for number, body in enumerate((make_jpeg(6), make_png(opacity=9), make_webp(), make_gif())):
        (tmp_path / f"{number}").write_bytes(body)
    rendering = (
        "import sys; from imaged.core.outputs import parse; from imaged.testing.processors import render_job; "
        "from pathlib import Path; sources = list(Path(sys.argv[1]).iterdir()); loaded = set(sys.modules); "
        "names = ['x20.jpg', 'full_size.png', 'x20.webp']; "
        "jobs = [render_job(each, made.identify(each), [parse(name) for name in names]) for each in sources]; "
        "[(made.verify(job), list(made.render(job))) for job in jobs]; "
        "print(len(jobs), sorted(name for name in set(sys.modules) - loaded if not name.startswith('encodings')))"
    )
    ended = run(f"{PROCESSOR}{rendering}", str(tmp_path))
    assert ended.stdout == "4 []\n", ended.stderr
