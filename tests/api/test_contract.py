"""The contract: complete, valid, and the one that is committed."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from api.app import create_app
from api.contract_lookup import ContractLookup, form_of
from api.version import VERSION
from service.settings import Settings
from tests.api.server import Api, Json

ROOT = Path(__file__).resolve().parents[2]
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
OPERATIONS = {
    "createJob", "listJobs", "getJob", "approveJob", "cancelJob", "deleteJob", "listErasures",
    "getRetention", "findSubject",
    "listEvents", "streamEvents",
    "createFile", "listFiles", "getFile", "deleteFile", "getFileContent", "previewFile",
    "listDatasets", "getDataset", "deleteDataset", "listDatasetRows", "getDatasetContent",
    "getDatasetReport",
    "listModels", "getModel", "deleteModel", "getModelCatalogue", "getModelCurves",
    "generateText", "listAliases", "getAlias", "setAlias", "deleteAlias", "listAliasMoves",
    "listEvaluations", "getEvaluation", "deleteEvaluation", "listEvaluationRows",
    "getEvaluationContent", "getEvaluationConfusion", "getEvaluationManifest",
    "getEvaluationSchema",
    "listExperiments", "getExperiment", "deleteExperiment", "getExperimentContent",
    "getExperimentLabelErrors", "getExperimentPlot",
    "getExperimentTable",
    "createWebhook", "listWebhooks", "getWebhook", "updateWebhook", "deleteWebhook",
    "pingWebhook", "rotateWebhookSecret", "redeliver", "listDeliveries",
    "listAudit", "createProject", "listProjects", "getProject", "updateProject", "createProjectKey",
    "deleteProject", "checkGoogleIdentity",
    "createKey", "listKeys", "revokeKey", "whoAmI",
    "listQuotas", "changeQuota", "retryEvaluation", "getUsage", "listPrices",
    "listEvaluationVerdicts", "putEvaluationVerdicts",
    "root", "healthz", "readyz", "metrics",
}  # fmt: skip


@pytest.fixture(scope="module")
def contract() -> Json:
    return create_app(Settings(_env_file=None)).openapi()


def _operations(contract: Json) -> list[Json]:
    return [each for methods in contract["paths"].values() for each in methods.values()]


def test_the_served_contract_is_the_committed_one(api: Api) -> None:
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text())

    assert api.get("/openapi.json").json() == committed, "run `make openapi` and review the change"


def test_the_contract_is_valid_openapi(contract: Json) -> None:
    validate(contract)

    assert contract["openapi"].startswith("3.1")


def test_the_version_is_the_packages(contract: Json) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "api/version.py"
    assert contract["info"]["version"] == VERSION


def test_the_operations_are_those_of_the_design(contract: Json) -> None:
    assert {operation["operationId"] for operation in _operations(contract)} == OPERATIONS


def test_every_operation_says_what_it_does_and_how_it_fails(contract: Json) -> None:
    for operation in _operations(contract):
        name, responses = operation["operationId"], operation["responses"]
        assert operation["summary"], name
        assert operation["tags"], name
        failures = {status for status in responses if status >= "400"}
        if operation.get("security"):
            assert failures >= {"401", "403", "422", "500", "503"}, name
        for status in failures:
            assert responses[status]["content"] == PROBLEM, (name, status)
        for status in set(responses) - failures:
            assert responses[status]["description"], (name, status)


def test_every_operation_parameter_and_property_says_what_it_means(contract: Json) -> None:
    silent = [
        f"{name}.{member}"
        for name, schema in contract["components"]["schemas"].items()
        for member, described in schema.get("properties", {}).items()
        if not described.get("description")
    ]
    for operation in _operations(contract):
        described = [operation, *operation.get("parameters", ())]
        silent += [operation["operationId"] for each in described if not each.get("description")]

    assert silent == []


def test_no_two_schemas_share_a_name(contract: Json) -> None:
    """The framework distinguishes two of one name by their modules; generators drop both."""
    assert [name for name in contract["components"]["schemas"] if "__" in name] == []


def test_headers_that_matter_are_documented(contract: Json) -> None:
    jobs, job = contract["paths"]["/v1/jobs"]["post"], contract["paths"]["/v1/jobs/{job_id}"]["get"]
    webhook = contract["paths"]["/v1/webhooks/{webhook_id}"]["patch"]

    assert {"Location", "ETag", "Retry-After"} <= set(jobs["responses"]["202"]["headers"])
    assert "Idempotent-Replayed" in jobs["responses"]["200"]["headers"]
    assert {"ETag", "Retry-After"} <= set(job["responses"]["304"]["headers"])
    assert "Retry-After" in job["responses"]["503"]["headers"]
    assert "WWW-Authenticate" in job["responses"]["401"]["headers"]
    [if_match] = [each for each in webhook["parameters"] if each["name"].lower() == "if-match"]
    assert if_match["required"] is True


def test_text_that_must_have_a_form_can_be_explained(contract: Json) -> None:
    """Where a pattern refuses a text, the answer describes its form in words."""
    lookup, faults = ContractLookup(contract), []
    for path, methods in contract["paths"].items():
        for method, operation in methods.items():
            for parameter in operation.get("parameters", ()):
                place = (parameter["in"], parameter["name"])
                found = lookup.schemas_at(path, method, place)
                if any("pattern" in each for each in found) and not form_of(found):
                    faults.append((path, place))
    for name, schema in contract["components"]["schemas"].items():
        for member, described in schema.get("properties", {}).items():
            if "pattern" in described and not form_of([described]):
                faults.append((name, member))

    assert faults == []


def test_what_webhooks_send_is_documented(contract: Json) -> None:
    message = contract["webhooks"]["event"]["post"]

    assert {each["name"] for each in message["parameters"]} == {
        "webhook-id", "webhook-timestamp", "webhook-signature",
    }  # fmt: skip


def test_every_operation_with_a_body_shows_an_example(contract: Json) -> None:
    for operation in _operations(contract):
        successes = [each for status, each in operation["responses"].items() if status < "300"]
        bodies = [each for each in successes if "content" in each]
        for body in bodies:
            for media in body["content"].values():
                assert "example" in media, operation["operationId"]


def test_what_is_sent_must_be_known(contract: Json) -> None:
    """Every object that a request may hold refuses members it does not know."""
    schemas = contract["components"]["schemas"]
    reached: set[str] = set()

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            name = part.get("$ref", "").rpartition("/")[2]
            if name and name not in reached:
                reached.add(name)
                walk(schemas[name])
            for each in part.values():
                walk(each)
        elif isinstance(part, list):
            for each in part:
                walk(each)

    for operation in _operations(contract):
        walk(operation.get("requestBody", {}))
    objects = {name for name in reached if schemas[name].get("type") == "object"}
    assert {"PrepareSpec", "TuneSpec", "WebhookCreate", "KeyCreate", "ExperimentRequest"} <= objects
    for name in objects:
        assert schemas[name].get("additionalProperties") is False, name


def test_the_page_of_documentation_loads_nothing_from_elsewhere(api: Api) -> None:
    page = api.get(api.get("/").json()["links"]["docs"])
    linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert sorted(linked) == [
        "docs/favicon.png",
        "docs/swagger-ui-bundle.js",
        "docs/swagger-ui.css",
    ]
    assert all(api.get(f"/{address}").status_code == 200 for address in linked)
    assert "url: 'openapi.json'" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self' 'sha256-")
    assert "http" not in policy
    assert api.get("/docs/core.py").status_code == 422
    assert api.get("/redoc").status_code == 404
