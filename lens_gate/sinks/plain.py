"""POST to any address, with the format's own media type."""

from collections.abc import Sequence

from lens_gate.records.destination import Destination
from lens_gate.sinks.upload import Payload, Rules, Upload

# Nobody knows what a second copy does there.
RULES = Rules(again=False)


def uploads(payload: Payload, sink: Destination) -> Sequence[Upload]:
    """The one request."""
    headers = {"Content-Type": payload.media_type, **sink.headers}
    return (Upload(method="POST", url=sink.url, data=payload.data, headers=headers),)
