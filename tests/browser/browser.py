"""browser.py - Debian's Chromium without a window, on one page of a running server."""

import json
import re
import shutil
import time
import urllib.parse

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from support import SLOW

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--no-first-run", "--hide-scrollbars",
)
CSS = "css selector"


def link(**state):
    """The part of an address after the page's own: what it shows."""
    return "#" + urllib.parse.urlencode(state)


def start_browser():
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)


class Page:
    def __init__(self, driver, url, width=1280, height=900, scheme="light"):
        self.driver, self.url = driver, url
        self.asked, self.messages, self.expected = [], [], []  # expected: parts of console messages that the test brings about
        self.resize(width, height)
        self.prefer(scheme)

    def leave(self):
        """As if this browser had never been here."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": self.url, "storageTypes": "all"})
        self.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
        self.driver.get_log("browser")
        self.driver.get_log("performance")

    def resize(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, address=""):
        self.driver.get(self.url + "/" + address)

    # looking

    def script(self, text, *values):
        return self.driver.execute_script(text, *values)

    def find(self, selector):
        return self.driver.find_element(CSS, selector)

    def texts(self, selector):
        """The text of every such element, shown or not."""
        return self.script("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector)

    def text(self, selector="body"):
        return self.script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def rows(self, selector):
        """Texts of the cells of the body of a table."""
        return self.script(
            "return [...document.querySelectorAll(arguments[0] + ' tbody tr')].map(r => [...r.cells].map(c => c.innerText.trim()))",
            selector)

    def legend(self):
        """{class: what stands beside it} of the legend."""
        names, values = self.texts(".legend-list .name"), self.texts(".legend-list .name + span")
        return dict(zip(names, values))

    def wait(self, check, seconds=10):
        """Waits until check() is true, and returns what it gave; an element that was just replaced is looked for again."""
        end, problem = time.monotonic() + seconds * SLOW, None
        while time.monotonic() < end:
            try:
                found = check()
                if found:
                    return found
            except Exception as error:  # noqa: BLE001  # a stale element, or one that is not there yet
                problem = error
            time.sleep(0.02)
        raise AssertionError(f"it did not come true in time: {problem}\n{self.text()[:2000]}\n{self.console()}")

    def choose(self, label, text):
        """Chooses an option by the text of the label around the <select>, as a user would."""
        self.script("""
            const select = [...document.querySelectorAll("label")].find(l => l.firstChild.textContent.trim() === arguments[0])
                .querySelector("select");
            select.value = [...select.options].find(o => o.textContent === arguments[1]).value;
            select.dispatchEvent(new Event("change", {bubbles: true}));""", label, text)

    def press(self, *keys):
        self.driver.switch_to.active_element.send_keys(*keys)

    def focused(self):
        return self.script("const e = document.activeElement; return [e.tagName, e.className, e.textContent]")

    def colours(self):
        """How many pixels of the curves have which colour: {(red, green, blue): pixels}."""
        counts = self.script("""
            const canvas = document.querySelector(".curves canvas"), counts = {};
            const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", {willReadFrequently: true});
            copy.drawImage(canvas, 0, 0);
            const {data} = copy.getImageData(0, 0, canvas.width, canvas.height);
            for (let i = 0; i < data.length; i += 4)
                if (data[i + 3] === 255) {
                    const key = [data[i], data[i + 1], data[i + 2]].join();
                    counts[key] = (counts[key] || 0) + 1;
                }
            return counts;""")
        return {tuple(map(int, key.split(","))): pixels for key, pixels in counts.items()}

    def colour(self, selector, name):
        """A colour of an element's style as (red, green, blue)."""
        text = self.script(
            "return getComputedStyle(document.querySelector(arguments[0])).getPropertyValue(arguments[1])", selector, name)
        return tuple(int(part) for part in re.findall(r"\d+", text)[:3])

    # promises

    def console(self):
        self.messages += [entry["message"] for entry in self.driver.get_log("browser")]
        return self.messages

    def requests(self):
        """All addresses that the page asked for until now."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.asked.append(message["params"]["request"]["url"])
        return self.asked

    def check(self):
        unexpected = [m for m in self.console() if not any(part in m for part in self.expected)]
        assert not unexpected, unexpected
        assert self.requests() and all(url.startswith((self.url + "/", "data:")) for url in self.asked), self.asked

    def sideways(self):
        """How many pixels the page is wider than its window."""
        return self.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
