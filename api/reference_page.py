"""`/docs`: the contract in Swagger UI, whose script and style this server sends itself.

FastAPI's own page has them from a CDN. They lie in the package `fastapi-offline`, of which nothing
else is used; the page may ask no other host (`Content-Security-Policy`).
"""

import base64
import hashlib
import re
from importlib import resources
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse

from api.openapi import TITLE

router = APIRouter(include_in_schema=False)

_SCRIPT, _STYLE, _ICON = "swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_OPTIONS = {"displayRequestDuration": True, "docExpansion": "none", "filter": True}


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Needs no key, as `/openapi.json`; requests from the page need one (`Authorize`)."""
    # Addresses without a leading slash hold behind a proxy that adds a prefix, too.
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=f"{TITLE} API",
        swagger_js_url=f"docs/{_SCRIPT}",
        swagger_css_url=f"docs/{_STYLE}",
        swagger_favicon_url=f"docs/{_ICON}",
        swagger_ui_parameters=_OPTIONS,
    )
    page.headers["Content-Security-Policy"] = _policy(bytes(page.body).decode())
    return page


@router.get("/docs/{name}")
async def docs_file(
    name: Literal["swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"],
) -> Response:
    with resources.as_file(resources.files("fastapi_offline")) as package:
        return FileResponse(Path(package) / "static" / name)


def _policy(page: str) -> str:
    """Allow what this server sends, the page's own lines of script, and the styles they set."""
    digests = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        for script in _INLINE_SCRIPT.findall(page)
    ]
    scripts = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
