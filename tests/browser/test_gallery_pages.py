"""The gallery in a real browser: clicks, keys, both colour schemes, desktop and phone, for eyes and screen readers."""

from __future__ import annotations

import shutil
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.browser.conftest import DESKTOP, HOSTILE, PHONE, Open
from tests.support.house import House

AXE = Path(__file__).parent / "axe" / "axe.min.js"


def index(outbox: Path) -> Path:
    return outbox / "index.html"


def test_nothing_is_fetched_from_elsewhere_and_hostile_texts_stay_texts(look: Open, outbox: Path) -> None:
    page = look(index(outbox))
    for tile in page.locator(".tile .open").all():
        tile.scroll_into_view_if_needed()
        tile.click()
        page.keyboard.press("Escape")
    page.wait_for_load_state("networkidle")
    assert [said for said in page.seen if not said.startswith(("file://", "data:image/"))] == []
    assert all(said.startswith((outbox.as_uri(), "data:")) for said in page.seen)
    page.locator(".tile.picture", has_text="{{7*7}}").locator(".open").click()
    assert page.locator("#view .said").first.text_content() == HOSTILE


def test_every_picture_and_thumbnail_is_found_under_its_quoted_address(look: Open, outbox: Path) -> None:
    page = look(index(outbox))
    for image in page.locator(".tile img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('.tile img')].every(one => one.complete && one.naturalWidth)")
    assert page.locator(".gone-tile").count() == 0
    assert page.locator(".tile.picture img").count() >= 10


def test_a_click_opens_a_result_keys_go_through_them_and_escape_leads_back(look: Open, outbox: Path) -> None:
    page = look(index(outbox))
    links = page.locator(".tile .open")
    links.nth(1).focus()
    page.keyboard.press("Enter")
    view = page.locator("#view")
    assert view.is_visible()
    names = [name.text_content() for name in page.locator(".tile .info h3").all()]
    assert view.locator("h3").text_content() == names[1]
    page.keyboard.press("ArrowRight")
    assert view.locator("h3").text_content() == names[2]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert view.locator("h3").text_content() == names[0]
    assert view.get_by_label("Previous").is_disabled()
    page.keyboard.press("Escape")
    assert not view.is_visible()
    page.wait_for_function("document.activeElement === document.querySelectorAll('.tile .open')[0]")
    links.nth(3).click()
    view.get_by_label("Close").click()
    assert not view.is_visible()


def test_the_view_shows_the_picture_itself_with_its_settings_and_links(look: Open, outbox: Path) -> None:
    page = look(index(outbox))
    page.locator(".tile.picture", has_text="a disc 3").locator(".open").click()
    view = page.locator("#view")
    page.wait_for_function("document.querySelector('#view .stage img').naturalWidth > 0")
    assert view.locator(".stage img").get_attribute("src") == "Ferien%20%26%20Fr%C3%BCh/100%25%20%233%20%C3%A4%27.png"
    assert view.locator(".said", has_text="für die Küche").is_visible()
    assert "scripted" in (view.locator("dl").text_content() or "")
    assert view.get_by_text("Download", exact=True).get_attribute("download") is not None
    assert view.get_by_text("Sidecar", exact=True).get_attribute("href").endswith(".json")  # type: ignore[union-attr]


@pytest.mark.parametrize("has_clipboard", [True, False], ids=["clipboard", "no clipboard"])
def test_settings_are_copied_as_a_job_file(look: Open, outbox: Path, has_clipboard: bool) -> None:
    page = look(index(outbox), permissions=["clipboard-read", "clipboard-write"])
    if not has_clipboard:
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.locator(".tile.picture", has_text="a disc 3").locator(".open").click()
    page.get_by_text("Copy as job file").click()
    page.get_by_text("Copied", exact=True).first.wait_for()
    if has_clipboard:
        copied = yaml.safe_load(page.evaluate("navigator.clipboard.readText()"))
        assert copied["prompt"] == "a disc 3"
        assert copied["negative_prompt"] == "für die Küche"


def test_filters_and_search_sift_what_is_shown_and_what_the_keys_go_through(look: Open, outbox: Path) -> None:
    page = look(index(outbox))
    shown = page.locator(".tile:visible")
    page.get_by_role("button", name="Captions").click()
    assert shown.count() == 2
    assert page.get_by_role("button", name="Captions").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Failed").click()
    assert shown.count() == 2
    shown.first.locator(".open").click()
    assert page.locator("#view .place").text_content() == "1 of 2"
    assert "less" in (page.locator("#view").text_content() or "") or page.locator("#view .reason").count() == 1
    page.keyboard.press("Escape")
    page.get_by_role("button", name="All").click()
    page.keyboard.press("/")
    page.keyboard.type("küche #4")
    assert shown.count() == 1
    assert page.locator("#told").text_content() == "1 of 16 shown"
    page.locator("#search").fill("nothing like that")
    assert page.locator(".none").is_visible()


def test_what_was_moved_or_deleted_is_told_where_it_was(look: Open, outbox: Path, tmp_path: Path) -> None:
    copy = tmp_path / "synced"
    shutil.copytree(outbox, copy)
    for place in [*copy.rglob("*.webp"), *copy.glob("hostile.png")]:
        place.unlink()
    page = look(copy / "index.html")
    page.locator(".tile.picture", has_text="{{7*7}}").locator(".gone-tile").wait_for()
    page.locator(".tile.picture", has_text="{{7*7}}").locator(".open").click()
    page.locator("#view .gone").wait_for()
    page.keyboard.press("Escape")
    page.locator(".tile.picture", has_text="a disc 3").locator("img[src$='.png']").wait_for()  # the picture itself


def test_a_thumbnail_that_fails_before_the_page_is_read_whole_is_replaced_as_well(
    look: Open, outbox: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "synced"
    shutil.copytree(outbox, copy)
    for place in copy.rglob("*.webp"):
        place.unlink()
    index(copy).write_text(index(copy).read_text().replace("</body>", '<script src="late.js"></script></body>'))
    page = look(index(copy), bypass_csp=True)

    def once_all_have_failed(route: Any) -> None:
        page.wait_for_timeout(1500)
        route.fulfill(body="")

    page.route("**/late.js", once_all_have_failed)
    page.reload()
    page.locator(".tile.picture", has_text="a disc 3").locator("img[src$='.png']").wait_for()


def test_older_pages_are_a_click_away_and_lead_back(look: Open, outbox: Path) -> None:
    page = look(index(outbox))
    page.get_by_text("Older").click()
    page.wait_for_url("**/results-0000001-0000010.html")
    assert page.locator(".tile").count() == 10
    image = page.locator(".tile img").first
    image.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.tile img').naturalWidth > 0")
    page.get_by_text("Newer").click()
    page.wait_for_url("**/results-0000011-0000020.html")
    page.get_by_text("Newer").click()
    page.wait_for_url("**/index.html")
    assert [said for said in page.seen if said.startswith(("console", "error"))] == []


def test_without_javascript_pictures_are_links_and_details_open(look: Open, outbox: Path) -> None:
    page = look(index(outbox), java_script_enabled=False)
    tile = page.locator(".tile.picture", has_text="a disc 3")
    tile.locator("summary").first.click()
    assert tile.locator("dl").is_visible()
    assert not page.locator("#search").is_visible()
    assert (tile.locator(".open").get_attribute("href") or "").endswith(".png")


def test_times_stand_in_the_readers_zone_and_in_utc_in_the_markup(look: Open, outbox: Path) -> None:
    page = look(index(outbox), timezone_id="Asia/Tokyo", locale="en-GB")
    time = page.locator("header time")
    assert (time.get_attribute("datetime") or "").endswith("+00:00")
    assert (time.get_attribute("title") or "").endswith("UTC")
    assert "UTC" not in (time.text_content() or "")


def test_on_a_phone_nothing_is_wider_than_the_screen_and_a_swipe_goes_on(look: Open, outbox: Path) -> None:
    page = look(index(outbox), **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".tile .open").nth(2).tap()
    names = [name.text_content() for name in page.locator(".tile .info h3").all()]
    swipe = """(from, to) => {
      const at = x => new Touch({identifier: 1, target: view, clientX: x, clientY: 300});
      const view = document.querySelector('#view');
      view.dispatchEvent(new TouchEvent('touchstart', {touches: [at(300)], changedTouches: [at(300)]}));
      view.dispatchEvent(new TouchEvent('touchend', {touches: [], changedTouches: [at(80)]}));
    }"""
    page.evaluate(swipe)
    assert page.locator("#view h3").text_content() == names[3]
    assert page.evaluate("document.querySelector('#view').scrollWidth") <= 390


def test_axe_finds_nothing_serious_on_desktop_and_phone_by_day_and_by_night(
    look: Open, outbox: Path, house: House
) -> None:
    house.drain(gallery={"outbox": True})
    old = outbox / "aura-gallery" / "pages" / "results-0000001-0000010.html"
    everywhere = list(product((DESKTOP, PHONE), ("light", "dark")))
    for place, looks in (
        (index(outbox), everywhere),
        (old, everywhere[:1]),
        (house.outbox / "index.html", everywhere[:2]),
    ):
        page = look(place, bypass_csp=True, reduced_motion="reduce")
        page.add_script_tag(path=AXE)
        for options, scheme in looks:
            page.set_viewport_size(options["viewport"])
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert faults(page) == [], (place, scheme)
            if place == index(outbox):
                page.locator(".tile.picture .open").first.click()
                assert faults(page) == [], ("the view", scheme)
                page.keyboard.press("Escape")


def faults(page: Any) -> list[str]:
    """What axe finds that is more than minor, with the elements."""
    found = page.evaluate("axe.run()")["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] != "minor"]
