"""Pages from Jinja2 templates: no script, no address to fetch, every value escaped."""

import re
from typing import Any

_INTERVAL = r"\[-?[\d.,%]+ -?[\d.,%]+\]"
_IN_CELL = re.compile(rf"{_INTERVAL}|\d %")
_IN_PROSE = re.compile(rf"(?:[-+]?[\d.,]*\d )?{_INTERVAL}|\d %")


def render_page(package: str, template: str, **values: Any) -> str:
    """Return the page of a template that lies in a package; `layout.html` here is its frame."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined  # slow to import

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader("service.pages", "")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["unbroken"] = unbroken
    return environment.get_template(template).render(**values)


def unbroken(words: str, *, in_cell: bool = False) -> str:
    """Return words whose intervals, such as 13.4 [2.0, 24.8], and percents stay on one line.

    In a cell of a table the interval may stand below its number.
    """
    parts = _IN_CELL if in_cell else _IN_PROSE
    return parts.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), words)
