"""The page at /try: a browser posts a picture to the public port and shows its outputs."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.statuspage.page_files import Page
from imaged.web.answers import send_page
from imaged.web.cors import CorsPolicy
from imaged.web.headers import header
from imaged.web.requests import ImagedRequest

EXAMPLES = ("x300.jpg", "w500.webp", "300x200.png", "w500-q30.jpg")
"""The outputs that it begins with where the settings name none."""

NO_PORT = "The public port is a UNIX socket, which no browser can talk to: set listen to a TCP endpoint."

BARE_IPV6 = "A browser's security policy cannot name an IPv6 address: open this page under a name, such as localhost."
"""See the grammar of host-source (CSP 3, 2.3.1)."""


@dataclass(frozen=True)
class TryPage:
    """Sends the page."""

    page: Page
    cors: CorsPolicy

    def send(self, request: ImagedRequest) -> None:
        """Answer with it. Raises MalformedRequestError when the request does not say at which host it was asked."""
        public, settings = self.cors.public_origin(header(request, b"host") or ""), self.cors.settings()
        trouble = None if public else NO_PORT
        if public and "[" in public:
            public, trouble = None, BARE_IPV6
        values = {
            "public": public,
            "trouble": trouble,
            "outputs": ", ".join(map(str, settings.images.outputs or EXAMPLES)),
            "namespaces": sorted(settings.namespaces),
        }
        send_page(request, self.page.render(values), self.page.policy(public or "'none'", "data: blob:"))
