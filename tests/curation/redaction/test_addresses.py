import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.curation.redaction.addresses import PUBLIC_RESOLVERS, PUBLIC_RESOLVERS_IPV6, find_emails, find_ip_addresses


def emails(text):
    return [text[span.start : span.end] for span in find_emails(text)]


def addresses(text):
    return [text[span.start : span.end] for span in find_ip_addresses(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# Author: David Goodger <goodger@python.org>\n", ["goodger@python.org"]),
        ("mailto:a.b+c_d@sub.example.co.uk, x@y-z.de.", ["a.b+c_d@sub.example.co.uk", "x@y-z.de"]),
        ("größe müller@x.de, hans@müller-gmbh.de", ["müller@x.de", "hans@müller-gmbh.de"]),
        ("Größe mu\u0308ller@x.de", ["mu\u0308ller@x.de"]),  # the umlaut as two characters
        ("почта иван@почта.рф", ["иван@почта.рф"]),
        ("联系me@host.org联系", ["me@host.org"]),  # a script without blanks
        ("contact: ventas@empresa.com.py for info", ["ventas@empresa.com.py"]),
        ("*jane.doe@acme.org* or _jane.doe@acme.org_", ["jane.doe@acme.org"] * 2),
        ("jane.doe@acme.org(work), see jane.doe@acme.org[1]", ["jane.doe@acme.org"] * 2),
        ("__author__ = 'me@host.org'", ["me@host.org"]),
        ("mailto:jane%40acme.org?cc=bob%2Bx%40acme.org", ["jane%40acme.org", "bob%2Bx%40acme.org"]),
        ("%3Cjane%40acme.org%3E and %3Cjane@acme.org%3E", ["jane@acme.org", "jane%40acme.org"]),
        ("jane&#64;acme.org, jane&#x40;acme.org", ["jane&#64;acme.org", "jane&#x40;acme.org"]),
        (r'"jane\u0040acme.org"', [r"jane\u0040acme.org"]),
        (r'"\u003cjane@acme.org\u003e"', ["jane@acme.org"]),
        (r"'jane@acme.org\nbob@acme.org'", ["jane@acme.org", "bob@acme.org"]),
        (r"C:\\nbob@acme.org", ["nbob@acme.org"]),
        ("jane [at] acme [dot] org", ["jane [at] acme [dot] org"]),
        ("<jane.doe(at)mail.acme.co.uk>", ["jane.doe(at)mail.acme.co.uk"]),
        ("Jane <jane <at> acme.org>", ["jane <at> acme.org"]),
        ("(jane at acme dot org, bob dot lee at acme dot de)", ["jane at acme dot org", "bob dot lee at acme dot de"]),
        ("# bob DOT lee AT acme-lab DOT fr", ["bob DOT lee AT acme-lab DOT fr"]),
        (":contact: jane_at_acme_dot_edu", ["jane_at_acme_dot_edu"]),
        ("Jane Doe (jane AT acme.org)", ["jane AT acme.org"]),
        ("jane (at) cse.iitx.ac.in", ["jane (at) cse.iitx.ac.in"]),
        ("Jane Doe <jane at acme.org>", ["jane at acme.org"]),
        ("Jane {at} tuwien.ac.at: jane{at}tuwien.ac.at", ["Jane {at} tuwien.ac.at", "jane{at}tuwien.ac.at"]),
    ],
)
def test_emails_are_found(text, found):
    assert emails(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "url = git@github.com:a/b.git",
        "git+ssh://git@github.com/a/b.git",
        "https://registry.npmjs.org/is-odd%403.0.1.tgz",
        "/npm/%40angular/core, left-pad%401.3.0, a%40scope.js",
        "icon@2x.png, logo@3x.ai",
        "python run@night.py",
        "y = x@weights.transpose",
        "y = x@self.layer.weight.data",
        "y = x@layer.weight(1)",
        "y = x@w.to(device) + x@w.at[0]",
        "y = x@w.is_cuda",
        "@app.route",
        "user@localhost",
        "npm install left-pad@1.3.0",
        "a@b@c.de_f",
        "for name in dir(at) if at else ()",
        "tokens[at] first.is_last(x), x[at] y.de(z)",
        "stop at first dot after the last separator, or at the dot in it",
        "find us at acme dot com",
        "the docs at acme.org, <see at> acme.org",
        "look at <this at all.very>",
        "SELECT x AT TIME ZONE utc",
    ],
)
def test_what_only_looks_like_an_email_is_left(text):
    assert emails(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"PublicIp": "70.224.234.241"', ["70.224.234.241"]),
        ("ssh root@185.60.216.35:22", ["185.60.216.35"]),
        ("server 4.4.4.7 and server 5.5.5.7", ["4.4.4.7", "5.5.5.7"]),
        ("http://12.34.56.78:5432/", ["12.34.56.78"]),
        ("<!-- 4.4.2.110 -->", ["4.4.2.110"]),
        ('remote_addr == "185.60.216.35"', ["185.60.216.35"]),
        ('if (ip === "185.60.216.35")', ["185.60.216.35"]),
        ('ip != "12.34.56.78" or peer == "5.60.21.135"', ["12.34.56.78", "5.60.21.135"]),
        ('ip >= "185.60.216.35"', ["185.60.216.35"]),
        ("remote_ip==5.60.21.135", ["5.60.21.135"]),
        ("release_host=52.8.19.58", ["52.8.19.58"]),
        ('version_server = "5.60.21.135"', ["5.60.21.135"]),
        ('v = "5.60.21.135"', ["5.60.21.135"]),
        ('version = "185.60.216.35"', ["185.60.216.35"]),  # two numbers of 100 and more number nothing
        ("ws://[2a03:4000:123:83::3]:8080/r", ["2a03:4000:123:83::3"]),
        ("from 2620:0:1CFE:face:b00c::3: ok", ["2620:0:1CFE:face:b00c::3"]),
    ],
)
def test_public_addresses_are_found(text, found):
    assert addresses(text) == found


@pytest.mark.parametrize(
    "text",
    [
        *sorted(PUBLIC_RESOLVERS | PUBLIC_RESOLVERS_IPV6),
        "2001:4860:4860:0:0:0:0:8888",
        "127.0.0.1 10.1.2.3 192.168.1.1 172.16.0.1 0.0.0.0 255.255.255.0 224.0.0.1 169.254.169.254",
        "192.0.2.1 198.51.100.7 203.0.113.9",  # reserved for documentation
        "256.1.1.1 1.2.3.400 01.2.3.4.5",
        'OID = ObjectIdentifier("2.5.29.21")',
        'ED25519 = ObjectIdentifier("1.3.101.112")',
        "1.3.6.1.4.1.311",
        "version = 12.4.99.1",
        "torch==11.5.90.1",
        "CUDA v11.8.89.2",
        "httpx==0.27.0.102",
        "jupyter_server>=1.13.5.1",
        "needs openssl >= 1.0.2.104",
        "release 4.6.0.127 of the server",
        "see v. 4.6.0.127",
        "AssemblyVersion(1.2.3.4)",
        "the tuple 1.2.3.4 is short",
        "<!-- 4.4.2.10 compose -->",
        "# using Guile 3.0.5.30-5a1e7",
        "2001:db8::1 fe80::1 ::1 std::vector abc::def 12:34:56 2400:1",
        "x2a03:4000:123:83::3",
    ],
)
def test_what_is_no_public_address_is_left(text):
    assert addresses(text) == []


@given(st.ip_addresses())
def test_the_standard_library_decides_what_is_public(address):
    text = f"server [{address}] "
    routed = address.version == 4 or address in ipaddress.ip_network("2000::/3")
    known = PUBLIC_RESOLVERS | PUBLIC_RESOLVERS_IPV6
    public = address.is_global and not address.is_multicast and routed and str(address) not in known
    assert addresses(text) == ([str(address)] if public else [])
