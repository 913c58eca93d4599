"""One page in Debian's Chromium, watched: what it asked for, what it complained of."""

from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe

STATE = "() => document.getElementById('verdict').dataset.state"
READ = "() => / read and checked in /.test(document.getElementById('entries-status').textContent)"
PROVED = "() => / proved\\.$/.test(document.getElementById('search-status').textContent)"


class Visit:
    """A page in a profile of its own, at a moment (unix seconds) or now."""

    def __init__(self, browser, url, now=None, **options):
        self.url, self.asked, self.complaints = url, [], []
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, ignore_https_errors=True, **options)
        self.page = self.context.new_page()
        if now:
            self.page.clock.set_fixed_time(now)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)
        self.settle()

    def settle(self):
        self.page.wait_for_function(f"() => ({STATE})() !== 'busy'", timeout=30_000)
        return self

    def read(self, token):
        self.page.fill("#token", token)
        self.page.click("#read")
        return self.wait_read()

    def wait_read(self, timeout=60_000):
        self.page.wait_for_function(READ, timeout=timeout)
        return self

    def find(self, rq):
        self.page.fill("#rq", rq)
        self.page.click("#find")
        self.page.wait_for_function(PROVED, timeout=20_000)
        return self

    @property
    def state(self):
        return self.page.evaluate(STATE)

    def word(self):
        return self.page.inner_text("#verdict-word").strip()

    def text(self, selector):
        return self.page.inner_text(selector)

    def alarms(self):
        """(node, entry or None, rule, text) of every broken rule that the page names."""
        rows = self.page.evaluate("""() => [...document.querySelectorAll('[aria-label="Broken rules"] li')].map(row =>
            [...row.children].map(cell => cell.textContent))""")
        number = lambda text: int(text.removeprefix("entry ").replace("\u202f", "")) if text.startswith("entry ") else None
        return [(node.removeprefix("Node "), number(entry), rule.split()[1].rstrip("abcdefghijklmnopqrstuvwxyz"), text) for node, entry, rule, text, *_ in rows]

    def strangers(self):
        """What it asked for elsewhere than where it came from."""
        home = urlsplit(self.url)
        return [url for url in self.asked if urlsplit(url)[:2] != home[:2]]

    def barriers(self):
        """What axe-core finds wrong for people with disabilities."""
        found = Axe().run(self.page).response["violations"]
        return [(rule["id"], node["target"], node["failureSummary"]) for rule in found for node in rule["nodes"]]

    def close(self):
        self.context.close()
