"""Faults of a plugin's options have their place in the file."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator
from settings_world import World

from imaged.config.load import plugin_faults

KEPT_BACK = "why is not shown, for it may tell what {env: SECRET} holds"


def refuse(value: str) -> str:
    """Refuse any value and quote it, as a careless validator does."""
    raise ValueError(f"{value!r} is bad")


class Retries(BaseModel):
    """An inner section."""

    model_config = ConfigDict(extra="forbid")

    attempts: int = 3
    delay_s: float = 1.0


class Options(BaseModel):
    """The options of a plugin."""

    model_config = ConfigDict(extra="forbid")

    bucket: str
    mode: Literal["fast", "safe"] = "safe"
    retries: Retries | None = None
    hosts: list[str | int] = []
    secret: Annotated[str, AfterValidator(refuse)] = ""


def faults(text: str, model: type[BaseModel] | None = Options) -> list[str]:
    """Return the faults of the section `plugins.s3` of a file."""
    loaded = World({"SECRET": "hunter2"}).load(text)
    with pytest.raises(ValidationError) as caught:
        Options.model_validate(loaded.settings.plugins["s3"])
    return [str(fault) for fault in plugin_faults(loaded, "s3", caught.value, model)]


def test_faults_are_rooted_at_the_section() -> None:
    """Each fault has the line of its key, or of the section when the key is missing."""
    text = "plugins:\n  s3:\n    mode: slow\n    retries:\n      attempts: many\n      delay: 3\n    hosts: [a, [b]]\n"
    assert faults(text) == [
        "etc/imaged.yaml:2: plugins.s3.bucket: is required: give it a value",
        "etc/imaged.yaml:3: plugins.s3.mode: expected 'fast' or 'safe'",
        "etc/imaged.yaml:5: plugins.s3.retries.attempts: expected a whole number, got text",
        'etc/imaged.yaml:6: plugins.s3.retries.delay: unknown key; did you mean "delay_s"?',
        "etc/imaged.yaml:7: plugins.s3.hosts.1: expected text, got a list",
        "etc/imaged.yaml:7: plugins.s3.hosts.1: expected a whole number, got a list",
    ]


def test_an_unknown_key_is_a_fault_without_the_model() -> None:
    """The suggestion needs the plugin's model; the fault does not."""
    assert faults("plugins: {s3: {bucket: a, buckets: b}}", None) == [
        "etc/imaged.yaml:1: plugins.s3.buckets: unknown key"
    ]


def test_a_missing_section_has_no_line() -> None:
    """The file has no line for it."""
    loaded = World().load("")
    with pytest.raises(ValidationError) as caught:
        Options.model_validate({})
    (fault,) = plugin_faults(loaded, "s3", caught.value, Options)
    assert str(fault) == "etc/imaged.yaml: plugins.s3.bucket: is required: give it a value"


def test_faults_of_plugins_hide_values() -> None:
    """A fault hides even a value that is in the file: it may be a secret."""
    assert faults("plugins: {s3: {bucket: [hunter2], secret: {env: SECRET}}}") == [
        "etc/imaged.yaml:1: plugins.s3.bucket: expected text, got a list",
        f"etc/imaged.yaml:1: plugins.s3.secret: is not accepted; {KEPT_BACK}",
    ]


@pytest.mark.parametrize("model", [Options, None])
@pytest.mark.parametrize(
    "text", ["{bucket: {env: NOPE}}", "{bucket: {env: NOPE}, mode: fast}", "{env: NOPE}", "{bucket: {file: nope}}"]
)
def test_an_unresolved_reference_is_one_fault(text: str, model: type[BaseModel] | None) -> None:
    """The reference has its own fault with its line; the missing value is no second fault."""
    loaded = World().load(f"plugins:\n  s3: {text}\n")
    with pytest.raises(ValidationError) as caught:
        Options.model_validate(loaded.settings.plugins.get("s3", {}))
    assert plugin_faults(loaded, "s3", caught.value, model) == []
    assert len(loaded.faults) == 1


def test_other_faults_are_found_beside_an_unresolved_reference() -> None:
    """A missing key elsewhere, and a wrong value in the same section, are faults."""
    assert faults("plugins:\n  s3:\n    retries: {attempts: {env: NOPE}, delay_s: soon}\n    mode: {env: NOPE}\n") == [
        "etc/imaged.yaml:2: plugins.s3.bucket: is required: give it a value",
        "etc/imaged.yaml:3: plugins.s3.retries.delay_s: expected a number, got text",
    ]


class Pair(BaseModel):
    """Keys that need each other."""

    bucket: str = ""
    key: str = ""
    secret: str = ""

    @model_validator(mode="after")
    def _together(self) -> Pair:
        if bool(self.key) != bool(self.secret):
            raise ValueError("key and secret are set together")
        return self


def test_an_unresolved_reference_hides_faults_of_the_whole_section() -> None:
    """The section may be valid once the reference is resolved."""
    loaded = World().load("plugins: {s3: {key: a, secret: {env: NOPE}}}")
    with pytest.raises(ValidationError) as caught:
        Pair.model_validate(loaded.settings.plugins["s3"])
    assert plugin_faults(loaded, "s3", caught.value, Pair) == []
