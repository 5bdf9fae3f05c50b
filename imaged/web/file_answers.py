"""Answers with files of pictures: outputs, originals, records and srcsets, by hash or by a path of an origin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from imaged.core.errors import GoneError, NotFoundError
from imaged.core.files import ORIGINAL, ImageFile, Original, Record, parse_file
from imaged.core.hashes import ImageId
from imaged.core.outputs import AUTO, Output
from imaged.core.tracing import HIT
from imaged.pipeline.auto_outputs import auto_output
from imaged.pipeline.origins import OriginPicture
from imaged.pipeline.pipeline import Pipeline
from imaged.store.disk import FileBody, OpenFile
from imaged.web.answers import send_json, send_page
from imaged.web.clients import Clients
from imaged.web.descriptions import describe_image
from imaged.web.files import LASTING, send_file
from imaged.web.freshness import Freshness
from imaged.web.guards import guard_parameters
from imaged.web.headers import accept_of
from imaged.web.hits import Hit, Hits, caching_of, caching_of_auto
from imaged.web.parameters import read_parameters
from imaged.web.paths import OriginPath, own_path
from imaged.web.read_guard import ReadGuard
from imaged.web.requests import ImagedRequest
from imaged.web.srcset import SRCSET_PARAMETERS, describe_img, format_img, read_srcset

_READ = (b"GET", b"HEAD")

_IMG_POLICY = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"
_IMG_CACHING = "public, max-age=300"
"""A reload may change the largest width."""


@dataclass(frozen=True)
class FileAnswers:
    """Answers requests that the guards have let pass, and checks those for hits itself, with `reads`.

    `clients` counts the new outputs that each client orders, and the originals that are fetched for it.
    """

    reads: ReadGuard
    clients: Clients
    hits: Hits = field(default_factory=Hits)

    def find_hit(self, request: ImagedRequest, pipeline: Pipeline) -> Hit | None:
        """Return the hit of a request, if its path still means that, and describe it in the trace."""
        hit = self.hits.find(pipeline, request)
        if hit is None or request.method not in _READ or not hit.lasts(request.began_s):
            return None
        hit.describe(request.trace)
        return hit

    def send_hit(self, request: ImagedRequest, hit: Hit, pipeline: Pipeline) -> bool:
        """Answer with the file of a hit; return False if the store does not have it any more.

        Raises ForbiddenError for a file that needs a signature.
        """
        parameters = guard_parameters(request.uri)
        if not hit.is_public:
            self.reads.check(request.path.decode("latin-1"), parameters, pipeline.settings.access.signing_keys)
        opened = pipeline.store.variants.reopen(hit.file)
        if opened is None:
            return False
        request.trace.outcome = HIT
        signed = None if hit.is_public else parameters
        self._send(request, opened, hit.content_type, hit.tag, hit.caching, signed, hit.fresh)
        return True

    async def send_from_origin(self, request: ImagedRequest, path: OriginPath, pipeline: Pipeline) -> None:
        """Answer with a file of the picture that an origin has at a path."""
        if path.name != "srcset" and isinstance(file := _asked(pipeline, path.namespace, path.name), Output):
            pipeline.settings.policy(path.namespace).check(file)  # a refusal fetches nothing
        place = path.namespace, path.origin, path.path, self.clients.charge(request.address)
        found = await pipeline.origins.find(*place)
        try:
            await self._send_found(request, found, path.name, pipeline)
        except GoneError:
            raise
        except NotFoundError:  # no store has the original any more
            if found.is_fetched:
                raise
            await self._send_found(request, await pipeline.origins.fetch(*place), path.name, pipeline)

    async def send(
        self, request: ImagedRequest, image: ImageId, name: str, pipeline: Pipeline, fresh: Freshness | None = None
    ) -> None:
        """Answer with a file of a picture. `fresh` is that of a path of an origin."""
        match _asked(pipeline, image.namespace, name):
            case Record():
                info = await pipeline.originals.described(image, self.clients.charge(request.address))
                send_json(request, await describe_image(pipeline, image, info))
            case Original():
                await self._send_original(request, image, pipeline, fresh)
            case Output(extension=extension) as output if extension == AUTO:
                await self._send_auto(request, image, output, pipeline, fresh)
            case output:
                await self._send_output(request, image, output, pipeline, fresh)

    async def send_srcset(
        self,
        request: ImagedRequest,
        image: ImageId,
        pipeline: Pipeline,
        url: Callable[[Output], str] | None = None,
    ) -> None:
        """Answer with the `<img>` of a picture. `url` returns the URL of an output, by default that by hash."""
        url = url or (lambda output: f"/{pipeline.store.key(image, output)}")
        policy = pipeline.settings.policy(image.namespace)
        written = [extension for extension in policy.extensions if pipeline.formats.writes_extension(extension)]
        wanted = read_srcset(read_parameters(request, (*SRCSET_PARAMETERS, "s", "e")), written)
        info = await pipeline.originals.described(image, self.clients.charge(request.address))
        attributes = describe_img(wanted, info, policy, url)
        if wanted.form == "json":
            send_json(request, attributes)
        else:
            send_page(request, format_img(attributes).encode(), _IMG_POLICY, _IMG_CACHING)

    async def _send_found(self, request: ImagedRequest, found: OriginPicture, name: str, pipeline: Pipeline) -> None:
        request.trace.cache_tag = found.image.cache_tag
        if name == "srcset":
            folder = own_path(request.path).rpartition(b"/")[0].decode("ascii", "replace")
            await self.send_srcset(request, found.image, pipeline, lambda output: f"{folder}/{output}")
        else:
            await self.send(request, found.image, name, pipeline, Freshness.of(found, request.began_s))

    async def _send_output(
        self, request: ImagedRequest, image: ImageId, output: Output, pipeline: Pipeline, fresh: Freshness | None
    ) -> None:
        content_type = pipeline.formats.content_type(output)
        opened, request.trace.outcome = await pipeline.output(image, output, self.clients.charge(request.address))
        is_public = pipeline.settings.policy(image.namespace).is_public(output)
        if request.trace.outcome == HIT and _may_keep(request, image, output, pipeline, fresh):
            file = str(pipeline.store.path(image, output))
            self.hits.keep(pipeline, request.path, file, request.trace, output, is_public=is_public, fresh=fresh)
        signed = None if is_public else guard_parameters(request.uri)
        self._send(request, opened, content_type, *caching_of(output), signed, fresh)

    async def _send_auto(
        self, request: ImagedRequest, image: ImageId, output: Output, pipeline: Pipeline, fresh: Freshness | None
    ) -> None:
        charge = self.clients.charge(request.address)
        answer = await auto_output(pipeline, image, output, accept_of(request), charge)
        made, trace = answer.output, request.trace
        trace.outcome, trace.extension = answer.outcome, made.extension
        is_public = pipeline.settings.policy(image.namespace).is_public(output)
        if answer.is_final and answer.outcome == HIT and _may_keep(request, image, output, pipeline, fresh):
            file = str(pipeline.store.path(image, made))
            self.hits.keep_auto(pipeline, request.path, file, trace, answer, is_public=is_public, fresh=fresh)
        content_type = pipeline.formats.content_type(made)
        signed = None if is_public else guard_parameters(request.uri)
        self._send(request, answer.file, content_type, *caching_of_auto(answer), signed, fresh)

    async def _send_original(
        self, request: ImagedRequest, image: ImageId, pipeline: Pipeline, fresh: Freshness | None
    ) -> None:
        charge = self.clients.charge(request.address)
        info = await pipeline.originals.info(image, charge)
        opened = await pipeline.originals.open(image, charge)
        if opened is None:
            pipeline.store.tombstones.check(image)
            raise NotFoundError(f"the original of {image} is gone: post it again")
        is_public = pipeline.settings.policy(image.namespace).is_public(ORIGINAL)
        signed = None if is_public else guard_parameters(request.uri)
        self._send(request, opened, info.content_type, "", LASTING, signed, fresh)

    def _send(
        self,
        request: ImagedRequest,
        opened: OpenFile | FileBody,
        content_type: str,
        tag: str,
        caching: bytes,
        signed: Mapping[str, str] | None,
        fresh: Freshness | None,
    ) -> None:
        """Answer with a file. No cache keeps it longer than a path of an origin is fresh, or a signed URL is valid.

        `signed` are the parameters of a signed URL, or None for a public file.
        """
        if fresh is not None:
            opened, (tag, caching) = fresh.dated(opened), fresh.limit(tag, caching, request.began_s)
        if signed is not None:
            caching = self.reads.caching(caching, signed)
        send_file(request, opened, content_type, tag, caching)


def _asked(pipeline: Pipeline, namespace: str, name: str) -> ImageFile:
    """Return the file that a client asks for, a preset in its current version. Raises NotFoundError."""
    file = parse_file(name)
    return pipeline.settings.policy(namespace).current(file) if isinstance(file, Output) else file


def _may_keep(
    request: ImagedRequest, image: ImageId, output: Output, pipeline: Pipeline, fresh: Freshness | None
) -> bool:
    """Return whether the path of a request is the one that imaged writes for an output, of all its spellings.

    Those of an origin have no spelling of ours.
    """
    if fresh is not None:
        return request.path.startswith(b"/")
    return request.path == f"/{pipeline.store.key(image, output.public)}".encode()
