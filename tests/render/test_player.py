import base64
import gzip
import html
import json
import queue
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import numpy as np
import pytest

from madis_lib.parts import axis_angles
from madis_lib.render.player import iframe, player_html
from tests.browser import CHROMIUM, needs_chromium

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \" ' & __SCRIPT__ \u2028"


def scene_of(page):
    return json.loads(re.search(r'id="scene">(.*?)</script>', page, re.DOTALL)[1])


def arrays_of(page):
    text = re.search(r'id="arrays">(.*?)</script>', page, re.DOTALL)[1]
    buffer = gzip.decompress(base64.b64decode(text))
    return {
        name: np.frombuffer(buffer, "<" + a["type"], a["length"], a["offset"])
        for name, a in scene_of(page)["arrays"].items()
    }


def test_a_page_holds_the_motion(features):
    page = player_html({"truth": features, "short": features[:5]}, fps=25)
    scene, arrays = scene_of(page), arrays_of(page)
    assert [(c["label"], c["frames"]) for c in scene["clips"]] == [("truth", 12), ("short", 5)]
    moving = scene["moving"]
    assert [scene["movingRow"][joint] for joint in moving] == list(range(len(moving)))
    for i, clip in enumerate((features, features[:5])):
        read = np.zeros((len(clip), 55, 3))
        read[:, moving] = arrays[f"clip{i}"].reshape(len(clip), -1, 3) * scene["rotationScale"]
        np.testing.assert_allclose(read, axis_angles(clip), atol=scene["rotationScale"])
    weights = arrays["weights"].reshape(-1, 4)
    assert (weights.astype(int).sum(1) == 255).all()
    assert arrays["faces"].max() < len(weights) == len(arrays["isEye"])


def test_a_page_is_small_whole_and_reproducible(features):
    clip = np.repeat(features, 10, axis=0)
    page = player_html({"truth": clip}, fps=25, title="a")
    assert len(page) < 350_000
    assert "http:" not in page and "https:" not in page and "//cdn" not in page
    assert not re.search(r"<link|<script[^>]+src|url\(|import\(|fetch\(", page)
    assert page == player_html({"truth": clip}, fps=25, title="a")


def test_text_cannot_become_markup(features):
    page = player_html(
        {HOSTILE: features},
        fps=25,
        title=HOSTILE,
        caption=[HOSTILE],
        glosses={HOSTILE: [(HOSTILE, 0.0, 0.2)]},
    )
    plain = player_html({"a": features}, fps=25, title="a", caption=["a"], glosses={"a": []})
    for mark in ("<script", "</script", "<img", "<p "):
        assert page.lower().count(mark) == plain.lower().count(mark), mark
    clip = scene_of(page)["clips"][0]
    assert clip["label"] == HOSTILE and clip["glosses"] == [[HOSTILE, 0.0, 0.2]]
    assert f"<title>{html.escape(HOSTILE)}</title>" in page


def test_a_notebook_frame_carries_the_page_unchanged(features):
    page = player_html({"a": features}, fps=25)
    shown = iframe(page, height=400)._repr_html_()
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', shown)[1]) == page
    assert "height:400px" in shown


def test_bad_input_is_one_clear_line(features):
    with pytest.raises(ValueError, match="no clips"):
        player_html({}, fps=25)
    with pytest.raises(ValueError, match="glosses for 'b', which is not among the clips"):
        player_html({"a": features}, fps=25, glosses={"b": []})
    with pytest.raises(ValueError, match="fps=nan"):
        player_html({"a": features}, fps=float("nan"))
    with pytest.raises(ValueError, match="clip 'a': a clip needs shape"):
        player_html({"a": features[:0]}, fps=25)


# Runs in the page, then reports by navigating away, which the page's own content policy allows.
PROBE = """<script>
const timer = setInterval(async () => {
  if (root.dataset.state === "ready" && +root.dataset.frame < 2) return;  // wait until it plays
  if (!root.dataset.state) return;
  clearInterval(timer);
  const report = (found) => { location.href = "/report?" + encodeURIComponent(JSON.stringify({
    state: root.dataset.state, problem: byId("problem").textContent,
    player_hidden: byId("player").hidden, ...found })); };
  if (root.dataset.state !== "ready") return report({});
  const played = +root.dataset.frame;
  byId("play").click();
  const seen = () => [...document.querySelectorAll("figure canvas")].map((canvas) => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let covered = 0, blue = 0, orange = 0;
    for (let i = 0; i < data.length; i += 4) {
      covered += data[i + 3] > 0;
      blue += data[i + 3] > 0 && data[i + 2] > data[i] + 80;
      orange += data[i + 3] > 0 && data[i] > data[i + 2] + 90;
    }
    return { covered: covered / (data.length / 4), blue, orange };
  });
  const press = (key) =>
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const scrub = byId("scrub");
  scrub.value = 5; scrub.dispatchEvent(new Event("input"));
  const steps = [+root.dataset.frame];
  press("ArrowRight"); steps.push(+root.dataset.frame);
  press("ArrowLeft"); press("ArrowLeft"); steps.push(+root.dataset.frame);
  const tinted = seen();
  byId("tint").click();
  const plain = seen();
  const current = [...document.querySelectorAll("[aria-current]")].map((b) => b.textContent);
  const time = byId("time").textContent;
  press(" ");
  const array = await readArrays();
  const place = Array.from(poseBones(array("clip0"), 4, array("restJoints")).place);
  report({ played, steps, tinted, plain, current, place,
    button: byId("play").textContent, time,
    labels: [...document.querySelectorAll("figcaption")].map((f) => f.textContent) });
}, 20);
</script></body>"""


def visit(page, folder, *options):
    """What PROBE reports from a headless browser that opens the page."""
    reports = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/player.html":
                body = page.replace("</body>", PROBE).encode()
            else:
                body = b""
                if self.path.startswith("/report?"):
                    reports.put(unquote(self.path.partition("?")[2]))
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    arguments = "--headless --no-sandbox --disable-gpu --use-angle=swiftshader --no-first-run"
    arguments += " --enable-unsafe-swiftshader --remote-debugging-port=0 --window-size=700,600"
    with (folder / "browser.log").open("wb") as log:
        browser = subprocess.Popen(
            [
                CHROMIUM,
                *arguments.split(),
                *options,
                f"--user-data-dir={folder / 'profile'}",
                f"http://127.0.0.1:{server.server_port}/player.html",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            return json.loads(reports.get(timeout=90))
        except queue.Empty:
            log.flush()
            pytest.fail("no report: " + (folder / "browser.log").read_text()[-2000:])
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
            server.server_close()


@needs_chromium
def test_a_browser_without_webgl2_says_so(tmp_path, features):
    result = visit(player_html({"a": features}, fps=10), tmp_path, "--disable-3d-apis")
    assert result["state"] == "no-webgl2" and result["player_hidden"]
    assert "WebGL2" in result["problem"]


@needs_chromium
def test_the_player_plays_in_a_browser(tmp_path, body, features):
    page = player_html(
        {"truth": features, "<b>short": features[:8]},
        fps=10,
        glosses={"truth": [("RAIN", 0.0, 0.35), ("NORTH", 0.35, 1.2)]},
    )
    result = visit(page, tmp_path)
    assert result["state"] == "ready", result["problem"]
    assert result["played"] >= 2  # it started by itself
    assert result["steps"] == [5, 6, 4]
    assert result["labels"] == ["truth", "<b>short"]
    assert result["current"] == ["NORTH"]
    assert result["button"] == "Pause"  # space resumes
    assert result["time"] == "0.40 / 1.10 s · frame 4"
    for tinted, plain in zip(result["tinted"], result["plain"], strict=True):
        assert 0.1 < tinted["covered"] < 0.9
        assert tinted["covered"] == plain["covered"]
        assert tinted["blue"] > 20 > plain["blue"]
        assert tinted["orange"] > plain["orange"] + 20
    expected = np.asarray(body.joints(axis_angles(features)[4]))
    np.testing.assert_allclose(np.reshape(result["place"], (55, 3)), expected, atol=2e-4)
