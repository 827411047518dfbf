"""The files of a report: its page, the table of its points, an archive of plots (SVG that stands
alone, and PNG drawn from it) and tables.
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

from service.clock import rfc3339
from service.experiments.report.archive import LABEL_ERRORS, REVEALED, TABLE
from service.experiments.report.data import ReportData
from service.experiments.report.page import render_report
from service.experiments.report.plots import draw_curve, draw_front
from service.experiments.report.svg import WIDE, Canvas
from service.experiments.report.tables import report_tables
from service.storage.object_keys import put_content
from service.storage.ports import ObjectStore
from service.storage.tables import write_parquet
from service.tuning.ports import NOT_OBSERVED
from service.work_folders import work_folder

_TIME = (1980, 1, 1, 0, 0, 0)  # what a zip file begins with: the same content, the same bytes
_COLOUR = re.compile(r"--([\w-]+):\s*(#\w+)")
_VARIABLE = re.compile(r"var\(--([\w-]+)\)")
_ZOOM = 2.0  # pixels of a PNG for one of the drawing


@dataclass(frozen=True, slots=True)
class StoredReport:
    """Where the page, the table of points and the archive with all `files` are stored."""

    report_key: str
    table_key: str
    archive_key: str
    files: list[str]


def store_report(report: ReportData, folder: str, *, store: ObjectStore) -> StoredReport:
    """Store the page, the table and the archive in a folder of the store."""
    with work_folder() as scratch:
        page, table, archive = (
            scratch / name for name in ("report.html", "curve.parquet", "files.zip")
        )
        page.write_text(render_report(report), encoding="utf-8")
        _write_table(report, table)
        names = _write_archive(report, archive)
        put = partial(put_content, folder=folder, store=store)
        return StoredReport(
            put(page, suffix=".html", content_type="text/html; charset=utf-8").key,
            put(table, suffix=".parquet", content_type="application/vnd.apache.parquet").key,
            put(archive, suffix=".zip", content_type="application/zip").key,
            names,
        )


def _write_table(report: ReportData, to: Path) -> None:
    """Write one row for each variant, baselines first."""
    head = {
        "experiment_id": report.experiment_id,
        "metric": report.analysis.curve.metric,
        "synthetic": report.synthetic,
    }
    rows = [{**head, **asdict(point), "kind": point.kind.value} for point in report.points]
    metadata = {"experiment_id": report.experiment_id, "created_at": rfc3339(report.created_at)}
    if report.unlisted_model:
        metadata["unlisted_model"] = report.base_model
    if report.documented_only:
        metadata["documented_only"] = NOT_OBSERVED
    write_parquet(rows, to, schema=TABLE, metadata=metadata)


def _write_archive(report: ReportData, to: Path) -> list[str]:
    """Write the page with texts as they are, every plot and every table; return the names of the
    plots and tables, such as `plots/curve.svg`.
    """
    names: list[str] = []
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        page = render_report(report, revealed=True).encode()
        archive.writestr(zipfile.ZipInfo(REVEALED, _TIME), page, zipfile.ZIP_DEFLATED)
        for name, content in _files(report):
            archive.writestr(zipfile.ZipInfo(name, _TIME), content, zipfile.ZIP_DEFLATED)
            if name != LABEL_ERRORS:
                names.append(name)
    return names


def _files(report: ReportData) -> Iterator[tuple[str, bytes]]:
    for name, draw in (("curve", draw_curve), ("front", draw_front)):
        drawing = draw(report.analysis, WIDE, synthetic=report.synthetic)
        if drawing:
            svg = _svg_file(drawing, WIDE)
            yield f"plots/{name}.svg", svg
            yield f"plots/{name}.png", _png_file(svg)
    if report.label_errors:
        yield LABEL_ERRORS, report.label_errors.model_dump_json().encode()
    for name, content in report_tables(report).items():
        yield f"tables/{name}.csv", content


def _svg_file(drawing: str, canvas: Canvas) -> bytes:
    """Return a drawing of a page as a file of its own, in the colours of a light page."""
    size = f'xmlns="http://www.w3.org/2000/svg" width="{canvas.width}" height="{canvas.height}"'
    head, rest = drawing.replace("<svg ", f"<svg {size} ", 1).split(">", 1)
    paper = f'<rect width="{canvas.width}" height="{canvas.height}" fill="#fff"/>'
    return f"{head}>\n<style>\n{_style()}</style>\n{paper}{rest}".encode()


def _png_file(svg: bytes) -> bytes:
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
