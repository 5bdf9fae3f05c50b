"""Where keys go: a key of imaged is a path below the account, and below the folder of the options."""

from __future__ import annotations

from urllib.parse import quote

from imaged.api import StoreUnavailableError

from .options import ROOTS


class Paths:
    """`folder` is put before each key; without one, the keys themselves begin with `public/` or `stor/`."""

    def __init__(self, account: str, folder: str) -> None:
        self.roots = frozenset(f"/{account}/{root}" for root in ROOTS)
        self._before = f"/{account}/{folder}/" if folder else f"/{account}/"

    def path(self, key: str) -> str:
        """Return the path of a key, or the beginning of the paths of several.

        Raises StoreUnavailableError for one that Manta has no place for, which a setting mends.
        """
        path = self._before + key
        if not any(path.startswith(f"{root}/") for root in self.roots):
            raise StoreUnavailableError(
                f"Manta has no place for {key}: set remote.base_path to a folder that begins with public/ or stor/, "
                "such as public/images"
            )
        return path

    def key(self, path: str) -> str:
        """Return the key that a path is of."""
        return path.removeprefix(self._before)


def quoted(path: str) -> str:
    """Return a path as it goes into a request."""
    return quote(path, safe="/~")
