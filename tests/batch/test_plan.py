"""A command line is refused before the first item."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaged.batch.errors import UsageError
from imaged.batch.plan import BatchPlan, make_plan
from imaged.batch.shards import Shard
from imaged.config.load import load
from imaged.core.formats import FORMATS
from imaged.core.outputs import parse

YAML = "images: {outputs: [x9.jpg]}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with a list in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list").write_text("a.png\n")


def plan(*names: str, yaml: str = "", **given: str | None) -> BatchPlan:
    """Make a plan."""
    settings = load(yaml, "imaged.yaml", environ={}, read_bytes=str.encode).settings
    wanted = {"namespace": "p", "outputs": "x4.jpg", **given}
    return make_plan(
        settings,
        names or ("list",),
        wanted["namespace"] or "",
        wanted["outputs"] or "",
        wanted.get("resume"),
        wanted.get("failed"),
        wanted.get("shard"),
        {},
    )


def journals(*names: str, yaml: str = "", **given: str | None) -> None:
    """Make a plan, and open and close its journals."""
    with plan(*names, yaml=yaml, **given).journals(FORMATS):
        pass


def test_a_plan() -> None:
    """A plan is checked, and its journals are open."""
    made = plan("list", "-", outputs="x4.jpg,x5.png", resume="state", failed="failed", shard="2/3")
    assert (made.inputs, made.outputs, made.shard) == (("list", "-"), [parse("x4.jpg"), parse("x5.png")], Shard(2, 3))
    with made.journals(FORMATS):
        assert Path("state").exists()
        assert Path("failed").read_bytes() == b""


@pytest.mark.parametrize("yaml", [YAML, "namespaces: {q: {outputs: [x9.jpg]}}\n"])
def test_the_settings_may_name_the_outputs(yaml: str) -> None:
    """Outputs of any namespace in the settings suffice: a path may name that namespace."""
    assert plan(yaml=yaml, outputs=None).outputs == []


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"outputs": ""}, "nothing to make"),
        ({"outputs": "x4.jpg,large"}, "'large' is not an output"),
        ({"outputs": "x4.tiff"}, "tiff"),
        ({"outputs": "x99999.jpg"}, "99999"),
        ({"namespace": "Wine"}, "not a namespace"),
        ({"shard": "3/2"}, "from 1 to N"),
        ({"resume": "list"}, "while it is read"),
        ({"failed": "./list"}, "while it is read"),
        ({"failed": "a", "resume": "a"}, "two purposes"),
        ({"failed": "no/such/folder"}, "no/such/folder: No such file"),
        ({"resume": "no/such/folder"}, "no/such/folder: No such file"),
    ],
)
def test_misuse(given: dict[str, str], reason: str) -> None:
    """The message says what is wrong, and existing files are unchanged."""
    with pytest.raises(UsageError, match=reason):
        journals(**given)
    assert Path("list").read_text() == "a.png\n"


def test_an_input_that_is_not_there() -> None:
    """A missing input is refused, and the file of failures is not emptied."""
    Path("failed").write_text("of yesterday")
    with pytest.raises(UsageError, match="missing: No such file"):
        journals("list", "missing", failed="failed")
    assert Path("failed").read_text() == "of yesterday"


@pytest.mark.parametrize(
    ("yaml", "outputs"),
    [("", "x5.jpg"), (YAML, "x4.jpg"), ("remote: {base_path: b}\n", "x4.jpg"), ("uploader: s3\n", "x4.jpg")],
)
def test_a_checkpoint_is_of_one_batch(yaml: str, outputs: str) -> None:
    """The checkpoint of other outputs or of another remote store is refused."""
    journals(resume="state")
    journals(resume="state", shard="1/9")
    with pytest.raises(UsageError, match="of another batch"):
        journals(yaml=yaml, outputs=outputs, resume="state")


def test_a_checkpoint_is_of_one_store() -> None:
    """A store is identified by its folder or bucket; its keys may change."""
    journals(resume="state", yaml="store: {path: a}")
    with pytest.raises(UsageError, match="state"):
        journals(resume="state", yaml="store: {path: b}")
    journals(resume="other", yaml="uploader: s3\nplugins: {s3: {bucket: one, secret_access_key: old}}")
    for secret in ("secret_access_key: new", "client_secret: a", "password: b"):
        journals(resume="other", yaml=f"uploader: s3\nplugins: {{s3: {{bucket: one, {secret}}}}}")
    with pytest.raises(UsageError, match="other"):
        journals(resume="other", yaml="uploader: s3\nplugins: {s3: {bucket: two, secret_access_key: new}}")


def test_failures_are_not_written_over_an_input() -> None:
    """A file under any name is not both written and read, and two batches do not write one file."""
    Path("same").hardlink_to("list")
    with pytest.raises(UsageError, match="same"):
        journals("list", failed="same")
    with plan(failed="failures").journals(FORMATS), pytest.raises(UsageError, match="another running batch"):
        journals(failed="failures")
