"""The table of dialects: which are served, and which one a request is in."""

from lens_gate.sim.dialect import Dialect, Place
from lens_gate.sim.dialects.anthropic import ANTHROPIC
from lens_gate.sim.dialects.azure import AZURE
from lens_gate.sim.dialects.bedrock import CONVERSE, INVOKE
from lens_gate.sim.dialects.chat import chat_dialect
from lens_gate.sim.dialects.flavors import FLAVORS
from lens_gate.sim.dialects.gemini import GEMINI
from lens_gate.sim.dialects.ollama import OLLAMA
from lens_gate.sim.dialects.responses import RESPONSES
from lens_gate.sim.model import Behaviour, DialectName

_OTHERS = (RESPONSES, AZURE, ANTHROPIC, GEMINI, CONVERSE, INVOKE, OLLAMA)
BY_NAME: dict[DialectName, Dialect] = {
    "openai": chat_dialect(FLAVORS["openai"]),
    "responses": RESPONSES,
    "azure": AZURE,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
    "bedrock": CONVERSE,
    "bedrock-invoke": INVOKE,
    "ollama": OLLAMA,
}


def served(behaviour: Behaviour) -> tuple[Dialect, ...]:
    """All that one server speaks; the chat dialect in the behaviour's flavor."""
    return (chat_dialect(FLAVORS[behaviour.flavor]), *_OTHERS)


def found(dialects: tuple[Dialect, ...], path: str) -> tuple[Dialect, Place] | None:
    """The dialect whose path this is, percent-encoded as it came, and what the path says."""
    for dialect in dialects:
        place = dialect.place(path)
        if place is not None:
            return dialect, place
    return None
