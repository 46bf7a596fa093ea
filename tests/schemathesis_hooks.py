"""What schemathesis is told of the HTTP interface that no setting can say."""

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

# What no schema can say of a parameter, by the words that refuse it.
REASONS = (
    # Only those that a page has returned are accepted, and each by its own call only.
    "cursor: it is not one of this server's",
    # Which ones are allowed is in the configuration.
    "redirect_uri: it is not allowed",
    # A range that ends before it begins.
    "end_date: it is not after",
    "end_time: it is not after",
    # A key belongs to the parameters that it came with first.
    "the Idempotency-Key was used for a sync with other parameters",
)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether a failure is one."""
    if isinstance(failure, AcceptedNegativeData):
        # A parameter without a value is one that is not given.
        is_empty = "" in (case.query or {}).values()
        # HTTP takes spaces away from both ends of a header.
        is_trimmed = any(value != value.strip(" \t") for value in (case.headers or {}).values())
        return not (is_empty or is_trimmed)
    if not isinstance(failure, RejectedPositiveData):
        return True
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return True
    return not detail.startswith(REASONS)
