"""Take the still picture of each widget, for readers without scripts: book/widgets/still/NAME.png.

python book/widgets/still.py            # needs Chromium
"""

import functools
import http.server
import shutil
import sys
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "_ext"))
PAGE = """<html data-theme="light"><body style="margin:0"><bn-{name}></bn-{name}>
<style>.visually-hidden {{ display: none; }}</style><script type="module" src="{name}.js"></script>"""


def main():
    """Open each widget alone on a page and photograph it."""
    from course_widgets import place

    site = Path(tempfile.mkdtemp())
    place(site)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=site)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (FOLDER / "still").mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), chromium_sandbox=False)
        page = chromium.new_page(viewport={"width": 736, "height": 900})
        for path in sorted(FOLDER.glob("*.js")):
            if path.stem == "lib":
                continue
            (site / f"{path.stem}.html").write_text(PAGE.format(name=path.stem))
            page.goto(f"http://127.0.0.1:{server.server_port}/{path.stem}.html")
            page.locator(".bnw-say").first.filter(has_text=".").wait_for()
            page.locator(".bnw").first.screenshot(path=FOLDER / "still" / f"{path.stem}.png")
        chromium.close()
    server.shutdown()
    shutil.rmtree(site)


if __name__ == "__main__":
    main()
