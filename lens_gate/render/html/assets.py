"""The styles and scripts that are shipped beside this module: parts of the program, as code is."""

from functools import cache
from importlib.resources import files


@cache
def asset(name: str) -> str:
    """The text of a file of ``assets/``."""
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8").strip()
