"""What Google's client of Cloud Storage raises, as errors of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import UNREADABLE, NotFound, ProviderRefused, TunecurveError, Unavailable
from service.http_statuses import SERVER_ERROR, may_pass
from service.work_folders import error_of_work_disk

_OF_THE_OBJECT = frozenset({412, 416})  # it has changed since it was looked at


class BucketNotFound(ProviderRefused):
    """There is no such bucket: nothing of ours is missing in it."""

    default_code = "bucket_not_found"


@contextmanager
def translated(bucket: str, name: str) -> Iterator[None]:
    """Turn what the SDK raises into our errors; the SDK's words stay in the cause."""
    from google.api_core.exceptions import Forbidden, GoogleAPIError, Unauthorized
    from google.api_core.exceptions import NotFound as GoogleNotFound
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

    from service.impersonation import ImpersonationError

    try:
        yield
    except TunecurveError:
        raise
    except GoogleNotFound as error:
        if "bucket does not exist" in str(error.message):
            message = f"there is no bucket {bucket}: make it, or correct TUNECURVE_STORAGE"
            raise BucketNotFound(message) from error
        message = f"no object {name} in the bucket {bucket}"
        raise NotFound(message, code="object_not_found") from error
    except (Forbidden, Unauthorized) as error:
        message = (
            f"Cloud Storage refuses the bucket {bucket}: give the service account "
            "roles/storage.objectAdmin there"
        )
        raise ProviderRefused(message, code="storage_forbidden") from error
    except ImpersonationError as error:
        raise ProviderRefused(str(error), code="impersonation_refused") from error
    except GoogleAuthError as error:
        message = "no credentials for Cloud Storage; set GOOGLE_APPLICATION_CREDENTIALS"
        raise Unavailable(message, code="storage_unauthenticated") from error
    # The SDK lets transport failures of `requests` through; those are OSErrors.
    except (GoogleAPIError, DataCorruption, InvalidResponse, OSError, *UNREADABLE) as error:
        raise _other_error(error, bucket, name) from error


def _other_error(error: Exception, bucket: str, name: str) -> TunecurveError:
    if isinstance(error, OSError) and (full := error_of_work_disk(error)):
        return full
    status = int(getattr(error, "code", None) or SERVER_ERROR)
    if may_pass(status) or status in _OF_THE_OBJECT:
        message = f"Cloud Storage did not answer for {name}: {type(error).__name__}"
        return Unavailable(message, code="storage_unavailable")
    message = f"Cloud Storage refuses a request about {name} in the bucket {bucket}: {status}"
    return ProviderRefused(message, code="storage_refused")
