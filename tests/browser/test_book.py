"""The book shows its formulas without a network."""

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect

DOCS = Path(__file__).parents[2] / "docs"
PAGE = """# A page

Inline, $y = x^2$, and by itself:

$$
\\frac{dy}{dx} = 2x
$$
"""


def test_formulas_are_set_offline(browser, tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.md").write_text(PAGE)
    build = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-c", DOCS]
    subprocess.run([*build, tmp_path / "pages", tmp_path / "book"], check=True)
    context = browser.new_context(offline=True)
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "book" / "index.html").as_uri())
    expect(page.locator("mjx-container")).to_have_count(2)
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    context.close()
