"""Pages from Jinja2 templates: no script, no address to fetch, every value escaped."""

from typing import Any


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
    return environment.get_template(template).render(**values)
