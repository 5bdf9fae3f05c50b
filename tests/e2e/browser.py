"""Chromium, driven by selenium: it loads nothing from anywhere but the pages of a test, and ends with it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-backgrounding-occluded-windows",
    "--window-size=1440,900",
)

LONGEST_S = 30.0
"""How long a page on a busy machine may take to show what it should."""


class Browser:
    """One window of a Chromium with an empty profile in `folder`. Without `scripts`, no page may run any."""

    def __init__(self, folder: Path, *, scripts: bool = True) -> None:
        programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
        if missing := [name for name, path in programs.items() if path is None]:
            pytest.skip(f"no {' and no '.join(missing)}: on Debian, install chromium-driver")
        options = webdriver.ChromeOptions()
        options.binary_location = str(programs["chromium"])
        for flag in (*FLAGS, f"--user-data-dir={folder}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        if not scripts:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        self.driver = webdriver.Chrome(options, Service(str(programs["chromedriver"])))

    def close(self) -> None:
        """End it."""
        self.driver.quit()

    def open(self, url: str) -> None:
        """Show a page."""
        self.driver.get(url)

    def text(self, selector: str) -> str:
        """Return what one sees of an element, the first that a CSS selector finds."""
        return self.driver.find_element(By.CSS_SELECTOR, selector).text

    def texts(self, selector: str) -> list[str]:
        """Return what one sees of each element."""
        return [each.text for each in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page, and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def tell(self, command: str, **parameters: Any) -> Mapping[str, Any]:
        """Send a command of the DevTools protocol."""
        answer: Mapping[str, Any] = self.driver.execute_cdp_cmd(command, parameters)
        return answer

    @property
    def complaints(self) -> list[str]:
        """What the page has put on the console since this was last asked: errors, and breaches of its policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def until(self, condition: Callable[[], Any], within_s: float = LONGEST_S) -> Any:
        """Wait until it holds, and return what it gave. What goes stale while the page changes is looked at again."""
        end_s = time.monotonic() + within_s
        while True:
            try:
                result = condition()
            except WebDriverException:
                result = None
            if result:
                return result
            assert time.monotonic() < end_s, self.driver.page_source
            time.sleep(0.05)
