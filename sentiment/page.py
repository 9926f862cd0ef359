"""A page that leaves the program: one HTML file that holds all it needs, plotly.js too, and works offline and for good.

The templates lie in assets/ and share assets/page.css. Jinja escapes all text; only Plotly's own code and figures go
in as they are, and Plotly escapes what could end a script.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ASSETS: Final = Path(__file__).resolve().parents[1] / "assets"

PLOT_OPTIONS: Final = {"displayModeBar": False, "responsive": True}


def render_page(template: str, **content: Any) -> str:
    """The template of that name with its content, and with Plotly's code as `plotly_js`."""
    from jinja2 import Environment, FileSystemLoader
    from plotly.offline import get_plotlyjs

    pages = Environment(autoescape=True, loader=FileSystemLoader(ASSETS))
    return pages.get_template(template).render(plotly_js=get_plotlyjs(), **content)


def plot_html(figure: Figure, element_id: str) -> str:
    """A figure as an element of a page that has Plotly's code."""
    return str(figure.to_html(full_html=False, include_plotlyjs=False, div_id=element_id, config=PLOT_OPTIONS))
