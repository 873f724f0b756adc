"""Every page of a report is made here: from a template of this room, self-contained, escaped."""

from __future__ import annotations

from typing import Any


def render_page(template: str, **context: Any) -> str:
    """Text of a page; a name that the template lacks is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hilbench.reports"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(template).render(**context)
