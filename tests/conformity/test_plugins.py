"""The entry points load, and `docs/plugins.md` matches the code."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pluggy
import pytest
from source_tree import ROOT

import imaged.api
from imaged.config.load import load
from imaged.core.snapshot import Plugin
from imaged.hooks import contracts, specs
from imaged.hooks.host import Host
from imaged.hooks.installation import installed
from imaged.hooks.registry import build
from imaged.testing.fakes import make_host

PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BUILT_IN: dict[str, str] = PROJECT["entry-points"][specs.PROJECT]


def blocks(language: str) -> list[str]:
    """Return the code samples of the page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def named(file_name: str) -> str:
    """Return the sample whose first line has this file name."""
    (sample,) = [block for block in blocks("python") if block.startswith(f"# {file_name}\n")]
    return sample


def signatures(body: list[ast.stmt]) -> Iterator[str]:
    """Yield each function as the page shows it, and each annotated name."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
            assert node.returns is not None
            yield f"{word} {node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}: ..."
        elif isinstance(node, ast.AnnAssign):
            yield ast.unparse(node)


def parsed(thing: Any) -> list[ast.stmt]:
    """Return the statements of a module or a class."""
    tree = ast.parse(inspect.getsource(thing))
    return tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else tree.body


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_entry_point_loads_and_implements_a_hook(name: str) -> None:
    """Each entry point implements only known hooks."""
    manager = pluggy.PluginManager(specs.PROJECT)
    manager.add_hookspecs(specs)
    plugin = installed()[name].load()
    manager.register(plugin, name)
    manager.check_pending()
    assert manager.get_hookcallers(plugin)


def test_the_installed_plugins_are_the_declared_ones() -> None:
    """The installed entry points are those in `pyproject.toml`."""
    ours = {name: each.value for name, each in installed().items() if each.dist and each.dist.name == PROJECT["name"]}
    assert ours == BUILT_IN


def test_every_plugin_has_an_entry_point() -> None:
    """Each module in `plugins/` has one."""
    lie = {path.stem for path in (ROOT / "plugins").glob("imaged_*") if path.suffix == ".py" or path.is_dir()}
    assert lie == set(BUILT_IN.values())


def test_every_hook_is_documented_with_its_signature() -> None:
    """The page has the exact signature of each hook."""
    (hooks,) = [block for block in blocks("python") if block.startswith("def imaged_")]
    assert hooks.splitlines() == list(signatures(parsed(specs)))


@pytest.mark.parametrize(
    "contract", [contracts.Processor, contracts.Detector, contracts.Uploader, contracts.Purger, contracts.MetricsSink]
)
def test_every_contract_is_documented_with_its_signatures(contract: type[Any]) -> None:
    """The page has each method and attribute, in order."""
    shown = [f"class {contract.__name__}(Protocol):", *(f"    {each}" for each in signatures(parsed(contract)))]
    assert "\n".join(shown) + "\n" in PAGE


def test_every_error_and_event_is_on_the_page() -> None:
    """The page names each error that a plugin may raise and each event that it may receive."""
    things = {name: getattr(imaged.api, name) for name in imaged.api.__all__}
    errors = [name for name, each in things.items() if isinstance(each, type) and issubclass(each, Exception)]
    events = [each.__name__ for each in imaged.api.Event.__args__]
    assert [name for name in [*errors, *events] if not re.search(rf"\b{name}\b", PAGE)] == []


def test_every_attribute_of_the_host_is_on_the_page() -> None:
    """Only the section is left out: plugins read it through `options`."""
    given = [name for name in [*Host.__dataclass_fields__, "options"] if name != "section"]
    assert [name for name in given if not re.search(rf"`{name}\b", PAGE)] == []


def test_the_template_is_the_smallest_plugin() -> None:
    """The page shows `plugins/imaged_noop.py` as it is, below its docstring."""
    source = (ROOT / "plugins" / "imaged_noop.py").read_text(encoding="utf-8")
    assert blocks("python")[0] == source[source.index("from __future__") :]


@pytest.fixture
def shout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the page's plugin with the page's own metadata; return its folder."""
    project = tomllib.loads(blocks("toml")[0])["project"]
    (tmp_path / "imaged_shout.py").write_text(named("imaged_shout.py"))
    (tmp_path / "test_shout.py").write_text(named("test_shout.py"))
    metadata = tmp_path / f"imaged_shout-{project['version']}.dist-info"
    metadata.mkdir()
    text = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (metadata / "METADATA").write_text(text)
    lines = [
        f"[{group}]\n{name} = {value}"
        for group, each in project["entry-points"].items()
        for name, value in each.items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("imaged_shout", None)


@pytest.mark.usefixtures("shout")
def test_the_documented_plugin_works_with_the_documented_settings() -> None:
    """Imaged finds the plugin, which reads its options."""
    loaded = load("processors: [shout]\n" + blocks("yaml")[0], "etc/imaged.yaml", environ={}, read_bytes=str.encode)
    assert loaded.faults == ()

    def host_of(name: str) -> Host:
        return make_host(name, loaded.settings.plugins.get(name))

    plugins, faults = build(loaded, host_of)
    assert [fault.path for fault in faults] == [("processors", 0)]  # it is none, as the page says
    assert [plugin for plugin in plugins.described if plugin.name == "shout"] == [Plugin("shout", "metrics", "1.0", "")]
    assert plugins.sinks["shout"]._slower_than_s == 2.5  # type: ignore[attr-defined]


def test_the_documented_test_passes(shout: Path) -> None:
    """Pytest runs the page's test."""
    arguments = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_shout.py"]
    ended = subprocess.run(arguments, cwd=shout, env={"PYTHONPATH": "."}, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout
