"""Signs URLs of imaged: sign(path, key), or sign(path, key, expires) with the seconds since 1970."""

import base64
import hashlib
import hmac


def sign(path: str, key: str, expires: int | None = None) -> str:
    """Return the path with its signature."""
    message = path if expires is None else f"{path}?e={expires}"
    digest = hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()[:16]
    signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return f"{path}?s={signature}" + ("" if expires is None else f"&e={expires}")
