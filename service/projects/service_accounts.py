"""Names of Google service accounts. Pure."""

# `name@project.iam.gserviceaccount.com`; projects of old Google Workspace domains have dots.
_ID = "[a-z][a-z0-9-]{4,28}[a-z0-9]"
_HOST = ".iam.gserviceaccount.com"
ACCOUNT_PATTERN = rf"^{_ID}@{_ID}(\.[a-z0-9-]+)*\.iam\.gserviceaccount\.com$"


def cloud_project_of(account: str) -> str:
    """Return the Google Cloud project that a service account belongs to."""
    home = account.partition("@")[2].removesuffix(_HOST)
    name, _, domain = home.partition(".")
    return f"{domain}:{name}" if domain else name
