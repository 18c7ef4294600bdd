"""Screens that pages are opened on, and what axe-core says of them."""

from __future__ import annotations

from typing import Any

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
SCREENS: dict[str, dict[str, Any]] = {"desktop": {"viewport": {"width": 1280, "height": 800}}, "phone": PHONE}
REPEATED = (".cards figure:nth-child(n+3)", ".minis figure:nth-child(n+3)", ".gallery .digit:nth-child(n+3)")


def wait_until(page: Any, condition: str) -> None:
    """Wait for a condition in JavaScript; Playwright's `wait_for_function` may break the page's security policy."""
    for _ in range(10_000):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(25)
    raise AssertionError(condition)


def resize(page: Any, width: int, height: int) -> None:
    """Give the page's window another size, and wait until it has it."""
    page.set_viewport_size({"width": width, "height": height})
    wait_until(page, f"window.innerWidth === {width} && window.innerHeight === {height}")


def serious_findings(page: Any) -> list[str]:
    """What axe-core finds serious or critical, each with the first element that it was found in.

    Of many cards that are alike, two are looked at, which saves most of the time.
    """
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate("(alike) => document.querySelectorAll(alike).forEach((one) => one.remove())", ", ".join(REPEATED))
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {rule['nodes'][0]['failureSummary']} {rule['nodes'][0]['html'][:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]
