"""Drives Chromium with selenium: it loads only the pages of a test, and ends with it."""

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
"""How long a condition may take to hold on a busy machine."""


class Browser:
    """One window of Chromium with an empty profile in `folder`. With `scripts=False`, JavaScript is off."""

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
        """End Chromium."""
        self.driver.quit()

    def open(self, url: str) -> None:
        """Load a page."""
        self.driver.get(url)

    def text(self, selector: str) -> str:
        """Return the visible text of the first element that a CSS selector finds."""
        return self.driver.find_element(By.CSS_SELECTOR, selector).text

    def texts(self, selector: str) -> list[str]:
        """Return the visible text of each element that a CSS selector finds."""
        return [each.text for each in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page, and return its result."""
        return self.driver.execute_script(script, *arguments)

    def tell(self, command: str, **parameters: Any) -> Mapping[str, Any]:
        """Send a command of the DevTools protocol."""
        answer: Mapping[str, Any] = self.driver.execute_cdp_cmd(command, parameters)
        return answer

    @property
    def complaints(self) -> list[str]:
        """The new messages on the page's console: errors, and violations of its policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def until(self, condition: Callable[[], Any], within_s: float = LONGEST_S) -> Any:
        """Wait until the condition holds, and return its result. Elements that go stale are looked up again."""
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
