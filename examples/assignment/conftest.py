"""Adds up the points of the tests that pass."""


def pytest_configure(config):
    config.addinivalue_line("markers", "points(n): what a test gives if it passes")


def pytest_collection_modifyitems(items):
    for item in items:
        marker = item.get_closest_marker("points")
        item.user_properties.append(("points", marker.args[0] if marker else 0))


def pytest_terminal_summary(terminalreporter):
    def points(outcome):
        reports = terminalreporter.stats.get(outcome, [])
        return sum(dict(report.user_properties)["points"] for report in reports)

    passed = points("passed")
    terminalreporter.write_line(f"Points: {passed} of {passed + points('failed')}")
