"""Test that invalid variables of proxies and certificates are named, without passwords."""

import pytest

from penstock.core.errors import ConfigError
from penstock.core.network import open_client, set_variables

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", "need the package socksio"),
        ("all_proxy", "socks5h://127.0.0.1:9", "need the package socksio"),
        ("HTTPS_PROXY", "ftp://proxy", "is not the address of a proxy; write http://HOST:PORT"),
        ("http_proxy", "http://proxy:port", "is not the address of a proxy"),
        ("HTTPS_PROXY", "http://[::", "is not the address of a proxy"),
        ("NO_PROXY", "[::1]", "list hosts and IPv4 networks"),
        ("no_proxy", "host:port", "list hosts and IPv4 networks"),
        ("SSL_CERT_FILE", "/no/file", "No such file or directory; name a PEM file"),
        ("SSL_CERT_FILE", "/dev/null", "name a PEM file"),
        ("SSL_CERT_FILE", "/", "Is a directory; name a PEM file"),
        ("SSLKEYLOGFILE", "/no/file", "No such file or directory; name a writable file"),
    ],
)
def test_invalid_variable_is_named(monkeypatch, name, value, problem):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as raised:
        open_client(1)
    message = str(raised.value)
    assert message.startswith(f"{name}={value}: ")
    assert problem in message
    assert "\n" not in message


def test_invalid_variable_is_told_from_valid_ones(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "localhost,::1,10.0.0.0/8,.example.org")
    open_client(1).close()
    monkeypatch.setenv("ALL_PROXY", "socks4://proxy")
    with pytest.raises(ConfigError, match=r"^ALL_PROXY=socks4://proxy: "):
        open_client(1)


@pytest.mark.parametrize(
    "value", ["http://user:secret@proxy:port", "user:secret@proxy:port", "http://user:se/cret@proxy"]
)
def test_password_of_a_proxy_is_not_shown(monkeypatch, value):
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigError) as raised:
        open_client(1)
    for message in (str(raised.value), set_variables("https://example.org/")):
        assert "HTTPS_PROXY=http://proxy" in message
        assert "se" not in message.partition(";")[0].replace("HTTPS", "")


def test_variables_of_a_connection_are_listed(monkeypatch):
    assert set_variables("https://example.org/") == ""
    monkeypatch.setenv("HTTPS_PROXY", "proxy:3128")
    monkeypatch.setenv("SSL_CERT_DIR", "/no/folder")
    assert set_variables("https://example.org/") == " (HTTPS_PROXY=http://proxy:3128, SSL_CERT_DIR=/no/folder)"
    assert set_variables("http://example.org/") == ""
