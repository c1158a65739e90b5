"""One headless Chromium for all tests of pages, and an outbox for it to look at."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.deadline import DEADLINE_S
from tests.support.house import House
from tests.support.pictured import drawn, pictured

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; playwright's own cannot be had everywhere. Its asyncio must not run beside other tests."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("needs chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=DEADLINE_S * 1000)
        yield browser
        browser.close()


@pytest.fixture
def look(browser: Browser) -> Iterator[Open]:
    """Opens a file as a page. What it loads, says and shows in dialogs is in `page.seen`."""
    with ExitStack() as stack:

        def look(place: Path, **options: Any) -> Page:
            context = browser.new_context(**{**DESKTOP, **options})
            stack.callback(context.close)
            context.set_default_timeout(DEADLINE_S * 1000)
            page = context.new_page()
            page.seen = []  # type: ignore[attr-defined]
            page.on("request", lambda request: page.seen.append(request.url))  # type: ignore[attr-defined]
            page.on("console", lambda message: page.seen.append(f"console: {message.text}"))  # type: ignore[attr-defined]
            page.on("pageerror", lambda error: page.seen.append(f"error: {error}"))  # type: ignore[attr-defined]
            page.on("dialog", lambda dialog: (page.seen.append(f"dialog: {dialog.message}"), dialog.dismiss()))  # type: ignore[attr-defined]
            page.goto(place.as_uri())
            return page

        yield look


@pytest.fixture(scope="session")
def outbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-six results: pictures in folders and under strange names, captions, failures, hostile texts."""
    house = House(tmp_path_factory.mktemp("gallery"))
    for number in range(15):
        house.drop(f"old {number:02d}.yaml", f"prompt: the old moon {number}\n".encode())
    house.drain(pictured, gallery={"outbox": True, "page_size": 10})
    for number in range(6):
        house.drop(
            f"Ferien & Früh/100% #{number} ä'.yaml",
            f"prompt: a disc {number}\nnegative_prompt: für die Küche\n".encode(),
        )
    house.drop("hostile.yaml", f"prompt: '{HOSTILE}'\n".encode())
    house.drop("refused.yaml", f"prompt: 'refuse {HOSTILE}'\n".encode())
    house.drop("<img src=x onerror=alert(4)>.yaml", b"prompt: x\nstepps: 3\n")
    for name in ("beach.png", "lake.png"):
        place = house.drop(name)
        drawn(name.encode() * 9).save(place)
    house.drain(pictured, gallery={"outbox": True, "page_size": 10})
    return house.outbox


HOSTILE = '"><img src=x onerror=alert(1)></script><script>alert(2)</script><!-- {{7*7}}'
