"""Pages: templates of this package, filled in; every page has one style, and stands alone."""

from __future__ import annotations

from importlib import resources


def render_page(template: str, **values: object) -> str:
    """Fill in a template, named from the package: "report/report.html.jinja". Text is escaped."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_source),
    )
    return environment.get_template(template).render(**values)


def _source(name: str) -> str:
    found = resources.files("trialimpact")
    for part in name.split("/"):
        found = found / part
    return found.read_text(encoding="utf-8")
