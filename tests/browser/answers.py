"""What the page answers, once the network has read the image as it is now."""

READY = "#answer[data-state=ready]"


def answer(page):
    page.wait_for_selector(READY)
    return page.get_attribute("#answer", "data-label")
