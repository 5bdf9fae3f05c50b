"""Map keys to paths: a key of imaged is a path below the account, and below the folder of the options."""

from __future__ import annotations

from urllib.parse import quote

from imaged.api import StoreUnavailableError

from .options import ROOTS


class Paths:
    """Puts `folder` before each key. Without a folder, keys begin with `public/` or `stor/` themselves."""

    def __init__(self, account: str, folder: str) -> None:
        self.roots = frozenset(f"/{account}/{root}" for root in ROOTS)
        self._before = f"/{account}/{folder}/" if folder else f"/{account}/"

    def path(self, key: str) -> str:
        """Return the path of a key, or the path prefix of a key prefix.

        Raises StoreUnavailableError if it is not below `public` or `stor`: the settings are wrong.
        """
        path = self._before + key
        if not any(path.startswith(f"{root}/") for root in self.roots):
            raise StoreUnavailableError(
                f"Manta cannot store {key}: set remote.base_path to a folder below public/ or stor/, such as "
                "public/images"
            )
        return path

    def key(self, path: str) -> str:
        """Return the key of a path."""
        return path.removeprefix(self._before)


def quoted(path: str) -> str:
    """Return a path, percent-encoded for a request."""
    return quote(path, safe="/~")
