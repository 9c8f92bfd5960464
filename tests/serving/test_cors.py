"""Pages of other hosts may read responses where an option says so."""

import httpx
import pytest

from penstock.cli import main
from tests.serving.server_process import serving
from tests.serving.tiny_models import INFER, QUESTION

PAGE = "https://example.org"
ASKED = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}
ALLOWED = "access-control-allow-origin"


@pytest.fixture(scope="module")
def served(folder):
    options = [str(folder), "--cors-origin", PAGE, "--cors-origin", "HTTP://other:8080"]
    with serving(folder, *options, PENSTOCK_TOKEN="a secret") as running:
        yield running


def infer(served, origin, token="a secret"):
    headers = {"Origin": origin, "Authorization": f"Bearer {token}"}
    return httpx.post(f"{served.url}{INFER}", json=QUESTION, headers=headers)


@pytest.mark.parametrize("origin", [PAGE, "http://other:8080"])
@pytest.mark.parametrize(("token", "status"), [("a secret", 200), ("wrong", 401)])
def test_pages_of_the_origins_may_read_responses_and_errors(served, origin, token, status):
    response = infer(served, origin, token)
    assert (response.status_code, response.headers[ALLOWED], response.headers["vary"]) == (status, origin, "origin")


def test_other_pages_may_not(served):
    response = infer(served, "https://example.com")
    assert response.status_code == 200
    assert ALLOWED not in response.headers
    assert response.headers["vary"] == "origin"


def test_a_preflight_needs_no_token(served):
    response = httpx.options(f"{served.url}{INFER}", headers=ASKED)
    assert (response.status_code, response.headers[ALLOWED]) == (200, PAGE)
    assert "POST" in response.headers["access-control-allow-methods"]
    assert response.headers["access-control-allow-headers"] == ASKED["Access-Control-Request-Headers"]


def test_only_a_preflight_needs_no_token(served):
    assert httpx.post(f"{served.url}{INFER}", json=QUESTION, headers=ASKED).status_code == 401
    assert httpx.options(f"{served.url}{INFER}", headers={"Origin": PAGE}).status_code == 401


def test_files_of_the_page_do_not_collect_headers(served):
    for _ in range(2):
        response = httpx.get(f"{served.url}/docs", headers={"Origin": PAGE, "Accept-Encoding": "identity"})
        assert response.headers.get_list(ALLOWED) == [PAGE]


def test_a_star_allows_all_pages(folder):
    with serving(folder, str(folder), "--cors-origin", "*") as running:
        assert infer(running, "https://example.com").headers[ALLOWED] == "*"


def test_no_page_is_allowed_without_the_option(folder):
    with serving(folder, str(folder)) as running:
        assert ALLOWED not in infer(running, PAGE).headers
        assert httpx.options(f"{running.url}{INFER}", headers=ASKED).status_code == 405


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/page", "null"])
def test_an_origin_is_a_scheme_and_a_host(capsys, origin):
    with pytest.raises(SystemExit):
        main(["serve", "--cors-origin", origin])
    assert f"expected an origin such as https://example.org, or *, not '{origin}'" in capsys.readouterr().err
