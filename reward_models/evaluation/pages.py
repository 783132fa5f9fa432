"""Reports from Jinja2 templates: Markdown as it is, HTML with everything escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from reward_models.printable import finalized


def render(template: str, package: str = "reward_models.evaluation", **values: object) -> str:
    """The template of a package's folder ``templates``, filled in. A missing value is an error; in ``*.html.j2`` text
    is escaped.
    """
    return _environment(package).get_template(template).render(values)


def as_interval(value: Sequence[float], digits: int = 3, signed: bool = False) -> str:
    """Mean, low and high as text; nothing where the mean is NaN.

    >>> as_interval((0.5, 0.41, 0.6), 2, signed=True)
    '+0.50 [+0.41, +0.60]'
    """
    mean, low, high = value
    if math.isnan(mean):
        return ""
    sign = "+" if signed else ""
    return f"{mean:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


@cache
def _environment(package: str) -> Environment:
    found = Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(("html", "html.j2"), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=finalized,  # names and texts of others are printable, whichever template shows them
    )
    found.filters["interval"] = as_interval
    return found
