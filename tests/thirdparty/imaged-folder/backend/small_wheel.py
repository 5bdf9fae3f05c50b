"""A build backend (PEP 517) that packs the modules beside it into a wheel, with nothing but the standard library."""

from __future__ import annotations

import base64
import hashlib
import tomllib
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:  # noqa: ARG001  # PEP 517's names
    """Write the wheel and return its file name (binary distribution format, PEP 427)."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
    stem = f"{project['name'].replace('-', '_')}-{project['version']}"
    info = f"{stem}.dist-info"
    requires = "".join(f"Requires-Dist: {each}\n" for each in project["dependencies"])
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    points = [f"{name} = {module}\n" for name, module in project["entry-points"]["imaged"].items()]
    files = {path.name: path.read_text("utf-8") for path in HERE.glob("*.py")}
    files[f"{info}/METADATA"] = f"{head}Requires-Python: {project['requires-python']}\n{requires}"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: small_wheel\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/entry_points.txt"] = "[imaged]\n" + "".join(points)
    files[f"{info}/RECORD"] = (
        "".join(f"{name},{_digest(text)}\n" for name, text in files.items()) + f"{info}/RECORD,,\n"
    )
    name = f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / name, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name


def _digest(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(text.encode())}"
