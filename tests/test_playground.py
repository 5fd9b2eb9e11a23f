"""The playground of the documentation takes the steps of `minimize`.

Its table of expressions is evaluated in Python. Where node is installed, the page's own
code runs, too, and so does the Python code that it prints.
"""

import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from sklgd import minimize
from sklgd.optimizers import OPTIMIZERS

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "_static" / "playground.html").read_text(encoding="utf-8")


def script(name):
    return re.search(rf'<script[^>]*id="{name}">\n(.*?)</script>', PAGE, re.DOTALL)[1]


TABLES = json.loads(script("tables"))
FUNCTIONS, RULES = TABLES["functions"], TABLES["optimizers"]
MATHS = {name: getattr(math, name) for name in ("sin", "cos", "exp", "sqrt")}


def evaluate(expression, p):
    x, y = np.asarray(p).tolist()
    return eval(expression, MATHS, {"x": x, "y": y})


def gradient(name, p):
    return np.array([evaluate(text, p) for text in FUNCTIONS[name]["gradient"]])


def path_of_the_table(name, optimizer, eta, knob, steps):
    """What the page does, in Python."""
    rule = RULES[optimizer]
    path = [np.array(FUNCTIONS[name]["start"], dtype=float)]
    variables = [dict.fromkeys(rule["state"], 0.0) for _ in range(2)]
    for t in range(1, steps + 1):
        g = gradient(name, path[-1])
        for k, state in enumerate(variables):
            state |= {"w": path[-1][k], "g": g[k], "eta": eta, "t": t}
            if rule["knob"]:
                state[rule["knob"][1]] = knob
            for line in rule["update"]:
                exec(line, dict(MATHS), state)
        path.append(np.array([state["w"] for state in variables]))
    return np.array(path)


@pytest.mark.some_cases
@pytest.mark.parametrize("optimizer", RULES)
def test_updates_are_those_of_minimize(optimizer):
    rule = RULES[optimizer]
    assert OPTIMIZERS[optimizer].__name__ == rule["class"]
    for name, knob in [("valley", 0.7), ("ravine", 0.95)]:
        own = {rule["knob"][0]: knob} if rule["knob"] else {}
        expected = minimize(
            lambda p, name=name: evaluate(FUNCTIONS[name]["value"], p),
            FUNCTIONS[name]["start"],
            jac=lambda p, name=name: gradient(name, p),
            optimizer=OPTIMIZERS[optimizer](**own),
            learning_rate=0.01, max_iter=50, tol=0.0,
        ).path  # fmt: skip
        ours = path_of_the_table(name, optimizer, 0.01, knob, 50)
        np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)
        # The default of the slider is that of the optimizer.
        if rule["knob"]:
            default = getattr(OPTIMIZERS[optimizer](), rule["knob"][0])
            assert rule["knob"][2] == default


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_those_of_the_functions(name):
    f = FUNCTIONS[name]
    for p in [f["start"], [0.3, -0.4], [-1.1, 0.9]]:
        for k, h in enumerate(np.eye(2) * 1e-6):
            slope = evaluate(f["value"], p + h) - evaluate(f["value"], p - h)
            assert gradient(name, p)[k] == pytest.approx(slope / 2e-6, abs=1e-6)


CASES = [
    {"f": f, "optimizer": optimizer, "start": FUNCTIONS[f]["start"],
     "eta": eta, "knob": 0.8, "noise": noise, "steps": 30}
    for f, optimizer, eta, noise in [
        ("bowl", "sgd", 0.1, 0), ("ravine", "momentum", 0.045, 0),
        ("valley", "nesterov", 0.05, 0.3), ("two_minima", "adagrad", 0.5, 0),
        ("saddle", "rmsprop", 0.05, 1.5), ("plateau", "adadelta", 1, 0),
        ("valley", "adam", 0.2, 0), ("bowl", "sgd", 0.1, 2), ("saddle", "sgd", 1.9, 0),
    ]
]  # fmt: skip
DRIVER = """
const { functions, optimizers } = compile(TABLES);
console.log(JSON.stringify(CASES.map((c) => {
  const f = functions[c.f], o = optimizers[c.optimizer];
  return { path: descend(f, o, c), code: pythonCode(f, o, c) };
})));
"""


def answers_of_the_page(node):
    code = f"const TABLES = {json.dumps(TABLES)}, CASES = {json.dumps(CASES)};"
    program = "\n".join([script("steps-of-the-page"), code, DRIVER])
    result = subprocess.run(
        [node, "-"], input=program, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    return json.loads(result.stdout)


def test_printed_code_takes_the_steps_of_the_page():
    node = shutil.which("node")
    # (Without node the tests of the table remain, which are the same expressions.)
    answers = answers_of_the_page(node) if node else []
    for case, answer in zip(CASES, answers, strict=bool(node)):
        variables = {}
        exec(answer["code"], variables)
        path, expected = np.array(answer["path"]), variables["result"].path
        n = min(len(path), len(expected))
        assert n > 1 and (n == 31 or case["eta"] > 1.0), case
        np.testing.assert_allclose(path[:n], expected[:n], rtol=1e-9, atol=1e-12)


class Elements(HTMLParser):
    """Names, and attributes, of the elements of a page."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_page_needs_nothing_else_and_is_accessible():
    found = Elements(PAGE).found
    assert not [a for _, a in found if {"src", "href"} & set(a)]
    assert not re.findall(r"https?://|@import|fetch\(", PAGE)
    assert len(PAGE.encode()) < 30_000
    tags = [tag for tag, _ in found]
    n_controls = tags.count("select") + tags.count("input")
    assert tags.count("label") == n_controls
    for canvas in (a for tag, a in found if tag == "canvas"):
        # The page writes the label of the picture, which can have the focus.
        assert canvas["role"] == "img"
        assert "aria-label" in canvas or canvas["tabindex"] == "0"
    assert any(a.get("role") == "status" for _, a in found)


def test_pages_embed_it():
    for page in ("learning_rate", "optimizers"):
        text = (DOCS / "guide" / f"{page}.md").read_text(encoding="utf-8")
        frames = [a for tag, a in Elements(text).found if tag == "iframe"]
        assert len(frames) == 1 and frames[0]["title"]
        address = frames[0]["src"].removeprefix("../_static/playground.html?")
        asked = dict(part.split("=") for part in address.split("&"))
        assert asked["function"] in FUNCTIONS and asked["optimizer"] in RULES
