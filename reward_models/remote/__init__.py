"""Chat and image servers: asked patiently, read within bounds, and believed nothing."""

from reward_models.remote.asking import (
    FAULTS,
    LONGEST_WAIT_S,
    Counter,
    client,
    hidden,
    passes,
    reason,
    run,
    said,
    server_address,
    short,
    wait_s,
)
from reward_models.remote.bounded import LARGEST, Malformed, TooLarge
from reward_models.remote.fetching import Refused, fetched
from reward_models.remote.received import (
    SENSELESS,
    Completion,
    Tokens,
    bytes_of,
    completion_of,
    json_of,
    picture_of,
    tokens_of,
)

__all__ = [
    "FAULTS",
    "LARGEST",
    "LONGEST_WAIT_S",
    "SENSELESS",
    "Completion",
    "Counter",
    "Malformed",
    "Refused",
    "Tokens",
    "TooLarge",
    "bytes_of",
    "client",
    "completion_of",
    "fetched",
    "hidden",
    "json_of",
    "passes",
    "picture_of",
    "reason",
    "run",
    "said",
    "server_address",
    "short",
    "tokens_of",
    "wait_s",
]
