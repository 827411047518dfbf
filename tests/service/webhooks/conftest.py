"""What tests of webhooks share: a project, secrets, and rules that let loopback through."""

import pytest

from service.database import Sessions
from service.projects.operations import ensure_project
from service.webhooks.addresses import UrlRules, url_rules
from service.webhooks.sender import WebhookSender
from service.webhooks.signatures import WebhookSecrets
from tests.service.webhooks.house import House


@pytest.fixture
def project_id(sessions: Sessions) -> str:
    return ensure_project("default", sessions=sessions)


@pytest.fixture
def secrets() -> WebhookSecrets:
    return WebhookSecrets("a master key for tests only")


@pytest.fixture
def rules() -> UrlRules:
    return url_rules(allow_networks=["127.0.0.0/8"])


@pytest.fixture
def sender(rules: UrlRules) -> WebhookSender:
    return WebhookSender(rules, connect_seconds=60, overall_seconds=120)


@pytest.fixture
def house(
    project_id: str,
    sessions: Sessions,
    sender: WebhookSender,
    secrets: WebhookSecrets,
    rules: UrlRules,
) -> House:
    return House(project_id, sessions, sender, secrets, rules)
