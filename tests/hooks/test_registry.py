"""The registry finds plugins by entry point, calls each alone, and turns errors into faults."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from twisted.logger import capturedLogs

from imaged.config.load import Loaded, load
from imaged.core.snapshot import Plugin
from imaged.hooks.host import Host
from imaged.hooks.installation import installed
from imaged.hooks.registry import Plugins, build
from imaged.testing.fakes import make_host

PROCESSOR = """
    from imaged.api import hookimpl

    class Painter:
        detail = "Painter 1.0"

        def identify(self, source): ...
        def accepts(self, job): ...
        def render(self, job): ...

    @hookimpl
    def imaged_processor(host):
        return Painter()
"""
OF_EVERY_KIND = (
    PROCESSOR
    + """
    class Everything(Painter):
        detail = "everything"
        identity = "here/everything"
        closed = 0

        async def upload(self, key, path, content_type): ...
        async def download(self, key, path): ...
        async def list(self, prefix): ...
        async def delete(self, keys): ...
        def record(self, event): ...
        def close(self):
            self.closed += 1

    everything = Everything()
    hosts = []

    @hookimpl
    def imaged_processor(host):
        hosts.append(host)
        return everything

    @hookimpl
    def imaged_uploader(host):
        hosts.append(host)
        return everything

    @hookimpl
    def imaged_metrics(host):
        hosts.append(host)
        return everything
"""
)
WITH_OPTIONS = """
    from pydantic import BaseModel, ConfigDict
    from imaged.api import hookimpl

    class Options(BaseModel):
        model_config = ConfigDict(extra="forbid")
        bucket: str
        region: str = "here"

    @hookimpl
    def imaged_uploader(host):
        host.options(Options)
"""
UPLOADER_OF_NOTHING = """
    from imaged.api import hookimpl

    @hookimpl
    def imaged_uploader(host):
        return None
"""

WHICH = "a text that says which store this is: its address, and the bucket or account there"
STORES = """
    from imaged.api import hookimpl

    class Store:
        identity = "store.example/bucket"

        def __init__(self, **odd):
            vars(self).update(odd)

        async def upload(self, key, path, content_type): ...
        async def download(self, key, path): ...
        async def list(self, prefix): ...
        async def delete(self, keys): ...

    def leave(self):
        raise SystemExit(3)

    def Rude(name):
        return type("Rude", (Store,), {name: property(leave)})()

    async def hook_of_its_own(): ...

    @hookimpl
    def imaged_uploader(host):
        return THING
"""
SECONDS = "has a flush_every_s that is no number of seconds above 0"
SINK = """
    from imaged.api import hookimpl

    class Sink:
        BODY

    @hookimpl
    def imaged_metrics(host):
        return Sink()
"""


class Site:
    """A folder of installed distributions: modules, and entry points in a `.dist-info`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: dict[str, str] = {}

    def install(self, **plugins: str) -> None:
        """Install a distribution with these plugins."""
        for name, source in plugins.items():
            self.modules[name] = module = f"crew_{name}"
            (self.folder / f"{module}.py").write_text(dedent(source))
        metadata = self.folder / "crew-3.1.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: crew\nVersion: 3.1\n")
        lines = ["[imaged]", *(f"{name} = {module}" for name, module in self.modules.items())]
        (metadata / "entry_points.txt").write_text("\n".join(lines))
        importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return a site folder on the path with a processor `painter`; no module stays imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    site = Site(tmp_path)
    site.install(painter=PROCESSOR)
    yield site
    for module in site.modules.values():
        sys.modules.pop(module, None)


def read(text: str) -> Loaded:
    """Load settings; the processor is `painter` unless `text` says otherwise."""
    whole = text if "processors:" in text else f"{text}\nprocessors: [painter]\n"
    return load(whole.lstrip("\n"), "etc/imaged.yaml", environ={}, read_bytes=str.encode)


def compose(text: str) -> tuple[Plugins, list[str]]:
    """Build the plugins that the settings name; return them and the faults as text."""
    loaded = read(text)
    assert loaded.faults == ()

    def host_of(name: str) -> Host:
        return make_host(name, loaded.settings.plugins.get(name))

    plugins, faults = build(loaded, host_of)
    return plugins, [str(fault) for fault in faults]


@pytest.mark.usefixtures("site")
def test_installed_plugins_are_listed_by_name() -> None:
    """The list has the plugins of every distribution, and imports none."""
    assert {"magick", "noop", "painter"} <= set(installed())
    assert list(installed()) == sorted(installed())
    assert "crew_painter" not in sys.modules


@pytest.mark.usefixtures("site")
def test_a_plugin_is_described_as_the_status_page_shows_it() -> None:
    """It has the name of its entry point, the version of its distribution and its detail."""
    plugins, faults = compose("uploader: noop")
    assert faults == []
    assert plugins.described == (Plugin("painter", "processor", "3.1", "Painter 1.0"),)
    assert (plugins.uploader, plugins.sinks) == (None, {})


def test_each_hook_gets_the_host_of_its_own_plugin(site: Site) -> None:
    """The registry calls it once for each setting that names the plugin, with the plugin's section."""
    site.install(all=OF_EVERY_KIND, other=UPLOADER_OF_NOTHING)
    text = "processors: [all]\nuploader: all\nmetrics: [all]\nplugins: {all: {colour: red}, other: {colour: blue}}"
    plugins, faults = compose(text)
    assert faults == []
    hosts = importlib.import_module("crew_all").hosts
    assert [(host.name, host.section) for host in hosts] == [("all", {"colour": "red"})] * 3
    assert [plugin.kind for plugin in plugins.described] == ["processor", "uploader", "metrics"]


def test_only_the_named_hooks_are_called(site: Site) -> None:
    """A plugin of every kind is used as the settings say."""
    site.install(all=OF_EVERY_KIND)
    plugins, faults = compose("metrics: [all]")
    assert faults == []
    assert len(importlib.import_module("crew_all").hosts) == 1
    assert (len(plugins.processors), plugins.uploader, len(plugins.sinks)) == (1, None, 1)


def test_each_generation_calls_the_hooks_again(site: Site) -> None:
    """A reload builds new plugins."""
    site.install(all=OF_EVERY_KIND)
    for _ in range(2):
        compose("metrics: [all]")
    hosts = importlib.import_module("crew_all").hosts
    assert len(hosts) == 2
    assert hosts[0] is not hosts[1]


@pytest.mark.usefixtures("site")
def test_the_fault_of_an_unknown_plugin_lists_the_installed_ones() -> None:
    """It is at the line that names the plugin."""
    _, faults = compose("processors: [nope]\nuploader: none\nmetrics:\n  - nowhere\nplugins:\n  never: {a: 1}")
    there_are = f"installed: {', '.join(installed())}"
    assert faults == [
        f"etc/imaged.yaml:1: processors.0: no plugin is called 'nope'; did you mean \"noop\"?; {there_are}",
        f"etc/imaged.yaml:2: uploader: no plugin is called 'none'; {there_are}",
        f"etc/imaged.yaml:4: metrics.0: no plugin is called 'nowhere'; {there_are}",
        f"etc/imaged.yaml:6: plugins.never: no such plugin; {there_are}",
    ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def (", "SyntaxError: invalid syntax"),
        ("raise SystemExit('buy a licence')", "SystemExit: buy a licence"),
        ("class Panic(BaseException): ...\nraise Panic('index out of bounds')", "Panic: index out of bounds"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_a_fault(site: Site, source: str, reason: str) -> None:
    """The daemon survives every error of an import, and the fault has its text."""
    site.install(broken=source)
    plugins, (fault,) = compose("uploader: broken\nmetrics: [broken]")
    assert fault.startswith(f"etc/imaged.yaml:1: uploader: plugin 'broken' cannot be loaded: {reason}")
    assert len(plugins.processors) == 1


def test_an_entry_point_to_nothing_is_a_fault(site: Site) -> None:
    """The module exists, but not the object."""
    site.modules["painting"] = "crew_painter:missing"
    site.install()
    _, faults = compose("uploader: painting")
    reason = "AttributeError: module 'crew_painter' has no attribute 'missing'"
    assert faults == [f"etc/imaged.yaml:1: uploader: plugin 'painting' cannot be loaded: {reason}"]


def test_wrong_options_are_faults_at_their_lines(site: Site) -> None:
    """Each is a fault, which suggests a similar key."""
    site.install(s4=WITH_OPTIONS)
    _, faults = compose("uploader: s4\nplugins:\n  s4:\n    regoin: there\n")
    assert faults == [
        "etc/imaged.yaml:3: plugins.s4.bucket: is required: give it a value",
        'etc/imaged.yaml:4: plugins.s4.regoin: unknown key; did you mean "region"?',
    ]


BUCKET = """
from pydantic import BaseModel
from imaged.api import hookimpl
from imaged.testing.fakes import MemoryUploader

class Options(BaseModel, extra="forbid"):
    bucket: str

@hookimpl
def imaged_uploader(host):
    uploader = MemoryUploader()
    uploader.identity = uploader.detail = host.options(Options).bucket
    return uploader
"""


def test_each_origin_has_an_uploader_of_its_own(site: Site) -> None:
    """It has the options of the origin, or else those of the plugin; the status page lists it by its origin."""
    site.install(s4=BUCKET)
    origins = "origins: {one: {plugin: s4, namespace: p, options: {bucket: a}}, two: {plugin: s4, namespace: p}}"
    plugins, faults = compose(f"uploader: s4\nplugins: {{s4: {{bucket: b}}}}\n{origins}")
    assert faults == []
    assert plugins.uploader is not None
    assert plugins.uploader.identity == "b"
    assert {name: each.identity for name, each in plugins.origins.items()} == {"one": "a", "two": "b"}
    assert [each.detail for each in plugins.described if each.kind == "origin"] == ["one: a", "two: b"]
    closed = [result.thing for result in plugins.results if result.plugin.kind == "origin"]
    plugins.close()
    assert [each.closed for each in closed] == [1, 1]


def test_faults_of_an_origin_are_at_its_options(site: Site) -> None:
    """An unknown plugin, wrong options, and a plugin that keeps nothing."""
    site.install(s4=BUCKET)
    options = "origins:\n  one:\n    plugin: s4\n    namespace: p\n    options: {buckt: a}\n"
    assert compose(options)[1] == [
        "etc/imaged.yaml:5: origins.one.options.bucket: is required: give it a value",
        'etc/imaged.yaml:5: origins.one.options.buckt: unknown key; did you mean "bucket"?',
    ]
    for name, said in (
        ("s44", "no plugin is called 's44'"),
        ("noop", "keeps no files"),
        ("painter", "offers no uploader"),
    ):
        (fault,) = compose(f"origins: {{one: {{plugin: {name}, namespace: p}}}}")[1]
        assert fault.startswith("etc/imaged.yaml:1: origins.one.plugin: ")
        assert said in fault


def test_a_reference_without_a_value_is_one_fault(site: Site) -> None:
    """There is no second fault about a missing option, and no third about a missing processor."""
    site.install(s4=WITH_OPTIONS, artist=WITH_OPTIONS.replace("imaged_uploader", "imaged_processor"))
    plugins = "plugins: {s4: {bucket: {env: NOPE}}, artist: {bucket: {env: NOPE}}}"
    loaded = read(f"processors: [artist]\nuploader: s4\n{plugins}")
    assert [str(fault) for fault in loaded.faults] == [
        'etc/imaged.yaml:3: plugins.artist.bucket: the environment has no variable "NOPE"',
        'etc/imaged.yaml:3: plugins.s4.bucket: the environment has no variable "NOPE"',
    ]
    made, faults = build(loaded, lambda name: make_host(name, loaded.settings.plugins.get(name)))
    assert (made.processors, made.uploader, faults) == ((), None, [])


@pytest.mark.usefixtures("site")
def test_a_plugin_without_the_hook_is_a_fault() -> None:
    """The message names the missing hook."""
    _, faults = compose("uploader: painter")
    assert faults == [
        "etc/imaged.yaml:1: uploader: plugin 'painter' offers no uploader: it does not implement imaged_uploader"
    ]


@pytest.mark.parametrize(
    ("thing", "wrong"),
    [
        ("object()", "is no Uploader: it has no upload and no download and no list and no delete and no identity"),
        ("Store", "is the class Store, not an object of it"),
        ("hook_of_its_own()", "is a coroutine: declare the hook with def, not async def"),
        ("Store(delete=None)", "is no Uploader: it has no delete"),
        ("Store(identity=7)", f"has an identity that is not {WHICH}"),
        ("Store(identity=' ')", f"has an identity that is not {WHICH}"),
        ("Store(identity='a\\nb')", f"has an identity that is not {WHICH}"),
        ("Store(identity='a' * 501)", f"has an identity of more than 500 characters; it is {WHICH}"),
    ],
)
def test_a_hook_that_returns_the_wrong_uploader_is_a_fault(site: Site, thing: str, wrong: str) -> None:
    """The fault comes when the generation is built, and says what is wrong."""
    site.install(wrong=STORES.replace("THING", thing))
    plugins, faults = compose("uploader: wrong")
    assert faults == [f"etc/imaged.yaml:1: uploader: plugin 'wrong': what imaged_uploader returned {wrong}"]
    assert plugins.uploader is None


def test_an_object_whose_properties_raise_is_a_fault(site: Site) -> None:
    """The daemon survives even a SystemExit."""
    site.install(wrong=STORES.replace("THING", "Rude('identity')"))
    assert compose("uploader: wrong")[1] == [
        "etc/imaged.yaml:1: uploader: plugin 'wrong' failed to start: SystemExit: 3"
    ]


@pytest.mark.parametrize(
    ("old", "wrong"),
    [
        ('detail = "Painter 1.0"', "is no Processor: it has no detail"),
        ("def accepts(self, job): ...", "is no Processor: it has no accepts"),
    ],
)
def test_a_hook_that_returns_the_wrong_processor_is_a_fault(site: Site, old: str, wrong: str) -> None:
    """The other processors are built."""
    site.install(wrong=PROCESSOR.replace(old, ""))
    _, faults = compose("processors: [wrong, painter]")
    assert faults == [f"etc/imaged.yaml:1: processors.0: plugin 'wrong': what imaged_processor returned {wrong}"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("pass", "is no MetricsSink: it has no record"),
        ("def record(self, event): ...\n        flush_every_s = 0\n        def flush(self): ...", SECONDS),
        ("def record(self, event): ...\n        flush_every_s = float('nan')\n        def flush(self): ...", SECONDS),
        (
            "def record(self, event): ...\n        flush_every_s = '1'\n        def flush(self): ...",
            "failed to start",
        ),
    ],
)
def test_a_hook_that_returns_the_wrong_sink_is_a_fault(site: Site, body: str, wrong: str) -> None:
    """A period of zero would keep its thread busy."""
    site.install(wrong=SINK.replace("BODY", body))
    _, faults = compose("metrics: [wrong]")
    assert len(faults) == 1
    assert wrong in faults[0]


@pytest.mark.parametrize(
    ("setting", "code", "wrong"),
    [
        ("metrics", SINK.replace("BODY", "async def record(self, event): ..."), "MetricsSink: declare its record"),
        (
            "processors",
            PROCESSOR.replace("def accepts", "async def verify(self, job): ...\n        def accepts"),
            "Processor: declare its verify",
        ),
    ],
)
def test_an_async_method_that_is_called_on_a_thread_is_a_fault(site: Site, setting: str, code: str, wrong: str) -> None:
    """No code awaits it, so that it would do nothing without an error."""
    site.install(wrong=code)
    _, faults = compose(f"{setting}: [wrong]")
    assert faults[0].endswith(f" is no {wrong} with def, not async def")


def test_a_hook_may_return_none(site: Site) -> None:
    """No uploader is no fault; no processor is one."""
    site.install(shy=UPLOADER_OF_NOTHING + PROCESSOR.replace("return Painter()", "return None"))
    plugins, faults = compose("uploader: shy")
    assert (plugins.uploader, faults) == (None, [])
    _, faults = compose("processors: [shy]")
    assert faults == ["etc/imaged.yaml:1: processors: none of these offers a processor with these options"]


def test_a_hook_is_listed_while_it_runs(site: Site) -> None:
    """Hooks and imports hold the reactor; the log names the plugin of a slow one."""
    seeing = "from imaged.hooks.boundary import calls\nseen = [calls()]\n"
    site.install(slow=seeing + dedent(UPLOADER_OF_NOTHING).replace("return None", "seen.append(calls())"))
    compose("uploader: slow")
    seen = importlib.import_module("crew_slow").seen
    names = [[call.name for call in each] for each in seen]
    assert names == [["plugin slow: its import"], ["plugin slow: imaged_uploader"]]


def test_a_hook_that_raises_is_a_fault(site: Site) -> None:
    """The fault has the error's class and text."""
    site.install(bad=UPLOADER_OF_NOTHING.replace("return None", "raise OSError('no route to host')"))
    _, faults = compose("uploader: bad")
    assert faults == ["etc/imaged.yaml:1: uploader: plugin 'bad' failed to start: OSError: no route to host"]


def test_a_misspelt_hook_is_a_fault(site: Site) -> None:
    """Pluggy alone would accept it."""
    site.install(typo=PROCESSOR + UPLOADER_OF_NOTHING.replace("imaged_uploader", "imaged_upload"))
    plugins, (fault,) = compose("processors: [typo, painter]")
    assert "plugin 'typo' cannot be loaded: PluginValidationError: unknown hook 'imaged_upload'" in fault
    assert len(plugins.processors) == 1


def test_a_hook_with_wrong_arguments_is_a_fault(site: Site) -> None:
    """The fault names the wrong argument."""
    site.install(args=UPLOADER_OF_NOTHING.replace("(host)", "(guest)"))
    _, (fault,) = compose("uploader: args")
    assert fault.startswith("etc/imaged.yaml:1: uploader: plugin 'args' cannot be loaded: PluginValidationError")
    assert "guest" in fault


def test_one_broken_plugin_does_not_hide_the_faults_of_others(site: Site) -> None:
    """Every fault is reported at once, and the good plugins are built."""
    site.install(
        typo=UPLOADER_OF_NOTHING.replace("imaged_uploader", "imaged_upload"),
        broken="import no_such_module_at_all",
        s4=WITH_OPTIONS,
        raising=PROCESSOR.replace("return Painter()", "raise OSError('no engine')"),
    )
    plugins, faults = compose("processors: [broken, typo, raising, painter]\nuploader: s4\nmetrics: [nope, painter]")
    assert [fault.split(": ")[1] for fault in faults] == [
        "processors.0",
        "processors.1",
        "processors.2",
        "plugins.s4.bucket",
        "metrics.0",
        "metrics.1",
    ]
    assert [plugin.name for plugin in plugins.described] == ["painter"]


BRINGER = PROCESSOR.replace(
    "from imaged.api import hookimpl",
    """from dataclasses import replace
    from imaged.api import JPEG, PNG, hookimpl

    BMP = replace(PNG, extension="bmp", content_type="image/bmp", maximum_side_px=SIDE)""",
).replace("def identify", "reads, writes = (JPEG, BMP), (JPEG,)\n        def identify")
LISTS_BMP = "images: {extensions: [jpg, bmp]}"


@pytest.mark.parametrize("name", ["reads", "writes"])
def test_formats_that_are_none_are_a_fault(site: Site, name: str) -> None:
    """They are checked when the daemon loads the plugin."""
    site.install(wrong=PROCESSOR.replace("def accepts", f"{name} = ['jpg']\n        def accepts"))
    _, faults = compose("processors: [wrong]")
    (fault,) = faults
    assert fault.endswith(f"what imaged_processor returned is no Processor: its {name} is not a tuple of Format")


def test_the_formats_are_those_that_the_processors_bring(site: Site) -> None:
    """One without `reads` and `writes` brings the core formats."""
    site.install(one=BRINGER.replace("SIDE", "9"), other=PROCESSOR)
    plugins, faults = compose(f"processors: [one]\n{LISTS_BMP}")
    assert faults == []
    assert [format.extension for format in plugins.formats.reads] == ["jpg", "bmp"]
    assert [format.extension for format in plugins.formats.writes] == ["jpg"]
    both, _ = compose("processors: [other, one]")
    assert [format.extension for format in both.formats.known] == ["jpg", "png", "gif", "webp", "bmp"]


def test_a_listed_format_that_no_processor_brings_is_a_fault(site: Site) -> None:
    """Unless a processor is faulty, too: it may be the one that brings the format."""
    site.install(painter=PROCESSOR, broken="raise RuntimeError('broken')")
    _, faults = compose(f"processors: [painter]\n{LISTS_BMP}")
    assert faults == [
        'etc/imaged.yaml:2: images.extensions.1: expected one of jpg, png, gif, webp, got "bmp"',
    ]
    _, (fault,) = compose(f"processors: [painter, broken]\n{LISTS_BMP}")
    assert "broken" in fault


def test_two_formats_of_one_name_are_a_fault(site: Site) -> None:
    """Of the plugin that comes second."""
    site.install(one=BRINGER.replace("SIDE", "9"), two=BRINGER.replace("SIDE", "8"))
    _, faults = compose(f"processors: [one, two]\n{LISTS_BMP}")
    assert faults == [
        "etc/imaged.yaml:1: processors.1: plugin 'two' brings another format called bmp or image/bmp",
    ]


def test_an_object_is_closed_once(site: Site) -> None:
    """Even one that is processor, uploader and sink at once; one without `close` is left alone."""
    site.install(all=OF_EVERY_KIND)
    plugins, faults = compose("processors: [all, painter]\nuploader: all\nmetrics: [all]")
    assert faults == []
    plugins.close()
    assert importlib.import_module("crew_all").everything.closed == 1


def test_a_hanging_object_stays_open(site: Site) -> None:
    """A thread may still use it."""
    site.install(all=OF_EVERY_KIND)
    plugins, _ = compose("processors: [all]\nuploader: all\nmetrics: [all]")
    everything = importlib.import_module("crew_all").everything
    plugins.close([everything])
    assert everything.closed == 0


def test_an_error_of_close_does_not_stop_the_others(site: Site) -> None:
    """The error is logged, and the other objects are closed."""
    rude = OF_EVERY_KIND.replace("self.closed += 1", "raise OSError('busy')")
    site.install(rude=rude, all=OF_EVERY_KIND)
    plugins, _ = compose("processors: [rude, painter]\nuploader: all")
    with capturedLogs() as logged:
        plugins.close()
    assert importlib.import_module("crew_all").everything.closed == 1
    assert [event["called"] for event in logged] == ["processor rude: close"]


@pytest.mark.parametrize("setting", ["uploader: bucket", "origins: {shop: {plugin: bucket, namespace: p}}"])
def test_a_missing_section_has_the_line_of_the_setting_that_names_the_plugin(site: Site, setting: str) -> None:
    """The operator finds the place, although nothing stands there."""
    site.install(bucket=WITH_OPTIONS)
    _, faults = compose(f"listen: tcp:7000:interface=127.0.0.1\n{setting}")
    assert faults == ["etc/imaged.yaml:2: plugins.bucket.bucket: is required: give it a value"]


def test_sections_of_plugins_that_are_not_in_use_are_checked(site: Site) -> None:
    """They are checked before a setting names the plugin; no hook is called."""
    site.install(bucket=WITH_OPTIONS)
    _, faults = compose("plugins: {bucket: {bukket: a, region: 5}}")
    assert sorted(faults) == [
        "etc/imaged.yaml:1: plugins.bucket.bucket: is required: give it a value",
        'etc/imaged.yaml:1: plugins.bucket.bukket: unknown key; did you mean "bucket"?',
        "etc/imaged.yaml:1: plugins.bucket.region: expected text, got a number: put it in double quotes",
    ]
    assert compose("plugins: {bucket: {bucket: a}}")[1] == []


def test_a_section_of_a_plugin_that_cannot_be_imported_is_ignored(site: Site) -> None:
    """Its library may be missing: no setting names it, so the daemon starts without it."""
    site.install(lame="raise ImportError('no')")
    assert compose("plugins: {lame: {a: 1}}")[1] == []
