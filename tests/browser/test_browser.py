"""test_browser.py - the built-in page in a real browser, on a live server with real uploads.

After each test its page must have written nothing to the console, where breaches of the Content-Security-Policy appear,
and must have asked nobody but its server (conftest.py).
"""

import time

import numpy as np
import pytest
from browser import link
from selenium.webdriver.common.keys import Keys
from support import SLOW, data_file, data_params, safetensors
from uploads import CLASSES, IDS, IMAGES, LABEL, PRED, send, train

NAMES = CLASSES.split(",")


@pytest.fixture(scope="module")
def trained(server):
    """nuclei and nuclei-b; the first evaluation of nuclei has no boundary in label or prediction."""
    train(server, "nuclei", first_without=2)
    train(server, "nuclei-b", noises=(0.6, 0.5, 0.4, 0.3))
    return server


def evaluation(server, run, step, **params):
    return server.get("/v1/evaluations", run=run, split="val", step=str(step), **params).json()


def per_class(document, name):
    score = next(score for score in document["scores"] if score["name"] == name)
    return dict(zip(NAMES, score["per_class"]))


# ------------------------------------------------------------------------------------------------- the first minute


def test_an_empty_server_says_how_to_begin(start, visit):
    server = start()
    page = visit(server)
    page.wait(lambda: "Nothing is stored yet" in page.text("main"))
    assert f"{server.url}/v1/evaluations?run=first&step=1" in page.text("main")
    assert "curl --data-binary" in page.text("main")
    send(server, "first", 1)
    page.wait(lambda: page.texts(".run-list .name") == ["first"])


def test_the_newest_run_is_shown_first(trained, visit):
    page = visit(trained)
    page.wait(lambda: page.text(".run-name") == "nuclei-b")
    assert page.texts(".run-list .name")[:2] == ["nuclei-b", "nuclei"]


# ------------------------------------------------------------------------------------------------------- curves


def test_curves_appear(trained, visit):
    page = visit(trained, link(run="nuclei"))
    page.wait(lambda: len(page.legend()) == 4)
    dice = per_class(evaluation(trained, "nuclei", 400), "dice")
    assert {name: page.legend()[name] for name in NAMES} == {name: f"{value:.4f}" for name, value in dice.items()}
    assert page.text(".legend .point") == "step 400"
    drawn = page.colours()
    for name in (*NAMES, "all classes"):
        swatch = page.script("""
            const item = [...document.querySelectorAll(".legend-list li")].find(e => e.querySelector(".name").textContent === arguments[0]);
            return getComputedStyle(item.querySelector(".swatch")).borderTopColor""", name)
        colour = tuple(int(part) for part in swatch[4:-1].split(","))
        assert drawn.get(colour, 0) > 50, (name, colour)


def test_a_class_keeps_its_colour(trained, visit):
    page = visit(trained, link(run="nuclei"))
    page.wait(lambda: page.texts(".images .name"))
    colours = page.script("""
        const found = {};
        for (const swatch of document.querySelectorAll("main .swatch")) {
            const name = swatch.parentElement.querySelector(".name").textContent;
            (found[name] = found[name] || new Set()).add(getComputedStyle(swatch).borderTopColor);
        }
        return Object.entries(found).map(([name, set]) => [name, [...set]]);""")
    assert {name for name, _ in colours} == {*NAMES, "all classes"}
    assert all(len(shades) == 1 for _, shades in colours) and len({shades[0] for _, shades in colours}) == 4


def test_classes_are_switched(trained, visit):
    page = visit(trained, link(run="nuclei"))
    page.wait(lambda: len(page.legend()) == 4)
    before = page.colours()
    colour = page.colour(".legend-list button .swatch", "border-top-color")
    page.find(".legend-list button").click()
    page.wait(lambda: page.find(".legend-list button").get_attribute("aria-pressed") == "false")
    assert page.colours().get(colour, 0) < before[colour] / 4
    assert "classes=nucleus%2Cboundary" in page.driver.current_url
    other = visit(trained, page.driver.current_url.split("/")[-1])
    other.wait(lambda: other.texts("[aria-pressed=true] .name") == ["nucleus", "boundary"])


def test_a_new_step_shows_up_within_two_seconds(server, visit):
    train(server, "going", noises=(0.5, 0.4))
    page = visit(server, link(run="going"))
    page.wait(lambda: page.text(".legend .point") == "step 200")
    for step in (300, 400):
        send(server, "going", step, 0.1)
        began = time.monotonic()
        page.wait(lambda: page.text(".legend .point") == f"step {step}", seconds=2)
        assert f"steps 100 to {step}" in page.text(".run-head")
        print(f"step {step} was there after {time.monotonic() - began:.2f} s")
    assert page.texts(".run-list .live") == ["live"] * len(page.texts(".run-list .live")) != []


def test_a_part_that_comes_later_changes_what_is_shown(server, visit):
    half = safetensors({"pred": PRED[:2], "label": LABEL[:2]}), safetensors({"pred": PRED[2:], "label": LABEL[2:]})
    page = None
    for number, body in enumerate(half):
        server.score(body, run="parts", step="1", part=str(number), parts="2", classes=CLASSES, scores="dice")
        if page is None:
            page = visit(server, link(run="parts"))
            page.wait(lambda: "1 of 2 parts, still coming" in page.text("main"))
    page.wait(lambda: "2 of 2 parts" in page.text("main") and "still" not in page.text("main"), seconds=2)


def test_questions_without_news_cost_a_304(trained, visit):
    page = visit(trained, link(run="nuclei"))
    page.wait(lambda: page.texts(".images .name"))
    time.sleep(0.5)
    before = len(page.requests())
    time.sleep(3 * SLOW)
    asked = page.requests()[before:]
    assert 2 <= len(asked) <= 8 and {url.split("?")[0] for url in asked} <= {trained.url + "/v1/runs/nuclei", trained.url + "/v1/runs"}
    metrics = trained.metrics()
    assert metrics['maskmeter_http_requests_total{method="GET",route="/v1/runs/{run}",code="304"}'] >= 2


def test_score_axis_and_step_are_chosen_and_shared(trained, visit):
    page = visit(trained, link(run="nuclei"))
    page.wait(lambda: len(page.legend()) == 4)
    page.choose("Score", "cross_entropy")
    page.wait(lambda: "lower is better" in page.text("main"))
    page.find(".segments input[value=time]").find_element("xpath", "..").click()
    page.script("const s = document.querySelector('.evaluation-head select'); s.value = '200'; s.dispatchEvent(new Event('change'))")
    page.wait(lambda: "step 200," in page.text(".evaluation-head"))
    assert all(part in page.driver.current_url for part in ("run=nuclei", "score=cross_entropy", "x=time", "step=200"))
    expected = per_class(evaluation(trained, "nuclei", 200), "cross_entropy")
    other = visit(trained, page.driver.current_url.split("/")[-1])
    other.wait(lambda: len(other.legend()) == 4 and "step 200," in other.text(".evaluation-head"))
    assert {name: other.legend()[name] for name in NAMES} == {name: f"{value:.4f}" for name, value in expected.items()}
    assert other.find(".segments input[value=time]").is_selected()


def test_a_gap_has_its_reason(trained, visit):
    """By keyboard: the chart is a slider, whose text a screen reader says."""
    page = visit(trained, link(run="nuclei", score="precision"))
    page.wait(lambda: len(page.legend()) == 4)
    curves = page.find(".curves")
    curves.send_keys(Keys.HOME)
    page.wait(lambda: page.legend()["boundary"] == "absent from label and prediction")
    page.wait(lambda: "boundary absent from label and prediction" in curves.get_attribute("aria-valuetext"))
    assert page.legend()["nucleus"] == f"{per_class(evaluation(trained, 'nuclei', 100), 'precision')['nucleus']:.4f}"
    assert "undefined" in page.text("main")
    curves.send_keys(Keys.ARROW_RIGHT)
    page.wait(lambda: page.text(".legend .point") == "step 200")
    curves.send_keys(Keys.ARROW_LEFT, Keys.ENTER)
    page.wait(lambda: "step 100," in page.text(".evaluation-head"))
    page.wait(lambda: "boundary: " in page.text(".undefined-notes"))
    assert "absent from label and prediction" in page.text(".undefined-notes")


def test_the_curves_are_a_table_too(trained, visit):
    page = visit(trained, link(run="nuclei", score="precision"))
    page.wait(lambda: len(page.legend()) == 4)
    page.find(".values summary").click()
    rows = page.wait(lambda: page.rows(".values"))
    assert [row[0] for row in rows] == ["400", "300", "200", "100"]
    assert rows[3][4] == "–" and rows[0][2] == f"{per_class(evaluation(trained, 'nuclei', 400), 'precision')['background']:.4f}"


# --------------------------------------------------------------------------------------------------- evaluation


def test_the_scores_are_those_of_the_server(trained, visit):
    page = visit(trained, link(run="nuclei", step="300"))
    page.wait(lambda: page.text(".evaluation-head").find("step 300,") >= 0)
    document = evaluation(trained, "nuclei", 300)
    rows = page.rows("section[aria-labelledby=scores-title]")
    for row, index in zip(rows[1:], range(3)):
        values = [score["per_class"][index] for score in document["scores"]]
        assert row[0] == NAMES[index] and row[1:5] == [f"{value:.4f}" for value in values]
        assert row[5] == f"{document['classes'][index]['label_voxels']:,.0f}"
    assert rows[0][1:5] == [f"{score['value']:.4f}" for score in document["scores"]]


def test_the_confusion_is_that_of_the_server(trained, visit):
    page = visit(trained, link(run="nuclei", step="300"))
    matrix = np.array(evaluation(trained, "nuclei", 300, include="confusion")["confusion"])
    page.wait(lambda: page.rows(".confusion"))
    page.script("const s = document.querySelector('[aria-label=\"Numbers of the matrix\"]'); s.value = 'voxels'; s.dispatchEvent(new Event('change'))")
    page.wait(lambda: [[int(cell.replace(",", "")) for cell in row[1:]] for row in page.rows(".confusion")] == matrix.tolist())
    page.script("const s = document.querySelector('[aria-label=\"Numbers of the matrix\"]'); s.value = 'label'; s.dispatchEvent(new Event('change'))")
    shares = 100 * matrix / matrix.sum(axis=1, keepdims=True)
    told = page.wait(lambda: page.rows(".confusion"))
    for row, expected in zip(told, shares):
        assert [float(cell.replace("<0.1", "0.05")) for cell in row[1:]] == pytest.approx(list(expected), abs=0.051)


def test_the_worst_images_come_first(trained, visit):
    page = visit(trained, link(run="nuclei", step="300", score="hd95"))
    document = evaluation(trained, "nuclei", 300, include="images", scores="hd95")
    values = [row[0] for row in document["scores"][0]["per_image"]]
    order = sorted(range(IMAGES), key=lambda n: -values[n])  # of a distance, the largest is the worst
    page.wait(lambda: page.rows(".images"))
    page.choose("of", "background")
    page.wait(lambda: all(row[1] == "background" for row in page.rows(".images")))
    assert [row[0] for row in page.rows(".images")] == [IDS.split(",")[n] for n in order]
    assert [row[2] for row in page.rows(".images")] == [f"{values[n]:.4f}" for n in order]


def test_many_classes(server, visit):
    name = "spine3d_matched_instance.safetensors.zst"
    body, headers = data_file(name)
    params = data_params(name)
    server.score(body, headers, run="spine", step="1", scores="dice", **params)
    classes = params["classes"].split(",")
    page = visit(server, link(run="spine"))
    page.wait(lambda: len(page.legend()) == 1 + len(classes))
    assert len(page.texts("[aria-pressed=true]")) == 8
    page.find(".legend .filter").send_keys("disc_")
    page.wait(lambda: len(page.legend()) == 7)
    page.find(".legend .filter").clear()
    page.find(".legend .filter").send_keys(Keys.SPACE, Keys.BACKSPACE)
    page.find(".legend-head button").click()
    page.wait(lambda: len(page.texts("[aria-pressed=true]")) == len(classes))
    assert page.sideways() == 0


def test_independent_masks(server, visit):
    """Of a multilabel run the confusion is four counts per class."""
    onehot = np.ascontiguousarray(np.moveaxis(np.eye(3, dtype="u1")[LABEL], -1, 1))
    body = safetensors({"pred": PRED, "label": onehot})
    server.score(body, run="masks", step="1", task="multilabel", classes=CLASSES, scores="dice", include="confusion")
    counts = evaluation(server, "masks", 1, include="confusion")["confusion"]
    page = visit(server, link(run="masks"))
    rows = page.wait(lambda: page.rows("section[aria-labelledby=confusion-title]"))
    assert [[int(cell.replace(",", "")) for cell in row[1:]] for row in rows] == [sum(pairs, []) for pairs in counts]
    assert [row[0] for row in rows] == NAMES


def test_scores_without_classes_and_lists(server, visit):
    """A joint score has one curve; a peer's list is shown in the table and is no curve; scores may come and go."""
    lists = "torchmetrics.multiclass_stat_scores(average=none)"
    for step, scores in ((1, "dice,kappa"), (2, f"kappa,stats:{lists}"), (3, f"kappa,{lists}")):
        send(server, "odd", step, 0.3 / step, scores=scores)
    page = visit(server, link(run="odd", score="kappa"))
    page.wait(lambda: page.text(".legend .point") == "step 3" and len(page.legend()) == 1)
    kappa = evaluation(server, "odd", 3)["scores"][0]["value"]
    assert page.legend() == {"all classes": f"{kappa:.4f}"}
    for score in ("stats", lists, "dice"):
        page.choose("Score", score)
        page.wait(lambda: page.text(".card h3").startswith(score))
    assert page.legend()["nucleus"] == ""
    page.find(".curves").send_keys(Keys.HOME)
    dice = per_class(evaluation(server, "odd", 1), "dice")
    page.wait(lambda: page.legend()["nucleus"] == f"{dice['nucleus']:.4f}")


# ------------------------------------------------------------------------------------------------------ comparing


def test_two_runs_are_compared(trained, visit):
    page = visit(trained, link(run="nuclei"))
    page.wait(lambda: len(page.legend()) == 4)
    page.choose("Compare with", "nuclei-b")
    rows = page.wait(lambda: page.rows(".compare"))
    answer = trained.get("/v1/compare", base="nuclei-b", head="nuclei", split="val", score="dice").json()
    assert [row[0] for row in rows] == NAMES
    for row, expected in zip(rows, answer["classes"]):
        assert row[1:3] == [f"{expected['base']:.4f}", f"{expected['head']:.4f}"]
        assert float(row[3].replace("−", "-")) == pytest.approx(expected["difference"], abs=5e-4)
        assert [int(row[5]), int(row[6])] == [expected["wins"], expected["losses"]]
    assert "Dashed: nuclei-b." in page.text("main")
    base = per_class(evaluation(trained, "nuclei-b", 400), "dice")
    assert page.texts(".legend-list .other")[1:] == [f"{base[name]:.4f}" for name in NAMES]
    page.choose("Compare with", "no other run")
    page.wait(lambda: not page.find("section[aria-labelledby=compare-title]").is_displayed())


def test_a_run_that_cannot_be_compared_says_so(trained, visit):
    page = visit(trained, link(run="nuclei", **{"with": "nowhere"}))
    page.expected = ["404"]
    page.wait(lambda: "cannot be compared" in page.text("main"))
    assert len(page.legend()) == 4


# --------------------------------------------------------------------------------------------------- hostile names

HOSTILE = [
    "\"><img src=x onerror=\"document.title='hit'\">",
    "<script>document.title='hit'</script>",
    "' onmouseover='x' & &amp; <b>bold</b>",
    "a/b/../c?x=1&y=2#z%2F+ 100%",
    "🧠 \u202eסוף\u202c ﷽ Ω≈ç",
    "__proto__",
    "x" * 256,
    "{{constructor.constructor('return 1')()}}",
]


def check_harmless(page):
    assert page.script("return document.querySelectorAll('img').length") == 1  # the mark beside the name of the page
    assert page.script("return document.querySelectorAll('body script, main b:not(.whisker b):not(.facts b)').length") == 0
    assert "hit" not in page.driver.title or "hit'" in page.driver.title
    assert page.sideways() == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(server, visit, name):
    """The same name for a run, a split, classes and images."""
    classes, ids = f"background,{name},third", ",".join([name, "b", "c", "d"])
    for step in (1, 2):
        send(server, name, step, 0.2 / step, split=name, classes=classes, image_ids=ids)
    page = visit(server, link(run=name))
    page.wait(lambda: len(page.legend()) == 4)
    assert page.texts(".run-name") == [name] and name in page.texts(".run-list .name")
    assert name in page.legend() and page.driver.title == f"{name} – maskmeter".strip()
    page.wait(lambda: name in page.texts(".images .id"))
    assert name in page.texts(".confusion tbody .name")
    check_harmless(page)
    page.find(".legend-list button:not([aria-pressed=false])").click()
    page.wait(lambda: page.texts("[aria-pressed=false]"))
    other = visit(server, page.driver.current_url.split("/", 3)[-1])
    other.wait(lambda: len(other.legend()) == 4 and other.texts("[aria-pressed=false]"))
    check_harmless(other)


@pytest.mark.parametrize("name", ["step", "Time", "class", "Value", "all classes"])
def test_classes_may_be_named_as_columns_are(server, visit, name):
    for step in (10, 20):
        send(server, f"columns {name}", step, 1 / step, classes=f"background,{name},third")
    page = visit(server, link(run=f"columns {name}"))
    page.wait(lambda: page.text(".legend .point") == "step 20")
    dice = next(s for s in evaluation(server, f"columns {name}", 20)["scores"] if s["name"] == "dice")["per_class"]
    assert page.texts(".legend-list button .name + span") == [f"{value:.4f}" for value in dice]
    page.find(".curves").send_keys(Keys.HOME)
    page.wait(lambda: page.text(".legend .point") == "step 10")


def test_a_name_of_10_kb_in_the_address_is_text(trained, visit):
    name = ("<img src=x onerror=alert(1)> " * 400)[:10240]
    page = visit(trained, link(run=name))
    page.expected = ["400", "404"]
    page.wait(lambda: page.texts(".run-name") == [name])
    assert page.find(".run-name").rect["height"] < 400
    check_harmless(page)


# ------------------------------------------------------------------------------------------------------ mishaps


def test_a_run_that_is_deleted_while_it_is_shown(server, visit):
    send(server, "doomed", 1)
    page = visit(server, link(run="doomed"))
    page.wait(lambda: len(page.legend()) == 4)
    page.expected = ["404"]
    assert server.request("DELETE", "/v1/runs/doomed").status_code == 204
    page.wait(lambda: "not here" in page.text("main"), seconds=3)
    page.wait(lambda: "doomed" not in page.texts(".run-list .name"), seconds=6)


def test_a_server_that_goes_and_comes_back(start, visit):
    server = start()
    send(server, "patient", 1)
    page = visit(server, link(run="patient"))
    page.wait(lambda: len(page.legend()) == 4)
    page.expected = ["ERR_CONNECTION_REFUSED"]
    server.stop()
    page.wait(lambda: "does not answer" in page.text("#state"))
    assert len(page.legend()) == 4
    server.args, listen = [], f"127.0.0.1:{server.port}"
    server.command = lambda: [*type(server).command(server)[:3], listen, "--data", str(server.data)]
    server.start()
    page.wait(lambda: page.text("#state") == "")
    send(server, "patient", 2)
    page.wait(lambda: page.text(".legend .point") == "step 2")


def test_runs_are_searched_and_paged(start, visit):
    server = start()
    body = safetensors({"pred": PRED[:1, :, :4, :4], "label": LABEL[:1, :4, :4]})
    for number in range(130):
        tags = f"seed={number % 4},<b>kind</b>={'rare' if number == 7 else ''}"
        server.score(body, run=f"run-{number:03d}", step="1", classes=CLASSES, scores="dice", tags=tags)
    page = visit(server, link(run="run-129"))
    page.wait(lambda: len(page.texts(".run-list li")) == 100)
    assert page.texts(".run-list .name")[0] == "run-129"
    page.find("#runs button").click()
    page.wait(lambda: len(page.texts(".run-list li")) == 130)
    assert not page.find("#runs button").is_displayed()
    page.open(link(run="run-128"))
    page.driver.refresh()
    page.wait(lambda: len(page.texts(".run-list li")) == 100)
    page.find("#runs input").send_keys("run-01")
    page.wait(lambda: page.texts(".run-list .name") == [f"run-01{n}" for n in range(9, -1, -1)])
    assert "10 of 130 runs" in page.text("#runs")
    for _ in "run-01":
        page.find("#runs input").send_keys(Keys.BACKSPACE)
    page.find("#runs input").send_keys("rare")
    page.wait(lambda: page.texts(".run-list .name") == ["run-007"])
    assert sorted(page.texts(".run-list .tag")) == ["<b>kind</b>: rare", "seed: 3"]


# ----------------------------------------------------------------------------------------------- every reader


def test_the_keyboard_reaches_everything(trained, visit):
    page = visit(trained, link(run="nuclei"))
    page.wait(lambda: page.texts(".images .name"))
    page.press(Keys.TAB)
    assert page.focused()[2] == "Skip to the run" and page.find(".skip").rect["x"] >= 0
    seen = []
    for _ in range(60):
        page.press(Keys.TAB)
        tag, kind, text = page.focused()
        if tag == "BODY":
            break
        outlined = page.script("""
            const style = getComputedStyle(document.activeElement), next = document.activeElement.nextElementSibling;
            return style.outlineStyle !== "none" || style.opacity === "0" && getComputedStyle(next).outlineStyle !== "none\"""")
        assert outlined, (tag, kind, text)
        seen.append((tag, kind.split(" ")[0], text[:20]))
    tags = [tag for tag, _, _ in seen]
    assert tags.count("SELECT") >= 6 and "SUMMARY" in tags and ("DIV", "curves", "") in [(t, k, "") for t, k, _ in seen]
    assert len([1 for tag, _, text in seen if tag == "BUTTON" and any(name in text for name in NAMES)]) == 3


def test_arrow_keys_in_the_list_of_runs(trained, visit):
    page = visit(trained, link(run="nuclei"))
    page.wait(lambda: len(page.texts(".run-list a")) >= 2)
    page.find("#runs input").send_keys(Keys.ARROW_DOWN)
    first = page.focused()[2]
    page.press(Keys.ARROW_DOWN)
    second = page.focused()[2]
    assert first != second
    page.press(Keys.ARROW_UP)
    assert page.focused()[2] == first
    page.press(Keys.END)
    time.sleep(3.5 * SLOW)  # the list is drawn again meanwhile; the focus stays
    assert page.focused()[0] == "A"
    name = page.script("return document.activeElement.querySelector('.name').textContent")
    page.press(Keys.ENTER)
    page.wait(lambda: page.text(".run-name") == name)


def test_landmarks_and_names(trained, visit):
    """What a screen reader finds: landmarks, headings in order, a name for all that can be used, captions of tables."""
    page = visit(trained, link(run="nuclei", **{"with": "nuclei-b"}))
    page.wait(lambda: page.rows(".compare"))
    tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    nodes = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in tree if not n.get("ignored") and "role" in n]
    roles = [role for role, _ in nodes]
    assert [roles.count(role) for role in ("banner", "main", "contentinfo")] == [1, 1, 1]
    assert ("navigation", "Runs") in nodes
    usable = ("button", "combobox", "searchbox", "slider", "radio", "link", "region", "table", "textbox")
    assert not [node for node in nodes if node[0] in usable and node[1].strip() == ""]
    levels = page.script("return [...document.querySelectorAll('h1, h2, h3')].filter(e => e.checkVisibility()).map(e => +e.tagName[1])")
    assert levels[0] == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:]))
    assert page.script("return [...document.querySelectorAll('table')].every(t => t.caption && t.querySelector('th[scope=col]'))")


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (1280, "dark"), (390, "light")])
def test_axe_finds_nothing(trained, visit, axe, width, scheme):
    """The rules of WCAG 2.2 A and AA, and good practice."""
    for address in ("", link(run="nuclei", step=100, score="precision", **{"with": "nuclei-b"})):
        page = visit(trained, address, width=width, scheme=scheme)
        page.wait(lambda: page.texts(".run-list a") and (not address or page.rows(".compare") and page.rows(".images")))
        page.script(axe)
        found = page.driver.execute_async_script("""
            const done = arguments[arguments.length - 1];
            const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
            axe.run({runOnly: tags}).then(all => done({
                passed: all.passes.length,
                broken: all.violations.map(v => [v.id, v.help, v.nodes.map(n => n.html.slice(0, 200))]),
            }));""")
        assert found["broken"] == [] and found["passed"] > 20


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out(trained, visit, scheme):
    """Contrast of every text with what is behind it: 4.5 (WCAG AA); of curves with the card: 3."""
    page = visit(trained, link(run="nuclei", **{"with": "nuclei-b"}), scheme=scheme)
    page.wait(lambda: page.rows(".compare") and page.rows(".confusion"))
    page.script("window.scrollTo(0, 0)")
    low = page.script("""
        const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
        const rgba = text => {
            canvas.clearRect(0, 0, 1, 1);
            canvas.fillStyle = text;
            canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
        };
        const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
        const behind = e => {
            for (; e; e = e.parentElement) {
                const colour = rgba(getComputedStyle(e).backgroundColor);
                if (colour[3] === 255)
                    return colour;
            }
            return [255, 255, 255, 255];
        };
        const low = [];
        for (const e of document.querySelectorAll("body *")) {
            if (!e.checkVisibility() || e.disabled || e.matches(".hidden, .skip, option"))
                continue;
            const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim() !== "");
            if (own && contrast(rgba(getComputedStyle(e).color), behind(e)) < 4.5)
                low.push([e.className, e.textContent.slice(0, 40), contrast(rgba(getComputedStyle(e).color), behind(e))]);
            if (e.matches(".swatch") && contrast(rgba(getComputedStyle(e).borderTopColor), behind(e.closest(".card"))) < 3)
                low.push(["swatch", e.parentElement.textContent]);
        }
        return low;""")
    assert low == []


def test_all_colours_stand_out(trained, visit):
    """All eight class colours, on the card of both themes, and apart from each other."""
    for scheme, card in (("light", (255, 255, 255)), ("dark", (27, 30, 35))):
        page = visit(trained, link(run="nuclei"), scheme=scheme)
        page.wait(lambda: len(page.legend()) == 4)
        found = page.script("""
            const probe = document.body.appendChild(document.createElement("i"));
            return [0, 1, 2, 3, 4, 5, 6, 7, "background"].map(n => {
                probe.style.color = `var(--class-${n})`;
                return getComputedStyle(probe).color;
            });""")
        colours = [tuple(int(part) for part in text[4:-1].split(",")) for text in found]
        assert len(set(colours)) == 9
        for colour in colours:
            assert contrast(colour, card) >= 3, (scheme, colour)


def contrast(one, other):
    def light(colour):
        parts = [v / 255 for v in colour]
        parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    a, b = sorted((light(one), light(other)))
    return (b + 0.05) / (a + 0.05)


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_is_wide_enough(trained, visit, width):
    page = visit(trained, width=width, height=700)
    page.wait(lambda: len(page.texts(".run-list a")) >= 2)
    assert page.sideways() == 0 and not page.texts(".run-name")
    page.find(".run-list a").click()
    page.wait(lambda: page.texts(".images .name"))
    assert page.sideways() == 0 and not page.find("#runs").is_displayed()
    page.choose("Compare with", "nuclei" if page.text(".run-name") != "nuclei" else "nuclei-b")
    page.wait(lambda: page.rows(".compare"))
    assert page.sideways() == 0
    page.find(".back").click()
    page.wait(lambda: page.find("#runs").is_displayed())


def test_dark_and_light(trained, visit):
    page = visit(trained, link(run="nuclei"), scheme="dark")
    page.wait(lambda: len(page.legend()) == 4)
    dark = page.colour("body", "background-color")
    assert max(dark) < 60
    lines = page.colours()
    page.prefer("light")
    page.wait(lambda: min(page.colour("body", "background-color")) > 200)
    page.wait(lambda: page.colours() != lines)
    page.choose("Theme", "dark")
    page.wait(lambda: page.colour("body", "background-color") == dark)
    page.driver.refresh()
    page.wait(lambda: len(page.legend()) == 4)
    assert page.colour("body", "background-color") == dark
