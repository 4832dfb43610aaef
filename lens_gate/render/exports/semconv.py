"""Every name that exports take from OpenTelemetry's semantic conventions, in one table.

Semantic conventions 1.41.0 (https://opentelemetry.io/schemas/1.41.0, ``docs/gen-ai`` at the tag
v1.41.0 of open-telemetry/semantic-conventions): the last release that holds those of generative AI,
which have since moved to a repository of their own and have no release there. All of them have
status "development".
"""

from collections.abc import Mapping
from typing import Final

VERSION: Final = "1.41.0"
SCHEMA_URL: Final = f"https://opentelemetry.io/schemas/{VERSION}"

# Metrics (docs/gen-ai/gen-ai-metrics.md) with the bucket bounds that they SHOULD have.
OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105  # tokens of a model
# Defined for servers; a client that measures at its socket knows them as its users feel them.
TIME_TO_FIRST_TOKEN: Final = "gen_ai.server.time_to_first_token"  # noqa: S105  # likewise
TIME_PER_OUTPUT_TOKEN: Final = "gen_ai.server.time_per_output_token"  # noqa: S105  # likewise

DURATION_BOUNDS: Final = (
    *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64),
    *(1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)
TOKEN_BOUNDS: Final = tuple(float(4**power) for power in range(14))
FIRST_TOKEN_BOUNDS: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1),
    *(0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
OUTPUT_TOKEN_BOUNDS: Final = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3),
    *(0.4, 0.5, 0.75, 1.0, 2.5),
)

# Attributes of metrics and spans (docs/gen-ai/gen-ai-spans.md).
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105  # tokens of a model
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
ERROR_TYPE: Final = "error.type"
HTTP_STATUS: Final = "http.response.status_code"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"

CHAT: Final = "chat"
INPUT: Final = "input"
OUTPUT: Final = "output"

# The well-known values of ``gen_ai.provider.name``, by the names of the house's protocols.
PROVIDERS: Final[Mapping[str, str]] = {
    "anthropic": "anthropic",
    "azure": "azure.ai.openai",
    "azure-responses": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock-invoke": "aws.bedrock",
    "gemini": "gcp.gemini",
    "openai": "openai",
    "openai-responses": "openai",
    "vertex": "gcp.vertex_ai",
}


def provider_name(protocol: str) -> str:
    """The provider by its well-known name, else the protocol's own: the conventions allow any."""
    return PROVIDERS.get(protocol, protocol) or "unknown"
