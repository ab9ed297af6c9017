"""Pages in a real browser, the system's Chromium, offline."""

import shutil

import pytest
from playwright.sync_api import sync_playwright

import fcnn

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, tmp_path):
    """A function that saves a model as a page and opens it: `open_page(model, params, in_shape)`,
    with other arguments of `save_page`, and with `context`, those of the browser's context.

    A request other than for the page itself fails the test, and so does a message on the console.
    """
    contexts, unwanted = [], []

    def open_page(model, params, in_shape, *, context=None, **others):
        path = tmp_path / f"page{len(contexts)}.html"
        fcnn.exchange.save_page(path, model, params, in_shape, **others)
        contexts.append(browser.new_context(**{"offline": True, **(context or {})}))
        page = contexts[-1].new_page()
        # The worker's program is a blob: a part of the page that it hands to itself.
        page.on(
            "request",
            lambda request: request.url.startswith("blob:") or unwanted.append(request.url),
        )
        page.on("console", lambda message: unwanted.append(message.text))
        page.on("pageerror", lambda error: unwanted.append(str(error)))
        page.goto(path.as_uri())
        assert unwanted.pop(0) == path.as_uri()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert unwanted == []
