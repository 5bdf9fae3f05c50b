"""The remote store as the pipeline sees it: keys under the operator's prefix, each upload counted."""

from __future__ import annotations

from pathlib import Path

from imaged.core.activity import Activity
from imaged.core.events import Uploaded
from imaged.core.hashes import ImageId
from imaged.hooks.breach import held_to_contract
from imaged.hooks.contracts import Uploader
from imaged.metrics import Metrics
from imaged.store.local import LocalStore


class Remote:
    """The uploader of one generation, or none. Reactor thread only."""

    def __init__(
        self,
        uploader: Uploader | None,
        base_path: str,
        store: LocalStore,
        activity: Activity[str],
        metrics: Metrics,
    ) -> None:
        self._uploader = uploader
        self._base_path = base_path
        self._store = store
        self._activity = activity
        self._metrics = metrics

    @property
    def exists(self) -> bool:
        """Whether an uploader is set."""
        return self._uploader is not None

    async def upload(self, image: ImageId, name: str, content_type: str) -> None:
        """Keep a file of the local store in the remote one too; does nothing when there is none."""
        if self._uploader is None:
            return
        path, key = self._store.path(image, name), self._key(image, name)
        token = self._activity.begin(key)
        try:
            with held_to_contract(f"the uploader on {key}"):
                await self._uploader.upload(key, path, content_type)
        except BaseException:
            self._activity.end(token, failed=True)
            raise
        self._metrics.record(Uploaded(image.namespace, path.stat().st_size, self._activity.end(token)))

    async def download(self, image: ImageId, name: str, path: Path) -> bool:
        """Write a file of the remote store to `path`; return False when it has none such."""
        if self._uploader is None:
            return False
        key = self._key(image, name)
        with held_to_contract(f"the uploader on {key}"):
            return await self._uploader.download(key, path)

    def _key(self, image: ImageId, name: str) -> str:
        key = self._store.key(image, name)
        return f"{self._base_path.strip('/')}/{key}" if self._base_path.strip("/") else key
