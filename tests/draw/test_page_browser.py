"""The page in a real browser: Debian's chromium, driven by Playwright, from file://, no network."""

import re
import shutil

import numpy as np
import pytest
from drawn_graphs import cell, diamond, leaf
from test_page import NASTY, cut_in_two, data_of

import tinygrad_rnn as tg

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium"),
    pytest.mark.skipif(shutil.which("dot") is None, reason="needs the program dot"),
]

USES = "#uses > .scroll > table > tbody > tr"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Visit:
    """A page in a tab of its own, and all that it asked for or complained about."""

    def __init__(self, browser, path, address="", **context):
        context.setdefault("viewport", {"width": 1280, "height": 900})
        context.setdefault("reduced_motion", "reduce")
        self.context = browser.new_context(**context)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.tab = self.context.new_page()
        self.tab.route("**/*", self._answer)
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.url = path.as_uri()
        self.tab.goto(self.url + address)

    def _answer(self, route):
        self.requests.append(route.request.url)
        if route.request.url.startswith("file:"):
            route.continue_()
        else:
            route.abort()

    @property
    def k(self) -> int:
        return int(self.tab.input_value("#slider"))

    def text(self, where: str = "#text") -> str:
        return self.tab.inner_text(where)

    def mark(self, part: str) -> str:
        return self.tab.text_content(f"#{part} .grad") or ""

    def settled(self) -> None:
        """Nothing was asked for but the file, and nothing was said."""
        assert {url.split("#")[0] for url in self.requests} <= {self.url}
        assert self.complaints == []


@pytest.fixture
def visit(browser, tmp_path):
    visits = []

    def open_page(page, address="", **context):
        path = tmp_path / f"page{len(visits)}.html"
        page.save(path)
        visits.append(Visit(browser, path, address, **context))
        return visits[-1]

    yield open_page
    for one in visits:
        one.settled()
        one.context.close()


def last(page) -> int:
    return page.steps


# ---------------------------------------------------------------- stepping
def test_to_the_end_and_back_by_button(visit):
    page = tg.step_through(diamond())
    v = visit(page)
    assert v.k == 0 and v.tab.is_disabled("#back") and v.tab.is_enabled("#next")
    forward = []
    for k in range(1, last(page) + 1):
        v.tab.click("#next")
        assert v.k == k
        forward.append(v.text())
    assert v.tab.is_disabled("#next") and v.tab.is_disabled("#last")
    for k in range(last(page) - 1, 0, -1):
        v.tab.click("#back")
        assert v.text() == forward[k - 1]
    v.tab.click("#last")
    assert v.k == last(page)
    v.tab.click("#first")
    assert v.k == 0


def test_the_diamond_grows_from_6_by_9_to_12_in_text_and_picture(visit):
    v = visit(tg.step_through(diamond()), "#k=4")
    assert "6" in v.text() and v.mark("node-n0") == "∇ 6"
    v.tab.click("#next")
    text = re.sub(r"\s+", " ", v.text())
    assert "was 6 → now 9" in text and "was 9 → now 12" in text
    assert v.mark("node-n0") == "∇ 12"
    v.tab.click("#back")
    assert v.mark("node-n0") == "∇ 6"


@pytest.mark.slow
def test_every_step_of_an_lstm_shows_what_the_walk_found(visit):
    page = tg.step_through(cell("LSTMCell", 2))
    data, v = data_of(page), visit(page)
    gradients = tg.Graph(cell("LSTMCell", 2)).gradients()
    for k, step in enumerate(data["steps"]):
        if k:
            v.tab.keyboard.press("ArrowRight")
        if step["k"] == "backward":
            shown = v.tab.locator("#text .now .array, #text .now .scalar").all_inner_texts()
            pulls = [pull for pull in step["pulls"] if "c" in pull]
            for text, pull in zip(shown, pulls, strict=True):
                assert text.split()[: len(data["arrays"][pull["now"]].get("e", []))] == (
                    data["arrays"][pull["now"]].get("e", [])
                )
                if pull["i"] == pull["of"]:
                    flat = np.ravel(gradients.lines[pull["o"]]).tolist()
                    if len(flat) <= 16:
                        assert text.split() == [f"{x + 0:.5g}" for x in flat]
    assert v.k == last(page)
    assert "All gradients" in v.text()


@pytest.mark.parametrize("focus", ["body", "#slider", "part"])
def test_keys_step_once_wherever_the_focus_is(visit, focus):
    page = tg.step_through(diamond())
    v = visit(page)
    if focus == "part":
        v.tab.focus("#whole [tabindex='0']")
    elif focus != "body":
        v.tab.focus(focus)
    steps = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowLeft", "Home", "ArrowLeft"):
        v.tab.keyboard.press(key)
        steps.append(v.k)
    assert steps == [1, 2, 1, last(page), last(page) - 1, 0, 0]


def test_the_slider_goes_anywhere_at_once(visit):
    page = tg.step_through(cell("LSTMCell", 2))
    v = visit(page)
    box = v.tab.locator("#slider").bounding_box()
    v.tab.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    assert abs(v.k - 0.75 * last(page)) < 3
    assert f"{v.k} / {last(page)}" == v.text("#count")
    v.tab.fill("#slider", "3")
    assert v.k == 3 and v.text().startswith("FORWARD")
    assert v.tab.evaluate("location.hash") == "#k=3"


def test_a_link_leads_to_its_step_and_the_address_follows(visit):
    v = visit(tg.step_through(cell("LSTMCell", 2)), "#k=37")
    assert v.k == 37
    v.tab.keyboard.press("ArrowLeft")
    assert v.tab.evaluate("location.hash") == "#k=36"
    v.tab.evaluate("location.hash = '#k=11'")
    v.tab.wait_for_function("document.getElementById('slider').value === '11'")
    v.tab.evaluate("location.hash = '#k=99999'")
    v.tab.wait_for_function("document.getElementById('next').disabled")
    v.tab.evaluate("location.hash = '#k=<b>'")
    v.tab.wait_for_function("document.getElementById('slider').value === '0'")


@pytest.mark.slow
def test_show_depends_on_k_alone(visit):
    """The same step looks the same, however the reader came to it."""
    page = tg.step_through(cell("GRUCell", 2), numeric=True)
    snapshot = "() => [whole.innerHTML, document.getElementById('text').innerHTML]"
    one = visit(page)
    for _ in range(60):
        one.tab.keyboard.press("ArrowRight")
    other = visit(page)
    for k in ("5", str(last(page)), "60"):
        other.tab.fill("#slider", k)
    focus = re.compile(r' tabindex="-?\d"')
    a, b = one.tab.evaluate(snapshot), other.tab.evaluate(snapshot)
    assert [focus.sub("", text) for text in a] == [focus.sub("", text) for text in b]


# ---------------------------------------------------------------- clicks
def test_a_click_on_a_node_goes_where_it_is_made_or_handed_back(visit):
    page = tg.step_through(cell("LSTMCell", 2))
    steps = data_of(page)["steps"]
    (n,) = [n for n, line in enumerate(data_of(page)["lines"]) if line["name"] == "c₁"]
    v = visit(page)
    v.tab.locator(f"#node-n{n}").dispatch_event("click")
    assert steps[v.k] == {"k": "forward", "n": n}
    v.tab.keyboard.press("End")
    v.tab.locator(f"#node-n{n}").dispatch_event("click")
    assert steps[v.k]["k"] == "backward" and steps[v.k]["n"] == n


def test_a_click_on_a_weight_lists_all_its_uses(visit):
    page = tg.step_through(cell("LSTMCell", 3))
    data = data_of(page)
    v = visit(page, "#k=100")
    reference = v.tab.locator("#whole .reference.parameter").first
    n = int(reference.get_attribute("data-n"))
    reference.dispatch_event("click")
    rows = v.tab.locator(USES)
    assert rows.count() == len(data["lines"][n]["uses"]) == 3
    assert v.tab.locator(f"{USES} button").all_inner_texts() == ["t = 3", "t = 2", "t = 1"]
    total = sum(
        np.array(cells.split(), float)
        for cells in rows.locator("> td:nth-child(3)").all_inner_texts()
    )
    final = np.array(rows.nth(2).locator("> td:nth-child(5)").inner_text().split(), float)
    np.testing.assert_allclose(total, final, rtol=0, atol=2e-5 * np.abs(final).max())
    np.testing.assert_array_equal(
        final, np.array(data["arrays"][data["lines"][n]["g"]]["e"], float)
    )
    assert v.tab.locator("#whole .halo.picked").count() >= 4
    v.tab.locator(f"{USES} button").nth(1).click()
    assert data["steps"][v.k]["n"] == data["lines"][n]["uses"][1][0]
    v.tab.locator("#leaves button[aria-expanded=true]").click()
    assert rows.count() == 0


def test_contributions_to_come_are_shown_unless_they_are_to_be_predicted(visit):
    v = visit(tg.step_through(diamond()), "#k=4")
    v.tab.locator("#leaves button").click()
    cells = v.tab.locator(f"{USES} > td:nth-child(3)")
    assert cells.all_inner_texts() == ["6", "3", "3"]
    v.tab.check("#predict")
    assert cells.all_inner_texts() == ["?", "?", "?"]
    v.tab.click("#give")
    assert cells.all_inner_texts() == ["6", "?", "?"]


def test_the_table_of_parameters_counts_uses_up_to_now(visit):
    v = visit(tg.step_through(diamond()), "#k=4")
    row = v.tab.locator("#leaves tbody tr").first
    assert row.inner_text().split() == ["a", "scalar", "1", "of", "3", "6"]
    v.tab.keyboard.press("ArrowRight")
    assert row.inner_text().split() == ["a", "scalar", "3", "of", "3", "12"]


# ---------------------------------------------------------------- keyboard and screen reader
def test_by_keyboard_alone(visit):
    """Tab into the picture, along its parts, open a parameter, and step: no mouse."""
    page = tg.step_through(cell("RNNCell", 2))
    v = visit(page)
    reached = set()
    for _ in range(25):
        v.tab.keyboard.press("Tab")
        reached.add(v.tab.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"next", "last", "slider", "predict", "fit", "BUTTON"} <= reached  # no "first" at 0
    v.tab.focus("#whole [tabindex='0']")
    assert v.tab.locator("#whole [tabindex='0']").count() == 1
    names = []
    for _ in range(v.tab.locator("#whole .part").count()):
        names.append(v.tab.evaluate("document.activeElement.id"))
        v.tab.keyboard.press("ArrowDown")
    assert len(set(names)) == len(names) and v.tab.evaluate("document.activeElement.id") == names[0]
    weight = next(name for name in names if name.startswith("ref-"))
    while v.tab.evaluate("document.activeElement.id") != weight:
        v.tab.keyboard.press("ArrowUp")
    v.tab.keyboard.press("Enter")
    assert v.tab.locator(USES).count() == 2
    assert v.tab.evaluate("document.activeElement.id") == weight
    v.tab.keyboard.press("ArrowRight")
    assert v.k == 1


@pytest.mark.slow
def test_everything_that_can_be_used_has_a_name(visit):
    v = visit(tg.step_through(cell("LSTMCell", 2), predict=True), "#k=50")
    nameless = v.tab.evaluate(
        """() => [...document.querySelectorAll("button, input, [role=button], section, iframe")]
        .filter((x) => !(x.getAttribute("aria-label") || x.innerText || x.labels?.length))
        .map((x) => x.outerHTML)"""
    )
    assert nameless == []
    parts = v.tab.locator("#whole [role=button]")
    assert parts.count() > 40
    for label in parts.evaluate_all("all => all.map((x) => x.getAttribute('aria-label'))"):
        assert "value" in label or "not computed yet" in label
        assert "gradient" in label
    assert v.tab.get_attribute("#slider", "aria-valuetext").startswith("50 of")
    assert v.tab.get_attribute("html", "lang") == "en"


def test_a_screen_reader_is_told_each_step(visit):
    v = visit(tg.step_through(diamond()), "#k=5")
    status = v.tab.locator("#status")
    assert status.get_attribute("aria-live") == "polite"
    assert status.inner_text() == (
        "Step 5 of 6, backward: b = a + a. To a: 3; was 6, now 9. To a: 3; was 9, now 12."
    )


def test_focus_can_be_seen(visit):
    v = visit(tg.step_through(diamond()))
    v.tab.keyboard.press("Tab")
    styles = "() => getComputedStyle(document.activeElement)"
    for _ in range(12):
        v.tab.keyboard.press("Tab")
        outline, stroke = v.tab.evaluate(
            f"""() => {{ const s = ({styles})();
            const shape = document.activeElement.querySelector?.("rect, polygon, path");
            return [s.outlineStyle + " " + s.outlineWidth,
                    shape ? getComputedStyle(shape).strokeWidth : ""]; }}"""
        )
        if v.tab.evaluate("document.activeElement !== document.body"):
            assert outline == "solid 3px" or stroke == "4px"


# ---------------------------------------------------------------- predict first
def test_a_right_prediction_is_told_so_and_then_shown(visit):
    v = visit(tg.step_through(diamond(), predict=True), "#k=3")
    v.tab.keyboard.press("ArrowRight")  # d = a × b, dL/da = 6, dL/db = 3
    assert v.tab.evaluate("document.activeElement.id") == "guess0"
    assert v.mark("node-n0") == "" and "now" not in v.text("#text")
    assert "12" not in v.text("#text") and v.text("#leaves").split()[-1] == "–"
    v.tab.keyboard.type("6")
    v.tab.focus("#guess1")
    v.tab.keyboard.type("-3")
    v.tab.keyboard.press("Enter")
    assert v.text("#verdict0") == "✓ Right."
    assert v.text("#verdict1") == "✗ Not yet: the size is right, the sign is not."
    assert v.tab.evaluate("document.activeElement.id") == "guess1"
    v.tab.fill("#guess1", "3.02")
    v.tab.keyboard.press("Enter")
    assert v.text("#verdict") == "✓ Right." and v.mark("node-n0") == "∇ 6"
    assert v.text("#score") == "1 of 1 right"
    assert v.tab.evaluate("document.activeElement.id") == "next"


def test_wrong_answers_are_told_how_and_giving_up_shows_it(visit):
    v = visit(tg.step_through(diamond(), predict=True), "#k=4")
    for guess, verdict in (
        ("7", "too large"), ("1", "too small"), ("-2", "other sign"), ("six", "Type a number"),
        ("", "Type a number"), ("6.07", "too large"), ("5,95", "Right"), ("6.05", "Right"),
    ):  # fmt: skip
        v.tab.fill("#guess0", guess)
        v.tab.click("#check")
        assert verdict in v.text("#verdict0")
    v.tab.click("#tell")
    assert "∇ × b" in v.text("#hint")
    v.tab.click("#give")
    assert "not counted" in v.text("#verdict") and v.text("#score") == "0 of 1 right"
    assert v.mark("node-n0") == "∇ 6"


def test_prediction_can_be_switched_on_and_moved_past(visit):
    v = visit(tg.step_through(diamond()), "#k=4")
    assert v.tab.locator("#guess0").count() == 0 and v.mark("node-n0") == "∇ 6"
    v.tab.check("#predict")
    assert v.tab.locator("#guess0").count() == 1 and v.mark("node-n0") == ""
    v.tab.click("#next")
    assert v.k == 5 and v.mark("node-n0") == "∇ 6"
    v.tab.focus("#guess0")
    v.tab.keyboard.press("ArrowLeft")  # an empty field leaves the arrow keys to the steps
    assert v.k == 4
    v.tab.fill("#guess0", "6")
    v.tab.keyboard.press("ArrowLeft")
    assert v.k == 4
    v.tab.uncheck("#predict")
    assert v.mark("node-n0") == "∇ 6"


@pytest.mark.slow
def test_no_question_tells_its_answer(visit):
    """While a question is open its numbers are nowhere in the page but in the data."""
    page = tg.step_through(cell("LSTMCell", 2), predict=True)
    data, v = data_of(page), visit(page)
    asked = 0
    for k, step in enumerate(data["steps"]):
        pulls = [pull for pull in step.get("pulls", []) if "t" in pull and pull["i"] == 1]
        if not pulls:
            continue
        v.tab.fill("#slider", str(k))
        assert v.tab.locator("#guess0").count() == 1
        asked += 1
        for pull in pulls:
            mark = v.tab.locator(f"#node-n{pull['o']} .grad")
            if mark.count():
                assert mark.text_content() == ""
                assert "no gradient yet" in v.tab.get_attribute(f"#node-n{pull['o']}", "aria-label")
    assert asked > 20


# ---------------------------------------------------------------- truncated BPTT
def test_a_cut_blocks_its_edges_and_says_so(visit):
    page = tg.step_through(cut_in_two())
    data = data_of(page)
    (k,) = [k for k, step in enumerate(data["steps"]) if step["k"] == "cut"]
    n = data["steps"][k]["n"]
    v = visit(page, f"#k={k - 1}")
    assert "No gradient passes: detach() cut it off here." in v.text()
    assert "blocked" in v.tab.get_attribute(f"#whole .edge[data-from='{n}']", "class")
    v.tab.keyboard.press("ArrowRight")
    assert "No gradient passes over the cut" in v.text()
    assert "no gradient passes" in v.tab.inner_text("#status")
    assert {"now", "stopped"} <= set(
        v.tab.get_attribute(f"#whole .edge.cut[data-to='{n}']", "class").split()
    )
    assert v.tab.text_content(f"#node-n{n} .stop") == "✕"
    v.tab.keyboard.press("End")
    assert "carried" not in v.tab.get_attribute(f"#whole .edge[data-from='{n}']", "class")


# ---------------------------------------------------------------- the numeric column
def test_numeric_gradients_stand_beside(visit):
    v = visit(tg.step_through(cell("GRUCell", 2), numeric=True), "#k=60")
    assert "✓ agree" in v.text() and v.tab.locator("#text .differs").count() == 0
    assert "numeric (complex step)" in v.text("#leaves")
    v.tab.keyboard.press("End")
    for row in v.tab.locator("#leaves tbody tr").all():
        assert row.locator(".gradient").inner_text() == row.locator(".numeric").inner_text()
    assert "complex step" in v.text()


# ---------------------------------------------------------------- looks
@pytest.mark.parametrize(
    "width, theme",
    [
        (360, "dark"),
        (1600, "light"),
        pytest.param(360, "light", marks=pytest.mark.slow),
        pytest.param(1600, "dark", marks=pytest.mark.slow),
    ],
)
def test_nothing_sticks_out_at_either_width(visit, width, theme, tmp_path):
    page = tg.step_through(cell("LSTMCell", 5), numeric=True, predict=True, theme=theme)
    v = visit(page, viewport={"width": width, "height": 740 if width == 360 else 950})
    for k, asked in ((60, True), (110, True), (140, True), (140, False), (last(page), False)):
        v.tab.set_checked("#predict", asked)
        v.tab.fill("#slider", str(k))
        wide = v.tab.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1]
        boxes = v.tab.evaluate(
            """() => [...document.querySelectorAll("#controls *, #zoom *, form *, #text > *")]
            .filter((x) => x.checkVisibility()).map((x) => x.getBoundingClientRect())
            .map((box) => [box.left, box.right])"""
        )
        assert all(box[0] >= -1 and box[1] <= width + 1 for box in boxes)
    picture = v.tab.screenshot(path=tmp_path / f"{width}_{theme}.png")
    assert len(picture) > 10_000
    v.tab.locator("#leaves button").first.click()
    wide = v.tab.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]


@pytest.mark.slow
def test_themes_follow_the_argument_or_the_system(visit):
    background = "getComputedStyle(document.body).backgroundColor"
    seen = {}
    for theme in ("light", "dark", "auto"):
        page = tg.step_through(diamond(), theme=theme)
        for system in ("light", "dark"):
            v = visit(page, color_scheme=system)
            seen[theme, system] = v.tab.evaluate(background)
    light, dark = seen["light", "light"], seen["dark", "dark"]
    assert light != dark
    assert seen["light", "dark"] == seen["auto", "light"] == light
    assert seen["dark", "light"] == seen["auto", "dark"] == dark


CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const lum = (c) => { const [r, g, b] = c.map((v) => { v /= 255;
    return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const ratio = (a, b) => { const [x, y] = [lum(a), lum(b)].sort((p, q) => q - p);
    return (x + .05) / (y + .05); };
  const behind = (x) => { for (; x; x = x.parentElement) {
    const c = getComputedStyle(x).backgroundColor;
    if (!c.endsWith(", 0)") && c !== "transparent") return parse(c); } return [255, 255, 255]; };
  return [...document.querySelectorAll("main *, header *")]
    .filter((x) => !x.closest("svg") && x.checkVisibility() && !x.disabled
      && [...x.childNodes].some((c) => c.nodeType === 3 && c.data.trim()))
    .map((x) => [ratio(parse(getComputedStyle(x).color), behind(x)), x.outerHTML.slice(0, 90)])
    .filter(([r]) => r < 4.5);
}"""


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast(visit, theme):
    page = tg.step_through(cut_in_two(), numeric=True, theme=theme)
    v = visit(page)
    for k in range(0, last(page) + 1, 3):
        v.tab.fill("#slider", str(k))
        assert v.tab.evaluate(CONTRAST) == []


@pytest.mark.parametrize("width", [360, 1600])
def test_the_ring_fits_its_node(visit, width):
    v = visit(
        tg.step_through(cell("LSTMCell", 5)), "#k=150", viewport={"width": width, "height": 740}
    )
    node, ring = v.tab.evaluate(
        """() => { const ring = document.querySelector("#whole .halo.pull");
        return [ring.parentNode.querySelector("rect, polygon"), ring].map((x) => x.getBBox())
          .map((box) => [box.x, box.y, box.width, box.height]); }"""
    )
    np.testing.assert_allclose(ring, np.add(node, [-4, -4, 8, 8]), atol=1)


def test_nothing_moves_for_those_who_asked_for_that(visit):
    page = tg.step_through(cell("LSTMCell", 2))
    moving = "getComputedStyle(document.querySelector('.edge.now path')).animationName"
    assert visit(page, "#k=40").tab.evaluate(moving) == "none"
    lively = visit(page, "#k=40", reduced_motion="no-preference")
    assert lively.tab.evaluate(moving) == "march"


@pytest.mark.slow
def test_the_step_is_brought_into_view(visit):
    page = tg.step_through(cell("LSTMCell", 5))
    v = visit(page, viewport={"width": 360, "height": 740})
    for k in (5, 101, 110, 190, 60):
        v.tab.fill("#slider", str(k))
        n = data_of(page)["steps"][k]["n"]
        inside = v.tab.evaluate(
            """(n) => { const frame = document.getElementById("frame").getBoundingClientRect();
            const part = document.getElementById(`node-n${n}`)
              ?? document.querySelector(`[data-line="${n}"]`);
            if (!part) return true;
            const box = part.getBoundingClientRect();
            return box.right > frame.left && box.left < frame.right
              && box.bottom > frame.top && box.top < frame.bottom; }""",
            n,
        )
        assert inside


# ---------------------------------------------------------------- hostile names, frames
@pytest.mark.parametrize(
    "name", [*NASTY[:2], *(pytest.param(name, marks=pytest.mark.slow) for name in NASTY[2:])]
)
def test_hostile_names_are_text(visit, name):
    w = leaf([0.5, 2.0], name)
    with tg.scope(name):
        product = w * w
    product.name = name
    out = product.sum()
    out.name = name
    page = tg.step_through(out, title=name, numeric=True)
    v = visit(page)
    assert v.tab.title().split() == name.split()
    for k in range(last(page) + 1):
        v.tab.fill("#slider", str(k))
    v.tab.locator("#leaves button").first.click()
    flat = " ".join(name.split())
    assert flat in " ".join(v.tab.text_content("h1").split())
    assert flat in " ".join(v.tab.text_content("#uses h3").split())
    v.tab.fill("#slider", "1")
    assert flat in " ".join(v.text().split())
    assert v.tab.evaluate("document.scripts.length") == 2
    assert v.tab.title() != "hit" and v.tab.locator("img, main script").count() == 0


def test_a_script_put_into_the_page_would_not_run(visit):
    """The policy itself holds: even markup that got through would do nothing."""
    page = tg.step_through(diamond())
    page.html = page.html.replace(
        "</main>",
        "<script>document.title='hit'</script><img src='http://x.test/a.png'></main>",
    )
    v = visit(page)
    assert v.tab.title() == "d, step by step"
    assert all("Content Security Policy" in text for text in v.complaints) and v.complaints
    v.complaints.clear()


def test_in_a_notebooks_frame(browser, tmp_path):
    page = tg.step_through(cell("LSTMCell", 2))
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><body>{page._repr_html_()}", encoding="utf-8")
    v = Visit(browser, path)
    inside = v.tab.frame_locator("iframe")
    for _ in range(3):
        inside.locator("#next").click()
    assert inside.locator("#slider").input_value() == "3"
    assert inside.locator("#text").inner_text().startswith("FORWARD")
    v.settled()
    v.context.close()
