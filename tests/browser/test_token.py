"""test_token.py - the page of a server that asks for tokens: asked for once, kept for the tab, forgotten on demand."""

import pytest
from browser import link
from selenium.webdriver.common.keys import Keys
from support import small_file
from tokens import bearer, command, create, identity

REFUSED = ("401", "403")  # the browser tells the console of each


@pytest.fixture
def guarded(start):
    """(server with one run, token that may upload and read)"""
    server = start()
    token = create(server.data, "ingest,read")
    server.score(small_file(), bearer(token), run="liver-7", step="1")
    return server, token


@pytest.fixture
def ask(visit):
    """ask(server, address="") -> a page on which refusals are expected."""

    def open_page(server, address="", **options):
        page = visit(server, address, **options)
        page.expected += REFUSED
        page.wait(lambda: page.texts("form.token"))
        return page

    return open_page


def enter(page, token):
    page.wait(lambda: page.focused()[0] == "INPUT")
    page.press(token, Keys.ENTER)


def stores(page):
    """What the tab and the browser keep of the page."""
    return page.script("return [{...sessionStorage}, {...localStorage}, document.cookie, location.href]")


def test_a_token_opens_the_page(guarded, ask):
    """With the keyboard alone; also where a link leads."""
    server, token = guarded
    page = ask(server, link(run="liver-7"))
    assert "asks for a token" in page.text("main") and page.texts("#token-problem") == [""]
    assert page.texts(".run-list a") == [] and "liver-7" not in page.text()
    enter(page, token)
    page.wait(lambda: page.text(".run-name") == "liver-7")
    session, local, cookie, address = stores(page)
    assert list(session.values()) == [token] and local == {} and cookie == ""
    assert token not in address and "run=liver-7" in address
    assert all(token not in url for url in page.requests())
    page.driver.refresh()
    page.wait(lambda: page.text(".run-name") == "liver-7")


def test_a_wrong_token_gets_the_servers_words(guarded, ask):
    server, token = guarded
    page = ask(server)
    wrong = create(server.data, "ingest")
    for text, words in ((token[:-1] + ("A" if token[-1] != "A" else "B"), "cut or mistyped"), (wrong, "lacks the scope read"),
                        ("päss wörd", "neither blanks")):
        enter(page, text)
        page.wait(lambda: words in page.text("#token-problem"))
        assert page.find("#token").get_attribute("aria-invalid") == "true"
        assert stores(page)[:2] == [{}, {}]
        page.press(Keys.BACKSPACE)
    enter(page, token)
    page.wait(lambda: page.texts(".run-list .name") == ["liver-7"])


def test_a_token_is_forgotten(guarded, ask):
    """Nothing of what it showed stays, and the "back" button does not bring it back."""
    server, token = guarded
    page = ask(server, link(run="liver-7"))
    enter(page, token)
    page.wait(lambda: page.text(".run-name") == "liver-7")
    assert not page.find("#forget").get_attribute("hidden") and page.find("#forget").text == "Forget token"
    page.find("#forget").click()
    page.wait(lambda: page.texts("form.token") and page.focused()[0] == "INPUT")
    assert stores(page) == [{}, {}, "", server.url + "/"] and "liver-7" not in page.text()
    page.driver.back()
    page.driver.forward()
    page.wait(lambda: page.texts("form.token"))
    assert "liver-7" not in page.text()


def test_a_token_that_is_revoked_closes_the_page(guarded, ask):
    server, token = guarded
    page = ask(server)
    enter(page, token)
    page.wait(lambda: page.texts(".run-list .name") == ["liver-7"])
    command(server.data, "revoke", identity(token))
    page.wait(lambda: "was revoked" in page.text("#token-problem"))
    assert stores(page)[0] == {} and page.text(".run-name") == ""
    before = len(page.requests())
    page.script("document.dispatchEvent(new Event('visibilitychange'))")
    assert len(page.requests()) == before, "it asks nothing while it has no token"


def test_a_server_without_tokens_asks_for_none(start, visit):
    server = start()
    page = visit(server)
    page.wait(lambda: "Nothing is stored yet" in page.text("main"))
    assert page.texts("form.token") == [] and page.find("#forget").get_attribute("hidden")
    assert "Authorization" not in page.text("main")
    assert page.texts("footer a")[:2] == ["API", "Metrics"] and page.find("footer a").is_displayed()


def test_an_empty_server_with_tokens_shows_how_to_send_one(start, ask):
    server = start()
    page = ask_token(ask, server, create(server.data, "read"))
    page.wait(lambda: "Nothing is stored yet" in page.text("main"))
    assert "Authorization: Bearer $MASKMETER_TOKEN" in page.text("main")
    assert not page.find("footer a").is_displayed(), "a link cannot send a token"


def ask_token(ask, server, token):
    page = ask(server)
    enter(page, token)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width, height", [(1280, 900), (375, 800)])
def test_the_form_is_for_everybody(guarded, ask, axe, scheme, width, height):
    """axe-core finds nothing, and a phone shows it whole."""
    server, _ = guarded
    page = ask(server, width=width, height=height, scheme=scheme)
    assert page.script("return document.querySelector('label[for=token]').textContent") == "Access token"
    assert page.sideways() <= 0
    enter(page, "mm_wrong")
    page.wait(lambda: page.text("#token-problem"))
    page.script(axe)
    found = page.driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
