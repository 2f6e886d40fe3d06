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
INK = {
    BLUE: "#005F96",
    VERMILLION: "#A84A00",
    GREEN: "#00694D",
    PURPLE: "#8A3A6A",
    ORANGE: "#7D5600",
    SKY: "#1B6F9F",
    GREY: "#4A505A",
}

OKABE_ITO = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK, YELLOW)

#: Width in inches of what is drawn for a phone: text of 9 pt is then still 10 pixels high on a screen of 390.
PHONE = 4.6

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

    Text is 11 pt on a figure 6 inches wide. The background is opaque white,
    which the book's dark mode turns dark without a change of hue.

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


def show(fig: Figure, alt: str, name: str | None = None, columns: int = 1) -> None:
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
        with a number and a caption. A figure with a name is also drawn for a
        phone; that drawing travels, unseen, inside the other.
    columns : int
        How many panels of a row stay side by side on a phone.

    Raises
    ------
    ValueError
        If `alt` is empty.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    if not alt.strip():
        raise ValueError("alt is empty; say in words what the figure shows")
    svg = _drawn(fig)
    if name and fig.get_figwidth() > PHONE:
        _fit_a_phone(fig, columns)
        phone = _drawn(fig)
        svg = svg.replace("</svg>", f'<defs id="on-a-phone">{phone[phone.index("<svg") :]}</defs></svg>')
    plt.close(fig)
    metadata = {"scrapbook": {"name": name, "mime_prefix": ""}} if name else {}
    bundle = {"image/svg+xml": svg, "text/plain": alt}
    display(bundle, raw=True, metadata=metadata)


def _by_hand(fig: Figure) -> bool:
    """Tell whether all has been placed by hand, outside of any grid."""
    return all(ax.get_gridspec() is None for ax in fig.axes)


def _drawn(fig: Figure) -> str:
    """Draw a figure as SVG, cut to what is drawn unless all has been placed by hand."""
    import io

    svg, paper = io.StringIO(), "tight"
    if _by_hand(fig):
        fig.set_layout_engine("none")  # saving a figure brings the default one back
        paper = None
    fig.savefig(svg, format="svg", bbox_inches=paper, pad_inches=0.05, metadata={"Date": None})
    return svg.getvalue()


def _fit_a_phone(fig: Figure, columns: int) -> None:
    """Make a figure so narrow that its text can be read on a phone; panels of a row go below each other."""
    axes, (width, height) = fig.axes, fig.get_size_inches()
    if _by_hand(fig):
        fig.set_size_inches(PHONE, height * PHONE / width)
        return
    grid = axes[0].get_gridspec()
    if grid.nrows == 1 and grid.ncols > columns:
        rows = -(-grid.ncols // columns)
        height *= 0.8 * rows
        grid = fig.add_gridspec(rows, columns)
        for i, ax in enumerate(axes):
            ax.set_subplotspec(grid[i])
            if i % columns == 0 and ax.get_shared_y_axes().joined(ax, axes[0]):
                ax.tick_params(labelleft=True)
                ax.set_ylabel(axes[0].get_ylabel())
        for above, below in zip(axes, axes[columns:]):
            if above.get_xlabel() == below.get_xlabel():
                above.set_xlabel("")
    fig.set_size_inches(PHONE, height)
