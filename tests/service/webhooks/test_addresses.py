"""Which URLs are taken at all: the static half of the guard."""

from ipaddress import ip_address

import pytest

from service.errors import Invalid
from service.webhooks.addresses import check_url, may_connect, url_rules

STRICT = url_rules()
LOOPBACK = url_rules(allow_networks=["127.0.0.0/8", "::1/128"])


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/path?key=1",
        "https://hooks.example.com:443/",
        "https://xn--bcher-kva.example/",
        "https://bücher.example/",
        "https://8.8.8.8/",
        "https://[2001:4860:4860::8888]/",
        "https://a_b.example.com./",
    ],
)
def test_a_public_https_url_is_taken_as_it_is(url: str) -> None:
    assert check_url(url, rules=STRICT) == url


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://hooks.example.com/", "url_not_allowed"),
        ("https://hooks.example.com:8443/", "url_not_allowed"),
        ("https://localhost/", "url_not_allowed"),
        ("https://localhost./", "url_not_allowed"),
        ("https://db.internal/", "url_not_allowed"),
        ("https://metadata.google.internal/", "url_not_allowed"),
        ("https://printer.local/", "url_not_allowed"),
        ("https://redis/", "url_not_allowed"),
        ("https://127.0.0.1/", "url_not_allowed"),
        ("https://10.1.2.3/", "url_not_allowed"),
        ("https://192.168.0.1/", "url_not_allowed"),
        ("https://169.254.169.254/latest/meta-data/", "url_not_allowed"),
        ("https://100.64.0.1/", "url_not_allowed"),
        ("https://100.100.100.200/", "url_not_allowed"),
        ("https://168.63.129.16/", "url_not_allowed"),
        ("https://192.0.0.192/", "url_not_allowed"),
        ("https://192.88.99.1/", "url_not_allowed"),
        ("https://0.0.0.0/", "url_not_allowed"),
        ("https://224.0.0.1/", "url_not_allowed"),
        ("https://255.255.255.255/", "url_not_allowed"),
        ("https://[::1]/", "url_not_allowed"),
        ("https://[::]/", "url_not_allowed"),
        ("https://[::ffff:127.0.0.1]/", "url_not_allowed"),
        ("https://[::ffff:8.8.8.8]/", "url_not_allowed"),
        ("https://[::127.0.0.1]/", "url_not_allowed"),
        ("https://[64:ff9b::7f00:1]/", "url_not_allowed"),
        ("https://[64:ff9b:1::1]/", "url_not_allowed"),
        ("https://[2002:7f00:1::]/", "url_not_allowed"),
        ("https://[2001::1]/", "url_not_allowed"),
        ("https://[fd00:ec2::254]/", "url_not_allowed"),
        ("https://[fe80::1]/", "url_not_allowed"),
        ("https://[ff02::1]/", "url_not_allowed"),
        ("https://[2001:db8::1]/", "url_not_allowed"),
        ("https://[3fff::1]/", "url_not_allowed"),
        ("https://2130706433/", "invalid_url"),
        ("https://0x7f000001/", "invalid_url"),
        ("https://0x7f.1/", "invalid_url"),
        ("https://017700000001/", "invalid_url"),
        ("https://127.1/", "invalid_url"),
        ("https://127.0.0.1./", "invalid_url"),
        ("https://127.0.0.01/", "invalid_url"),
        ("https://127.0.0.1.:443/", "invalid_url"),
        ("https://\uff11\uff12\uff17.0.0.1/", "invalid_url"),  # full-width digits
        ("https://user:pw@hooks.example.com/", "invalid_url"),
        ("https://hooks.example.com@127.0.0.1/", "invalid_url"),
        ("https://hooks.example.com\\@127.0.0.1/", "invalid_url"),
        ("https://hooks.example.com/#x", "invalid_url"),
        ("https://hooks.example.com:99999/", "invalid_url"),
        ("https://hooks.example.com:0/", "invalid_url"),
        ("https://hooks.exa mple.com/", "invalid_url"),
        ("https://hooks.example.com/\r\nx: y", "invalid_url"),
        ("https://ex%61mple.com/", "invalid_url"),
        ("https:///path", "invalid_url"),
        ("//hooks.example.com/", "invalid_url"),
        ("hooks.example.com", "invalid_url"),
        ("file:///etc/passwd", "invalid_url"),
        ("gopher://hooks.example.com/", "invalid_url"),
        ("https://hooks.example.com/" + "a" * 2000, "invalid_url"),
        ("", "invalid_url"),
    ],
)
def test_any_other_url_is_refused(url: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_url(url, rules=STRICT)
    assert caught.value.code == code
    assert caught.value.faults[0].pointer == "/url"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000/hook", "https://127.8.8.8/", "http://[::1]:9000/"]
)
def test_a_literal_of_an_allowed_network_may_use_any_port_without_tls(url: str) -> None:
    assert check_url(url, rules=LOOPBACK) == url


@pytest.mark.parametrize(
    "url", ["http://localhost:9000/", "http://10.0.0.1/", "http://[::ffff:127.0.0.1]/"]
)
def test_allowing_one_network_opens_no_other_way_to_it(url: str) -> None:
    with pytest.raises(Invalid):
        check_url(url, rules=LOOPBACK)


def test_other_ports_can_be_opened() -> None:
    rules = url_rules(ports=[443, 8443])
    assert check_url("https://hooks.example.com:8443/", rules=rules)


def test_a_setting_that_is_no_network_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match="TUNECURVE_WEBHOOK_ALLOW_NETWORKS"):
        url_rules(allow_networks=["127.0.0.1/8"])


@pytest.mark.parametrize("written", ["127.0.0.1:9000", " 127.0.0.0/8:9000 ", "[::1]:9000"])
def test_one_port_of_a_private_address_is_allowed_and_no_other(written: str) -> None:
    rules = url_rules(allow_networks=[written])
    host = "[::1]" if "[" in written else "127.0.0.1"
    address = ip_address(host.strip("[]"))

    assert check_url(f"http://{host}:9000/", rules=rules)
    assert may_connect(address, 9000, rules)
    assert not may_connect(address, 9001, rules)
    with pytest.raises(Invalid):
        check_url(f"http://{host}:9001/", rules=rules)


@pytest.mark.parametrize("written", ["127.0.0.1:0", "127.0.0.1:70000", "host:80", "[::1]", ":80"])
def test_what_is_no_network_and_port_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(Invalid, match=r"127\.0\.0\.1:9000"):
        url_rules(allow_networks=[written])
