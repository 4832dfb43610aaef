"""What a target's server refused, so that no later request asks it for the same again."""

from lens_gate.providers.interface import Relax
from lens_gate.records.exchange import HttpRequest, ResponseHead

MOST = 4
"""No protocol has more options to leave out; who refuses on and on is not argued with."""


class Relaxed:
    """The refusals of one target that the protocol knew an answer to."""

    def __init__(self) -> None:
        self._refusals: list[tuple[ResponseHead, bytes]] = []

    def ask(self, relax: Relax, request: HttpRequest) -> HttpRequest:
        """The request without what was refused before."""
        for head, body in self._refusals:
            request = relax(request, head, body) or request
        return request

    def learn(self, relax: Relax, sent: HttpRequest, head: ResponseHead, body: bytes) -> bool:
        """Whether to ask again at once, because this refusal leads to another request."""
        if relax(sent, head, body) is None:
            return False
        # Requests that were under way together are refused together.
        if self.ask(relax, sent) == sent:
            if len(self._refusals) == MOST:
                return False
            self._refusals.append((head, body))
        return True
