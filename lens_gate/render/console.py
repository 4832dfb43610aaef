"""Paper for what is laid out by rich: lines of a width, with colour only where it is wanted."""

from io import StringIO

from rich.console import Console


def paper(*, width: int, colour: bool) -> Console:
    """A console that writes down what is printed on it; ``written`` gives it."""
    return Console(
        file=StringIO(),
        width=width,
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )


def written(console: Console) -> str:
    """The lines on this paper, without blanks at their ends."""
    if not isinstance(console.file, StringIO):
        raise AssertionError
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())
