"""The page at /try: a browser posts a picture to the public port and shows its outputs."""

from __future__ import annotations

import json
from dataclasses import dataclass

from imaged.config.images import ImagePolicy
from imaged.statuspage.page import Page
from imaged.web.answers import send_page
from imaged.web.cors import CorsPolicy
from imaged.web.headers import header
from imaged.web.requests import ImagedRequest

EXAMPLES = ("x300.jpg", "w500.webp", "300x200.png", "w500-q30.jpg")
"""The outputs in its form where the settings name none."""

NO_PORT = "The public port is a UNIX socket, which browsers cannot reach: set listen to a TCP endpoint."

GIVE_ONE = "Give a token for the action process: then this page shows the signed URL."
"""What the page says of an output that allowed_outputs does not list, when its user has given no token."""

NONE_LISTED = "This page gets signed URLs with a token alone, and access.tokens has none: use imaged sign PATH."
"""The same where there are no tokens."""

BARE_IPV6 = "A browser's security policy cannot name an IPv6 address: open this page under a name, such as localhost."
"""See the grammar of host-source (CSP 3, 2.3.1)."""


@dataclass(frozen=True)
class TryPage:
    """Sends the page. `cors` finds the public port for it."""

    page: Page
    cors: CorsPolicy

    def send(self, request: ImagedRequest) -> None:
        """Answer with the page. Raises MalformedRequestError for a Host header that names no host."""
        public, settings = self.cors.public_origin(header(request, b"host") or ""), self.cors.settings()
        problem = None if public else NO_PORT
        if public and "[" in public:
            public, problem = None, BARE_IPV6
        body = self.page.render(
            public=public,
            problem=problem,
            needs_token=bool(settings.access.tokens),
            unsigned=GIVE_ONE if settings.access.tokens else NONE_LISTED,
            outputs=", ".join(map(str, settings.images.outputs or EXAMPLES)),
            namespaces=sorted(settings.namespaces),
            policies=json.dumps({name: _offered(settings.policy(name)) for name in ("", *settings.namespaces)}),
        )
        send_page(request, body, self.page.policy(public or "'none'", "data: blob:"))


def _offered(policy: ImagePolicy) -> dict[str, list[str]]:
    """Return what the form offers for a namespace, besides the sizes that each one has."""
    return {"extensions": list(policy.extensions), "presets": sorted(policy.presets)}
