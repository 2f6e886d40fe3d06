"""Formulas are set when the book is built: HTML for eyes, MathML for screen readers, errors that name the place."""

import xml.etree.ElementTree as ET

import course_breaks
import course_math
import pytest
from docutils import nodes


def test_a_formula_has_a_picture_and_words():
    got = course_math.render(r"\hat{x} = \frac{x-\mu}{\sqrt{\sigma^2+\epsilon}}", display=True)
    tree = ET.fromstring(got)
    math = tree.find(".//{http://www.w3.org/1998/Math/MathML}math")
    assert math.get("display") == "block" and math.find(".//{*}msqrt") is not None
    picture = next(part for part in tree.iter() if part.get("class") == "katex-html")
    assert picture.get("aria-hidden") == "true"


def test_an_unknown_command_is_named():
    with pytest.raises(ValueError, match="Undefined control sequence: .*at position 3"):
        course_math.render(r"a \fraction{b}")
    assert "katex" in course_math.render("a"), "the next formula is not hurt"


@pytest.mark.parametrize(
    "source, expected",
    [
        ("a = b", "a = b"),
        (r"a &= b \\ &= c", r"\begin{split}a &= b \\ &= c\end{split}"),
        ("a &= b\n\nc &= d", r"\begin{aligned}a &= b\\c &= d\end{aligned}"),
    ],
)
def test_lines_are_aligned(source, expected):
    node = nodes.math_block(source, source, nowrap=False)
    assert course_math.block_source(node) == expected
    assert "mtable" in course_math.render(expected, display=True) or "&" not in source


@pytest.mark.parametrize("environment", ["align", "gather", "aligned", "cases", "pmatrix"])
def test_environments(environment):
    course_math.render(rf"\begin{{{environment}}} a \\ b \end{{{environment}}}", display=True)


def test_style_and_script_are_of_one_version():
    script = (course_math.FOLDER / "katex.min.js").read_text(encoding="utf-8")
    version = course_math.katex().eval("katex.version")
    style = (course_math.FOLDER / "katex.min.css").read_text(encoding="utf-8")
    readme = (course_math.FOLDER / "README.md").read_text(encoding="utf-8")
    assert version in script and f'"{version}"' in style and f"KaTeX {version}," in readme
    assert (course_math.FOLDER / "LICENSE").read_text(encoding="utf-8").startswith("The MIT License")
    for font in course_math.FONTS:
        assert (course_math.FOLDER / "fonts" / f"{font}.woff2").read_bytes().startswith(b"wOF2")


def test_a_full_stop_stays_with_its_sentence():
    """Several texts of a paragraph are ".": the one behind the formula goes with it, the first one stays."""
    parts = [
        nodes.reference("", "Chapter 11"),
        nodes.Text("."),
        nodes.Text(" There "),
        nodes.math("", "x"),
        nodes.Text("."),
    ]
    paragraph = nodes.paragraph("", "", *parts)
    course_breaks.bind_formulas(nodes.section("", paragraph))
    assert paragraph.astext() == "Chapter 11. There x."
    assert [child.astext() for child in paragraph][1:] == [".", " There ", "x.", ""]
