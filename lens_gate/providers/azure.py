"""Azure OpenAI: OpenAI's two protocols at other addresses, with another key header.

Two styles of address live side by side. Without ``api_version`` (or with ``v1``, ``preview``,
``latest``) it is the v1 one, where the model is the name of a deployment; with a dated version the
deployment stands in the path. Answers are OpenAI's, with what its content filter adds.
"""

from typing import Final
from urllib.parse import quote, urlencode

from lens_gate.providers import openai_responses
from lens_gate.providers.openai_request import Style, encode
from lens_gate.records.exchange import AuthScheme, ChatRequest, Endpoint, HttpRequest

_V1: Final = Style(limit_field="max_completion_tokens", obfuscation=False)
# Dated versions are older than the padding of events, which they may refuse to be asked about.
_DATED: Final = Style(limit_field="max_completion_tokens")
_UNDATED: Final = frozenset({"v1", "preview", "latest"})


def encode_chat(request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
    """The question as a chat completion."""
    if _is_v1(endpoint):
        url, style = f"{_v1(endpoint)}/chat/completions", _V1
    else:
        deployment = quote(request.model, safe="")
        url = f"{_resource(endpoint)}/openai/deployments/{deployment}/chat/completions"
        style = _DATED
    return encode(request, endpoint, style=style, url=url + _query(endpoint), auth=_auth(endpoint))


def encode_responses(request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
    """The question as a response; no deployment stands in its path, whatever the version."""
    base = _v1(endpoint) if _is_v1(endpoint) else f"{_resource(endpoint)}/openai"
    url = f"{base}/responses{_query(endpoint)}"
    return openai_responses.encode(request, endpoint, url=url, auth=_auth(endpoint))


def _is_v1(endpoint: Endpoint) -> bool:
    return endpoint.api_version is None or endpoint.api_version in _UNDATED


def _resource(endpoint: Endpoint) -> str:
    """The address of the resource; people name it with and without the path of the API."""
    return endpoint.base_url.removesuffix("/v1").removesuffix("/openai")


def _v1(endpoint: Endpoint) -> str:
    return f"{_resource(endpoint)}/openai/v1"


def _query(endpoint: Endpoint) -> str:
    version = endpoint.api_version
    return "" if version in (None, "v1") else f"?{urlencode({'api-version': version})}"


def _auth(endpoint: Endpoint) -> AuthScheme:
    """A key goes in Azure's own header, a token of Entra as a bearer."""
    if endpoint.credentials == "none":
        return "none"
    return "bearer" if endpoint.credentials == "azure" else "api-key"
