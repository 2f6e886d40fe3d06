"""One look for every figure of the course, and a way to show a figure to everybody.

The eight colours are those of Okabe and Ito, which stay apart for readers who
confuse red and green. A colour keeps its meaning in the whole book; a marker or
a dash always says the same thing as the colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#5F6670"

#: Darker shades of the same colours for text, which needs more contrast than a line.
INK = {BLUE: "#005F96", VERMILLION: "#A84A00", GREEN: "#00694D", PURPLE: "#8A3A6A", ORANGE: "#7D5600", GREY: "#4A505A"}

OKABE_ITO = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK, YELLOW)

#: What a colour, dash and marker stand for, in every figure.
MEANING = {
    "batchnorm": {"color": BLUE, "linestyle": "-", "marker": "o"},
    "plain": {"color": VERMILLION, "linestyle": "--", "marker": "s"},
    "other": {"color": GREEN, "linestyle": "-.", "marker": "^"},
    "gradient": {"color": PURPLE, "linestyle": "-", "marker": "D"},
    "theory": {"color": GREY, "linestyle": ":", "marker": ""},
}


def use_course_style() -> None:
    """Set matplotlib's defaults to the course's style.

    Text is 11 pt on a figure 6 inches wide, so that it can still be read on a
    phone. The background is opaque white, so that dark mode stays readable.

    Examples
    --------
    >>> use_course_style()
    >>> import matplotlib
    >>> matplotlib.rcParams["figure.facecolor"]
    'white'
    """
    import matplotlib
    from cycler import cycler

    matplotlib.rcParams.update(
        {
            "figure.figsize": (6.0, 3.5),
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.family": "sans-serif",
            "font.size": 11,
            "mathtext.fontset": "dejavusans",
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": GREY,
            "axes.prop_cycle": cycler(color=OKABE_ITO),
            "axes.grid": True,
            "grid.color": "#E3E5E8",
            "axes.axisbelow": True,
            "lines.linewidth": 2,
            "lines.markersize": 5,
            "legend.frameon": False,
            "svg.fonttype": "path",
            "svg.hashsalt": "bn-course",
        }
    )


def power_of_ten(value: float, digits: int = 1) -> str:
    """Write a very small or large number for a reader instead of for a machine.

    Parameters
    ----------
    value : float
    digits : int
        Digits after the first one.

    Returns
    -------
    str

    Examples
    --------
    >>> power_of_ten(4.4e-5), power_of_ten(-8.9e-16, 0), power_of_ten(0.0)
    ('4.4·10⁻⁵', '−9·10⁻¹⁶', '0')
    """
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}·10{raised}".replace("-", "−")


def show(fig: Figure, alt: str, name: str | None = None) -> None:
    """Show a figure together with the words that replace it.

    The figure is displayed as SVG, and `alt` as the plain-text version of the
    same output: a terminal or a screen reader gets the words, and the book puts
    them into the image's ``alt`` attribute.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        Closed afterwards, so that it is not shown twice.
    alt : str
        What a reader should see in the figure, with the computed numbers.
    name : str, optional
        Lets the book paste the figure elsewhere (``{glue:figure} name``), there
        with a number and a caption.

    Raises
    ------
    ValueError
        If `alt` is empty.
    """
    import io

    import matplotlib.pyplot as plt
    from IPython.display import display

    if not alt.strip():
        raise ValueError("alt is empty; say in words what the figure shows")
    svg = io.StringIO()
    fig.savefig(svg, format="svg", metadata={"Date": None})
    plt.close(fig)
    metadata = {"scrapbook": {"name": name, "mime_prefix": ""}} if name else {}
    bundle = {"image/svg+xml": svg.getvalue(), "text/plain": alt}
    display(bundle, raw=True, metadata=metadata)
