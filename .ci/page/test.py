#!/usr/bin/env python3
"""The auditors' page in real Chromium: over HTTP with a token, and from a mirrored folder on disk.

    test.py                               all, on made-up logs
    test.py --shots DIR                   and pictures of it
    test.py --url URL --token FILE        against a real node, what must hold of honest logs

Needs PyPI's playwright, axe-playwright-python and cryptography, and a Chromium (CHROMIUM, default /usr/bin/chromium).
"""

import argparse
import copy
import json
import os
import re
import shutil
import ssl
import sys
import tempfile
import unittest
import urllib.request
from collections import Counter
from pathlib import Path

from playwright.sync_api import sync_playwright

import fixture
from browser import Visit
from fixture import NOW
from serve import TOKEN, Node

ARGS = argparse.Namespace(url=None, token=None, shots=None)


class Chromium(unittest.TestCase):
    """Every visit of a test is checked at its end: no word on the console, no request off the node."""

    @classmethod
    def setUpClass(cls):
        cls.driver = sync_playwright().start()
        cls.browser = cls.driver.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"])
        cls.scratch = Path(tempfile.mkdtemp(prefix="tumar-page-"))
        cls.made = fixture.honest()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.driver.stop()
        shutil.rmtree(cls.scratch)

    def setUp(self):
        self.visits = []
        self.expected_complaints = 0

    def visit(self, url, **options):
        now = None if ARGS.url else fixture.TAKEN + 20
        visit = Visit(self.browser, url, now, **options)
        self.visits.append(visit)
        return visit

    def tearDown(self):
        for visit in self.visits:
            self.assertEqual(visit.strangers(), [], "a request off the node")
            self.assertEqual(len(visit.complaints), self.expected_complaints, visit.complaints)
            visit.close()

    def folder(self, name, made, page=False, **options):
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        fixture.write(made, folder, **options)
        return fixture.add_page(folder) if page else folder

    def serve(self, folder):
        node = Node(folder)
        self.addCleanup(node.close)
        return node

    def shot(self, visit, name, selector=None):
        if ARGS.shots:
            place = f"document.querySelector('{selector}').getBoundingClientRect().top + scrollY" if selector else "0"
            visit.page.evaluate(f"() => scrollTo({{top: {place}, behavior: 'instant'}})")
            visit.page.wait_for_function(f"() => Math.abs({place} - scrollY) < 2")
            visit.page.screenshot(path=str(Path(ARGS.shots) / f"{name}.png"))


class OverHttp(Chromium):
    def test_three_honest_logs_agree_and_a_request_is_proved(self):
        node = self.serve(self.folder("honest", self.made))
        visit = self.visit(node.url).read(TOKEN)
        self.assertEqual((visit.state, visit.word()), ("good", "AGREEMENT"))
        self.assertEqual(visit.alarms(), [])
        self.assertIn("stand in all three alike", visit.text("#verdict-text"))
        self.assertIn("1 is too new to compare", visit.text("#verdict-text"))
        self.assertIn("2 stand in one log alone", visit.text("#verdict-text"))
        self.shot(visit, "light")
        rq = fixture.uses(self.made["a", NOW])[250]
        visit.find(rq[:9])
        boxes = visit.page.locator(".proof[data-state=good]")
        self.assertEqual(boxes.count(), 6)
        boxes.first.locator("summary").click()
        steps = visit.text(".proof table").split()
        root = visit.page.locator(".proof").first.locator("p").last.locator("code").inner_text()
        self.assertEqual(steps[-1], root, "the last hash is the root")
        leaves = [fixture.sha256(b"\x00" + line) for line in self.made["a", NOW].lines()]
        self.assertEqual(root, fixture.root_of(leaves).hex())
        self.shot(visit, "uses", "#uses")
        self.shot(visit, "proof", "#search")

    def test_without_a_token_checkpoints_are_checked_and_no_entry_is_asked_for(self):
        node = self.serve(self.folder("honest", self.made))
        visit = self.visit(node.url)
        self.assertEqual((visit.state, visit.word()), ("calm", "CHECKPOINTS IN ORDER"))
        self.assertFalse([path for path, _ in node.seen if "entries" in path])
        self.assertTrue(visit.page.locator("#rq").is_disabled())
        self.assertEqual(visit.page.locator(".node[data-state=good]").count(), 3)

    def test_a_request_that_one_log_lacks_is_waited_for_two_minutes_and_no_longer(self):
        node = self.serve(self.folder("honest", self.made))
        visit = self.visit(node.url)
        # The logs are as old as their checkpoints, however late the token is given.
        visit.page.clock.set_fixed_time(fixture.TAKEN + 3600)
        self.assertEqual(visit.read(TOKEN).word(), "AGREEMENT")
        visit.page.click("#again")
        visit.page.wait_for_function("() => document.getElementById('verdict').dataset.state === 'alarm'")
        self.assertEqual([(node, rule) for node, _, rule, _ in visit.alarms()], [("C", "MISSING")])

    def test_the_token_goes_to_entries_alone_and_is_kept_nowhere(self):
        node = self.serve(self.folder("honest", self.made))
        visit = self.visit(node.url).read(TOKEN)
        self.assertTrue(all(("/tile/entries/" in path) == (bearer is not None) for path, bearer in node.seen))
        kept = visit.page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, document.body.outerHTML])")
        self.assertNotIn(TOKEN, kept)
        self.assertEqual(visit.page.input_value("#token"), "")

    def test_a_refused_token_is_said_and_is_no_alarm(self):
        node = self.serve(self.folder("honest", self.made))
        visit = self.visit(node.url)
        visit.page.fill("#token", "old")
        visit.page.click("#read")
        visit.page.wait_for_function("() => document.getElementById('token-error').textContent !== ''")
        self.assertIn("refused", visit.text("#token-error"))
        self.assertEqual(visit.state, "calm")
        # Chromium itself writes one line for each 401.
        self.expected_complaints = 1

    def test_a_mirrored_folder_on_any_web_server_needs_no_token(self):
        node = self.serve(self.folder("honest", self.made))
        node.asks_token = False
        self.assertEqual(self.visit(node.url).read("").word(), "AGREEMENT")

    def test_a_checkpoint_that_is_just_being_cosigned_is_waited_for(self):
        node = self.serve(self.folder("honest", self.made))
        changed, _ = fixture.doctored("no_cosignature", self.made)
        changed["a", NOW].write(self.scratch / "alone")
        node.first[f"/a/{NOW}/checkpoint"] = (self.scratch / "alone/checkpoint").read_bytes()
        self.assertEqual(self.visit(node.url).state, "calm")

    def test_an_older_half_is_read_when_it_is_chosen(self):
        node = self.serve(self.folder("honest", self.made))
        visit = self.visit(node.url).read(TOKEN)
        visit.page.select_option("#half", "2026h1")
        visit.page.wait_for_function("() => document.querySelector('.node[data-node=A] .size').textContent.startsWith('302')")
        visit.wait_read()
        self.assertEqual(visit.word(), "AGREEMENT")

    def test_a_node_without_a_log_of_the_half_has_nothing_to_compare_but_what_others_have(self):
        alone = {key: copy.copy(log) for key, log in self.made.items() if key not in [("a", NOW), ("c", NOW)]}
        alone["b", NOW].entries = [e for e in alone["b", NOW].entries if e["action"] == "open_evidence"]
        visit = self.visit(self.serve(self.folder("alone", alone)).url).read(TOKEN)
        self.assertEqual((visit.word(), visit.alarms()), ("AGREEMENT", []))
        lacking = {key: log for key, log in self.made.items() if key != ("c", NOW)}
        visit = self.visit(self.serve(self.folder("lacking", lacking)).url).read(TOKEN)
        self.assertEqual({(node, rule) for node, _, rule, _ in visit.alarms()}, {("C", "MISSING")})

    def test_a_log_whose_beginning_is_pruned_still_leads_to_its_root(self):
        folder = self.folder("pruned", self.made)
        for party in "abc":
            for what, index in [("entries", 0), ("entries", 1), ("entries", 2), ("0", 0), ("0", 1), ("0", 2)]:
                (folder / party / NOW / fixture.tile_path(what, index)).unlink()
        visit = self.visit(self.serve(folder).url).read(TOKEN)
        self.assertEqual((visit.word(), visit.alarms()), ("AGREEMENT", []))
        visit.page.click(".notes summary")
        self.assertIn("Entries before 768 are no longer kept", visit.text("#findings").replace("\u202f", ""))
        visit.find(fixture.uses(self.made["a", NOW])[700])
        self.assertEqual(visit.page.locator(".proof[data-state=good]").count(), 6)
        # One line of Chromium's own for each file that it found gone while it looked for the first.
        self.assertTrue(visit.complaints and all("404" in line for line in visit.complaints))
        visit.complaints.clear()

    def test_counts_are_those_of_the_logs_and_small_ones_are_withheld(self):
        node = self.serve(self.folder("honest", self.made))
        visit = self.visit(node.url).read(TOKEN)
        first = {}
        for party in "abc":
            for entry in self.made[party, NOW].entries:
                if entry["result"].startswith("unlogged:"):
                    continue  # a count, and no request
                first.setdefault(entry["rq"], (entry["relying_party"], entry["purpose"]))
        expected = {name: str(count) if count >= 5 else "< 5" for name, count in Counter(first.values()).items()}
        rows = visit.page.evaluate("() => [...document.querySelectorAll('#uses-table tbody tr')].map(row => [...row.children].map(cell => cell.textContent))")
        self.assertEqual({(bank, purpose): count for bank, purpose, count, *_ in rows}, expected)
        cells = visit.page.evaluate("() => [...document.querySelectorAll('#numbers-table td, #uses-table .num, #refusals-table .num')].map(cell => cell.textContent)")
        self.assertFalse({"1", "2", "3", "4"} & set(cells))
        self.assertIn("< 5", cells)
        denied = Counter(e["result"].removeprefix("denied:") for e in self.made["a", NOW].entries if e["event"] == "deny")
        rows = visit.page.evaluate("() => [...document.querySelectorAll('#refusals-table tbody tr')].map(row => [row.children[0].textContent, row.children[2].textContent])")
        self.assertEqual(dict(rows), {reason: str(count) if count >= 5 else "< 5" for reason, count in denied.items()})

    def test_an_unknown_or_short_request_is_answered_in_words(self):
        visit = self.visit(self.serve(self.folder("honest", self.made)).url).read(TOKEN)
        for wanted, answer in [("abc", "6 to 64 digits"), ("<img src=x>", "6 to 64 digits"), ("0" * 64, "No log has such a request")]:
            visit.page.fill("#rq", wanted)
            visit.page.click("#find")
            self.assertIn(answer, visit.text("#search-status"))


class Lies(Chromium):
    def assert_named(self, visit, expected):
        self.assertEqual((visit.state, visit.word()), ("alarm", "ALARM"))
        self.assertEqual(visit.page.get_by_role("alert").filter(has_text="ALARM").count(), 1)
        named = visit.alarms()
        entry, rq = expected.get("entry"), expected.get("rq", "")
        found = [row for row in named if row[0] == expected["node"] and row[2] == expected["rule"] and entry in (None, row[1])]
        self.assertTrue(found, f"{expected} is not among {named}")
        self.assertIn(rq, visit.text("#findings"))
        self.assertEqual(visit.page.locator(f".node[data-state=alarm][data-node={expected['node']}]").count(), 1)

    def test_a_lie_that_a_node_has_signed_is_red_and_named(self):
        for name in fixture.LIES:
            with self.subTest(name):
                changed, expected = fixture.doctored(name, self.made)
                visit = self.visit(self.serve(self.folder(name, changed)).url)
                visit.read(TOKEN)
                self.assert_named(visit, expected)
                if name != "no_approval":
                    self.assertEqual({node for node, *_ in visit.alarms()}, {expected["node"]}, "nobody else is accused")
                if name == "hide_use":
                    self.shot(visit, "alarm")

    def test_a_size_that_nobody_could_hold_is_red_and_soon(self):
        changed = copy.deepcopy(self.made)
        changed["b", NOW].claimed = 2**52
        node = self.serve(self.folder("claimed", changed))
        visit = self.visit(node.url).read(TOKEN)
        self.assert_named(visit, {"node": "B", "rule": "GAP"})
        self.assertEqual({node for node, *_ in visit.alarms()}, {"B"}, "nobody else is accused")
        # Chromium's own line for each file that is not there.
        self.assertTrue(all("404" in line for line in visit.complaints), visit.complaints)
        self.expected_complaints = len(visit.complaints)
        self.assertLess(self.expected_complaints, 60)

    def test_a_file_that_was_changed_later_is_red_and_named(self):
        for name, tamper in fixture.TAMPERS.items():
            with self.subTest(name):
                folder = self.folder(name, self.made)
                expected = tamper(folder)
                visit = self.visit(self.serve(folder).url).read(TOKEN)
                self.assert_named(visit, expected)

    def test_a_proof_over_a_changed_tile_does_not_hold(self):
        folder = self.folder("tile", self.made)
        path = folder / "c" / NOW / fixture.tile_path("0", 1)
        visit = self.visit(self.serve(folder).url).read(TOKEN)
        data = bytearray(path.read_bytes())
        data[0] ^= 1
        path.write_bytes(data)
        visit.find(self.made["c", NOW].entries[257]["rq"])
        self.assertGreater(visit.page.locator(".proof[data-state=alarm][data-node=C]").count(), 0)
        self.assertIn("Not proved", visit.text("#search-body"))

    def test_a_later_lie_is_told_from_what_was_seen_before(self):
        for name in fixture.LATER_LIES:
            with self.subTest(name):
                node = self.serve(self.folder("honest", self.made))
                visit = self.visit(node.url)
                self.assertEqual(visit.state, "calm")
                changed, expected = fixture.doctored(name, self.made)
                node.folder = self.folder(name, changed)
                for _ in range(2):
                    # Not only once: what was seen is not forgotten for what came after.
                    visit.page.click("#again")
                    visit.settle()
                    self.assert_named(visit, expected)

    def test_a_log_that_has_grown_honestly_continues_what_was_seen(self):
        smaller = copy.deepcopy(self.made)
        for party in "abc":
            log = smaller[party, NOW]
            log.entries = log.entries[: {"a": 1, "b": 256, "c": 1301}[party]]
        node = self.serve(self.folder("smaller", smaller))
        visit = self.visit(node.url)
        node.folder = self.folder("honest", self.made)
        visit.page.click("#again")
        visit.page.wait_for_function("() => document.querySelector('.node[data-node=A] .size').textContent.startsWith('2')")
        self.assertEqual((visit.settle().state, visit.alarms()), ("calm", []))
        self.assertEqual(len(re.findall("continues the", visit.text("#trio"))), 3)

    def test_what_was_seen_before_the_pruned_part_is_a_remark_and_not_forgotten(self):
        smaller = copy.deepcopy(self.made)
        for party in "abc":
            smaller[party, NOW].entries = smaller[party, NOW].entries[:300]
        node = self.serve(self.folder("smaller", smaller))
        visit = self.visit(node.url)
        folder = self.folder("pruned", self.made)
        (folder / "a" / NOW / fixture.tile_path("0", 1)).unlink()
        node.folder = folder
        visit.page.click("#again")
        visit.page.wait_for_function("() => document.querySelector('.node[data-node=A] .size').textContent.startsWith('2')")
        self.assertEqual((visit.settle().state, visit.alarms()), ("calm", []))
        self.assertIn("not shown to continue the 300 entries", visit.text(".node[data-node=A]"))
        self.assertIn("rule UNPROVEN", visit.page.locator("#findings").text_content())
        self.assertEqual(json.loads(visit.page.evaluate("() => localStorage.getItem('tumar.seen.1')"))[f"{fixture.LOG['a'].name}/{NOW}"]["size"], 300)
        # Chromium's own line for the missing tile.
        self.expected_complaints = 1

    def test_another_key_than_the_pinned_one_is_red_and_pins_outlive_a_visit(self):
        node = self.serve(self.folder("honest", self.made))
        visit = self.visit(node.url)
        visit.page.fill("#pins", "not a key")
        visit.page.click("text=Pin these keys")
        self.assertIn("Not saved", visit.text("#pin-status"))
        pins = [key.text() for key in [*fixture.LOG.values(), *fixture.COSIGNER.values(), fixture.WITNESS]]
        visit.page.fill("#pins", "\n".join(pins))
        visit.page.click("text=Pin these keys")
        visit.page.wait_for_function("() => document.getElementById('keys-lead').textContent.startsWith('All are pinned')")
        self.assertEqual(visit.settle().state, "calm")
        changed, _ = fixture.doctored("wrong_key", self.made)
        node.folder = self.folder("rekeyed", changed, log_keys={"b": changed["b", NOW].key})
        visit.page.reload()
        visit.settle()
        self.assert_named(visit, {"node": "B", "rule": "KEY"})
        self.assert_named(visit, {"node": "B", "rule": "BAD_SIGNATURE"})

    def test_an_index_that_is_none_is_red(self):
        folder = self.folder("index", self.made)
        for text in ["", "[]", '{"nodes":[]}', json.dumps(dict(fixture.index(self.made), witnesses=["x"]))]:
            (folder / "logs.json").write_text(text)
            visit = self.visit(self.serve(folder).url)
            self.assertEqual((visit.state, visit.alarms()[0][2]), ("alarm", "INDEX"), text)


class OnDisk(Chromium):
    def test_a_mirrored_folder_is_checked_without_any_server(self):
        folder = self.folder("disk", self.made, page=True)
        visit = self.visit(f"file://{folder}/index.html").wait_read()
        self.assertEqual((visit.word(), visit.alarms()), ("AGREEMENT", []))
        visit.find(fixture.uses(self.made["b", NOW])[3])
        self.assertEqual(visit.page.locator(".proof[data-state=good]").count(), 6)
        self.assertTrue(all(url.startswith("file:///") for url in visit.asked))
        visit.page.select_option("#half", "2026h1")
        visit.page.wait_for_function("() => document.querySelector('.node[data-node=A] .size').textContent.startsWith('302')")
        self.assertEqual(visit.wait_read().word(), "AGREEMENT")

    def test_a_doctored_folder_is_red(self):
        changed, expected = fixture.doctored("hide_use", self.made)
        folder = self.folder("disk-hide", changed, page=True)
        visit = self.visit(f"file://{folder}/index.html").wait_read()
        Lies.assert_named(self, visit, expected)


class ForAll(Chromium):
    def test_all_can_be_done_by_keyboard_and_the_focus_is_seen(self):
        node = self.serve(self.folder("honest", self.made))
        visit = self.visit(node.url)
        page, order = visit.page, []
        focus = """() => { const e = document.activeElement; const s = getComputedStyle(e);
            return [e.id || e.textContent.trim() || e.tagName, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]; }"""
        def tab_to(wanted):
            for _ in range(60):
                page.keyboard.press("Tab")
                name, is_seen = page.evaluate(focus)
                order.append(name)
                self.assertTrue(is_seen, f"no focus is seen on {name}")
                if name == wanted:
                    return
            self.fail(f"{wanted} is not reached: {order}")
        tab_to("Skip to the verdict")
        self.assertEqual(order, ["Skip to the verdict"], "it comes first")
        page.keyboard.press("Enter")
        self.assertEqual(page.evaluate(focus)[0], "main")
        tab_to("half")
        tab_to("token")
        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        visit.wait_read()
        self.assertEqual(visit.word(), "AGREEMENT")
        tab_to("rq")
        page.keyboard.type(fixture.uses(self.made["a", NOW])[0][:10])
        page.keyboard.press("Enter")
        page.wait_for_function("() => / proved\\.$/.test(document.getElementById('search-status').textContent)")
        tab_to("Proof, 11 steps")
        page.keyboard.press("Enter")
        self.assertTrue(page.locator(".proof details").first.get_attribute("open") is not None)
        tab_to("pins")
        tab_to("forget")

    def test_axe_finds_no_barrier_in_light_or_dark_wide_or_narrow(self):
        good = self.serve(self.folder("honest", self.made))
        bad = self.serve(self.folder("hide", fixture.doctored("hide_use", self.made)[0]))
        for scheme in ["light", "dark"]:
            for node in [good, bad]:
                with self.subTest(scheme=scheme, node="good" if node is good else "bad"):
                    visit = self.visit(node.url, color_scheme=scheme)
                    self.assertEqual(visit.barriers(), [])
                    visit.read(TOKEN).find(fixture.uses(self.made["a", NOW])[9])
                    visit.page.evaluate("() => document.querySelectorAll('details').forEach(e => e.open = true)")
                    self.assertEqual(visit.barriers(), [])
                    visit.page.set_viewport_size({"width": 360, "height": 740})
                    self.assertEqual(visit.barriers(), [])
                    self.assertLessEqual(visit.page.evaluate("() => document.documentElement.scrollWidth"), 360)

    def test_names_and_roles_are_there_for_who_hears_the_page(self):
        visit = self.visit(self.serve(self.folder("honest", self.made)).url).read(TOKEN)
        page = visit.page
        for role in ["banner", "navigation", "main", "contentinfo"]:
            self.assertEqual(page.get_by_role(role).count(), 1, role)
        for name in ["AGREEMENT", "Three logs", "Entries", "Who asked, and what for", "Refusals by reason", "One request, and its proof", "Keys this page used"]:
            self.assertEqual(page.get_by_role("region", name=name, exact=True).count(), 1, name)
        self.assertEqual(page.get_by_role("status").filter(has_text="AGREEMENT").count(), 1)
        for table in page.locator("table").all():
            self.assertEqual(table.locator("caption").count(), 1)
        self.assertEqual(page.locator("th:not([scope])").count(), 0)
        self.assertEqual(page.get_by_role("img").count(), 1)
        self.assertRegex(page.get_by_role("img").get_attribute("aria-label"), "^All requests by 6 hours, from 14 Sep 2026")

    def test_dark_is_dark_and_light_is_light(self):
        node = self.serve(self.folder("honest", self.made))
        for scheme, least, most in [("light", 200, 255), ("dark", 0, 60)]:
            visit = self.visit(node.url, color_scheme=scheme).read(TOKEN)
            paper = visit.page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)")
            self.assertTrue(all(least <= part <= most for part in paper[:3]), paper)
            if scheme == "dark":
                self.shot(visit, "dark")
        narrow = self.visit(node.url).read(TOKEN)
        narrow.page.set_viewport_size({"width": 360, "height": 780})
        self.shot(narrow, "narrow")


class RealNode(Chromium):
    """What must hold of honest logs, served by a real node."""

    def fetch(self, path, token=None):
        lax = ssl.create_default_context()
        lax.check_hostname, lax.verify_mode = False, ssl.CERT_NONE
        request = urllib.request.Request(f"{ARGS.url.rstrip('/')}/{path}", headers={"Authorization": f"Bearer {token}"} if token else {})
        with urllib.request.urlopen(request, context=lax, timeout=30) as answer:
            return answer.read(), answer.headers

    def test_honest_nodes_agree_and_their_first_request_is_proved(self):
        _, headers = self.fetch("")
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        token = Path(ARGS.token).read_text().strip()
        visit = self.visit(ARGS.url)
        self.assertEqual((visit.state, visit.alarms()), ("calm", []))
        visit.read(token)
        self.assertEqual((visit.word(), visit.alarms()), ("AGREEMENT", []))
        half = visit.page.input_value("#half")
        size = int(self.fetch(f"a/{half}/checkpoint")[0].decode().split("\n")[1])
        bundle, _ = self.fetch(f"a/{half}/{fixture.tile_path('entries', 0, min(256, size))}", token)
        entry = json.loads(bundle[2 : 2 + int.from_bytes(bundle[:2], "big")])
        visit.find(entry["rq"])
        self.assertEqual(visit.page.locator(".proof[data-state=alarm]").count(), 0)
        self.assertGreater(visit.page.locator(".proof[data-state=good]").count(), 0)
        self.assertEqual(visit.barriers(), [])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="of a real node's HTTP port")
    parser.add_argument("--token", help="file with an auditor token for it")
    parser.add_argument("--shots", help="folder for pictures")
    _, rest = parser.parse_known_args(namespace=ARGS)
    if bool(ARGS.url) != bool(ARGS.token):
        parser.error("--url and --token go together")
    cases = [RealNode] if ARGS.url else [OverHttp, Lies, OnDisk, ForAll]
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{word}*" for word in rest] or None
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.exit(not (result.wasSuccessful() and result.testsRun))


if __name__ == "__main__":
    main()
