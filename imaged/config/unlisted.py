"""What an operator may have forgotten to list: outputs that are made for every picture, and that no page can show."""

from __future__ import annotations

from collections.abc import Iterator

from imaged.config.images import ImagePolicy
from imaged.config.model import Settings


def find_unlisted(settings: Settings) -> Iterator[str]:
    """Yield a line for each policy whose `outputs` are not all public. That is no fault."""
    policies = {"images": settings.images}
    policies |= {
        f"namespaces.{name}": settings.policy(name)
        for name, own in settings.namespaces.items()
        if own.outputs is not None or own.allowed_outputs is not None
    }
    for where, policy in policies.items():
        if names := ", ".join(_unlisted(policy)):
            yield f"{where}: clients need a signature for {names}: outputs has it, and allowed_outputs does not list it"


def _unlisted(policy: ImagePolicy) -> Iterator[str]:
    if not policy.allowed_outputs.allows_none:  # then all is private, and meant to be
        yield from (str(output) for output in policy.outputs if not policy.is_public(output))
