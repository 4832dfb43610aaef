from lens_gate.api import *  # noqa: F403

__version__: str
