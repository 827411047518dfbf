"""Plots as files: SVG that stands alone, and PNG drawn from it."""

import re
from importlib.resources import files

from service.experiments.report.svg import Canvas

_COLOUR = re.compile(r"--([\w-]+):\s*(#\w+)")
_VARIABLE = re.compile(r"var\(--([\w-]+)\)")
_ZOOM = 2.0  # pixels of a PNG for one of the drawing


def svg_file(drawing: str, canvas: Canvas) -> bytes:
    """Return a drawing of a page as a file of its own, in the colours of a light page."""
    size = f'xmlns="http://www.w3.org/2000/svg" width="{canvas.width}" height="{canvas.height}"'
    head, rest = drawing.replace("<svg ", f"<svg {size} ", 1).split(">", 1)
    paper = f'<rect width="{canvas.width}" height="{canvas.height}" fill="#fff"/>'
    return f"{head}>\n<style>\n{_style()}</style>\n{paper}{rest}".encode()


def png_file(svg: bytes) -> bytes:
    """Return the picture of an SVG file, in a font that comes along: a server may have none."""
    import font_roboto  # with its fonts, only its job pays for them
    import resvg_py

    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg.decode(),
            zoom=_ZOOM,
            skip_system_fonts=True,
            font_files=[font_roboto.font_files[name] for name in ("Roboto", "RobotoBold")],
            font_family="Roboto",
            sans_serif_family="Roboto",
        )
    )


def _style() -> str:
    """Return the plots' style with the light colours of the page's, as no picture has variables."""
    page = (files("service.pages") / "page.css").read_text(encoding="utf-8")
    light = dict(_COLOUR.findall(page.split("}", 1)[0]))
    style = (files("service.experiments.report") / "plot.css").read_text(encoding="utf-8")
    return _VARIABLE.sub(lambda found: light[found[1]], style)
