"""Take the still picture of each widget, for readers without scripts: book/widgets/still/NAME.png.

python book/widgets/still.py            # needs Chromium

Beside them it writes a hash of what they were drawn from, so that tests/test_widget_formulas.py notices old ones.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
DRAWN_FROM = FOLDER / "still" / "drawn_from.txt"
sys.path[:0] = [str(FOLDER.parent / "_ext"), str(FOLDER.parent / "tools")]
PAGE = """<html data-theme="light"><body style="margin:0"><bn-{name}></bn-{name}>
<style>.visually-hidden {{ display: none; }} html {{ {colours} }}</style>
<script type="module" src="{name}.js"></script>"""
# the theme's, which the pages of the book bring along
COLOURS = "background: #fff; text-base: #222832; text-muted: #48566b; border: #d1d5da; surface: #f3f4f5"


def drawn_from():
    """A hash of all that has a part in the pictures: scripts, the playground's data, the page around them."""
    from course_widgets import playground

    scripts = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.js"))]
    return hashlib.sha256("\0".join([*scripts, json.dumps(playground()), PAGE, COLOURS]).encode()).hexdigest()


def note():
    """Write down what the pictures were drawn from."""
    DRAWN_FROM.write_text(f"{drawn_from()}\n", encoding="utf-8")


def main():
    """Open each widget alone on a page and photograph it."""
    from browse import chromium, served
    from course_widgets import place

    (FOLDER / "still").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as site, served(site) as address, chromium() as browser:
        place(Path(site))
        page = browser.new_page(viewport={"width": 736, "height": 900})
        colours = " ".join(f"--pst-color-{colour};" for colour in COLOURS.split("; "))
        for path in sorted(FOLDER.glob("*.js")):
            if path.stem == "lib":
                continue
            Path(site, f"{path.stem}.html").write_text(PAGE.format(name=path.stem, colours=colours))
            page.goto(f"{address}/{path.stem}.html")
            page.locator(".bnw-say").first.filter(has_text=".").wait_for()
            page.locator(".bnw").first.screenshot(path=FOLDER / "still" / f"{path.stem}.png")
    note()


if __name__ == "__main__":
    main()
