"""E-mail and IP addresses in text: pattern, then the conditions that tell an address from what looks like one.

All patterns run in RE2, whose time is linear in the text. Source: bigcode-project/bigcode-dataset.
"""

import ipaddress
import re
from collections.abc import Iterator

from sc2lib.curation.redaction.spans import Span, compile_linear

# Letters of the scripts that have capitals. Others run on without blanks: 「联系me@host.org」 has an address of ASCII.
_LETTER = r"\p{Latin}\p{Greek}\p{Cyrillic}0-9"
EMAIL = compile_linear(
    rf"[{_LETTER}][{_LETTER}\p{{M}}._%+'-]*"
    rf"@((?:[{_LETTER}](?:[{_LETTER}\p{{M}}-]*[{_LETTER}\p{{M}}])?\.)+)([\p{{Latin}}\p{{Greek}}\p{{Cyrillic}}]{{2,24}})"
)
# The same with its @ escaped, as in a URL, in HTML or in JSON. What stands before may end in an escape of its own.
ESCAPED_EMAIL = compile_linear(
    r"(?:%[0-9A-Fa-f]{2})?([A-Za-z0-9](?:[A-Za-z0-9._+-]|%2[BDEbde]|%5[Ff])*"
    r"(?:%40|&#64;|&#x40;|\\u0040)((?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+)([A-Za-z]{2,24}))"
)
# The same in words, for people: "jane [at] acme.org", "jane at acme dot org", "jane AT acme.org", "<jane at acme.org>".
_LOCAL = r"[A-Za-z0-9][A-Za-z0-9._+-]*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_AT, _DOT = (rf" ?[\[({{<] ?{word} ?[\])}}>] ?" for word in ("at", "dot"))
_ENDING = r"([A-Za-z]{2,24})"
SPELT_EMAILS = tuple(
    compile_linear(expression)
    for expression in (
        rf"(?i)({_LOCAL}(?:(?: dot |{_DOT})[A-Za-z0-9_+-]+)*{_AT}((?:{_LABEL}(?:\.| dot |{_DOT}))+){_ENDING})",
        rf"(?i)({_LOCAL}(?: dot [A-Za-z0-9_+-]+)*[ _]at[ _]((?:{_LABEL}[ _]dot[ _])+){_ENDING})",
        r"([a-z0-9][a-z0-9._+-]* AT ((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+)([a-z]{2,24}))",
        rf"(?i)<({_LOCAL} at ((?:{_LABEL}\.)+){_ENDING})>",
    )
)
# What every escaped or spelt address has. One look for all of it costs 1.1 ns a character, a look for each 0.5.
_CUE = compile_linear(
    r"(?i:%40|&#64;|&#x40;|\\u0040|[\[({<] ?at ?[\])}>]|[ _]at[ _][a-z0-9-]+[ _]dot[ _]|<[a-z0-9._+-]+ at )"
    r"|[a-z0-9] AT [a-z0-9]"
)
_CHARACTER = compile_linear(rf"[{_LETTER}]")
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[nrtbfv])|%[0-9A-Fa-f]{2}")
IPV4 = compile_linear(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
IPV6 = compile_linear(r"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{1,34}")  # 2000::/3 is all that is routed

# What follows the last dot of decorators, matrix products and file names, never of an address.
_ENDINGS = """
    conjugate cpp css csv data dot gif html inv jit jpeg jpg js json min pkl png shape star sum svg transpose ts txt utf
    webp yaml yml
"""
NOT_A_DOMAIN = frozenset(_ENDINGS.split())
NOT_BEHIND_ONE_LABEL = frozenset(["py"])  # Paraguay's addresses are those of com.py, edu.py and so on
_FOR_FINE_SCREENS = compile_linear(r"^[1-9]x\.$")  # "icon@2x.png", whatever the ending

# Endings that a bracket or an underscore may follow: domains, without the methods of tensors among them, at, ge, gt,
# lt, mm, mt, mv, ne and to ("x@w.to(device)").
_DOMAINS = """
    ac ad ae af ag ai al am ao aq ar as au aw ax az ba bb bd be bf bg bh bi biz bj bm bn bo br bs bt bw by bz ca cc cd
    cf cg ch ci ck cl cm cn co com coop cr cu cv cw cx cy cz de dev dj dk dm do dz ec edu ee eg er es et eu fi fj fk fm
    fo fr ga gb gd gf gg gh gi gl gm gn gov gp gq gr gs gu gw gy hk hm hn hr ht hu id ie il im in info int io iq ir is
    it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lu lv ly ma mc md me mg mh mil mk ml mn mo mp
    mq mr ms mu mw mx my mz na name nc net nf ng ni nl no np nr nu nz om org pa pe pf pg ph pk pl pm pn pr pro ps pt pw
    py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn tr
    tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws xyz ye yt za zm zw
"""
DOMAINS = frozenset(_DOMAINS.split())
# Of an address in words, where no tensor has a method; and those that behind " dot " go on with a sentence.
SPELT_DOMAINS = DOMAINS | frozenset(["at", "ge", "gt", "lt", "mm", "mt", "ne", "to"])
_GO_ON = frozenset(["am", "as", "at", "by", "do", "in", "is", "me", "my", "no", "so", "to"])
_NOBODY = frozenset(["available", "found", "here", "him", "hosted", "it", "look", "me", "online", "site", "them", "us"])
_NO_HOST = frozenset(["a", "an", "any", "each", "every", "first", "last", "one", "that", "the", "this", "your"])
_WORD = re.compile(r"[A-Za-z0-9]+")

_RESOLVERS = """
    8.8.8.8 8.8.4.4 1.1.1.1 1.0.0.1 76.76.19.19 76.223.122.150 9.9.9.9 149.112.112.112 208.67.222.222 208.67.220.220
    8.26.56.26 8.20.247.20 94.140.14.14 94.140.15.15
"""
PUBLIC_RESOLVERS = frozenset(_RESOLVERS.split())
# The same services by IPv6, in the shortest spelling; the paper's code lists none.
_RESOLVERS_IPV6 = """
    2001:4860:4860::8888 2001:4860:4860::8844 2606:4700:4700::1111 2606:4700:4700::1001 2620:fe::fe 2620:fe::9
    2620:119:35::35 2620:119:53::53 2a10:50c0::ad1:ff 2a10:50c0::ad2:ff
"""
PUBLIC_RESOLVERS_IPV6 = frozenset(_RESOLVERS_IPV6.split())

_ADDRESS_WORDS = compile_linear(
    r"(?i)(?:\b|_)"
    r"(?:addr|address|connect|dns|gateway|host|https?|ip|ipv4|listen|node|peer|ping|proxy|server|socket|subnet|url)"
)
# A word that numbers things, and what stands between it and the number.
_NUMBERED = compile_linear(r"(?i)(?:version|release|section|chapter)([^\n]{0,12})$")
_IDENTIFIED = compile_linear(r"(?i)(?:identifier|\boid)[^\n]{0,12}$")
_V = compile_linear(r"(?i)\bv(?:er)?[.:]?\s{0,2}$")
_COMPARISON = compile_linear(r"[=~><!]=\s{0,3}$")  # with a quote it compares texts, which addresses are
_PIN = compile_linear(r"[\w\])](?:={2,3}|[~><!]=)$")  # name==1.2.3.4
_ADDRESS_PIN = compile_linear(
    r"(?i)(?:^|[^\w-])(?:\w*addr(?:ess)?|(?:\w*_)?(?:host|ip)|peer|server)(?:={2,3}|[~><!]=)$"
)


def find_emails(text: str) -> Iterator[Span]:
    """E-mail addresses. A file name, an attribute, a call and the user of ``git@host`` are none."""
    if "@" in text:
        yield from _plain_emails(text)
    if _CUE.search(text):
        yield from _escaped_emails(text)
        yield from _spelt_emails(text)


def _plain_emails(text: str) -> Iterator[Span]:
    for match in EMAIL.finditer(text):
        start, end = match.span()
        start += _length_of_escape(text, start)
        labels, ending = match.group(1), match.group(2).lower()
        follows = text[end : end + 2]
        if ending in NOT_A_DOMAIN or _FOR_FINE_SCREENS.match(labels):
            continue
        if ending in NOT_BEHIND_ONE_LABEL and labels.count(".") == 1:
            continue
        if follows[:1] == "@" or (follows[:1].isalnum() and _CHARACTER.match(follows)):
            continue
        if follows[:1] in ("_", "(", "[") and (ending not in DOMAINS or (follows[0] == "_" and follows[1:].isalnum())):
            continue
        if text[start : start + 4] == "git@" and (follows[:1] == ":" or text[max(start - 3, 0) : start] == "://"):
            continue
        yield Span(start, end, "EMAIL", "email")


def _length_of_escape(text: str, start: int) -> int:
    r"""How much of an address is the end of an escape: the n of ``\nme@host.org``, the u003c of ``\u003cme@host.org``.

    It stays, for a lone backslash would break the string that it stands in.
    """
    before = text[max(start - 64, 0) : start]
    escaped = before.endswith("%") or (len(before) - len(before.rstrip("\\"))) % 2 == 1
    match = _ESCAPE.match(text, start - 1, start + 6) if escaped else None
    behind = match.end() - start if match else 0
    return behind if behind and _CHARACTER.match(text, start + behind) else 0


def _escaped_emails(text: str) -> Iterator[Span]:
    """Behind an escaped @ mostly stand versions and scopes of packages, so the ending must be a domain's."""
    for match in ESCAPED_EMAIL.finditer(text):
        start, end = match.span(1)
        labels, ending = match.group(2), match.group(3).lower()
        numbers = all(label.isdigit() for label in labels.split(".") if label)
        if ending in DOMAINS and not numbers and not text[end : end + 1].isalnum():
            yield Span(start, end, "EMAIL", "escaped-email")


def _spelt_emails(text: str) -> Iterator[Span]:
    """Addresses in words; "stop at the first dot in a name" and "find us at acme dot com" are none.

    Not found is what has no sign but the words: "jane at acme.org", outside of <>.
    """
    for expression in SPELT_EMAILS:
        for match in expression.finditer(text):
            start, end = match.span(1)
            local, host = (_WORD.findall(part)[0].lower() for part in match.group(1, 2))
            ending, follows = match.group(3).lower(), text[end : end + 1]
            if ending not in SPELT_DOMAINS or local in _NOBODY or host in _NO_HOST:
                continue
            if ending in _GO_ON and text[match.start(3) - 1] == " ":
                continue
            if (start and text[start - 1].isalnum()) or follows.isalnum() or (follows and follows in "_(["):
                continue
            yield Span(start, end, "EMAIL", "spelt-email")


def find_ip_addresses(text: str) -> Iterator[Span]:
    """Public IP addresses, without well-known resolvers and what is probably a version, section or object number."""
    for match in IPV4.finditer(text):
        start, end = match.span()
        if (
            _stands_alone(text, start, end, ".")
            and is_public_address(match.group())
            and not _is_numbering(text, start, end)
        ):
            yield Span(start, end, "IP_ADDRESS", "ipv4")
    for match in IPV6.finditer(text):
        start, end = match.span()
        if text[end - 1] == ":" != text[end - 2]:  # a colon of the sentence, not of the address
            end -= 1
        if _stands_alone(text, start, end, ":") and is_public_address(text[start:end]):
            yield Span(start, end, "IP_ADDRESS", "ipv6")


def _stands_alone(text: str, start: int, end: int, separator: str) -> bool:
    """Not a part of a longer number, name or dotted sequence such as an object identifier."""
    before, after = text[max(start - 2, 0) : start], text[end : end + 2]
    if before[-1:].isalnum() or after[:1].isalnum() or before[-1:] == "_" or after[:1] == "_":
        return False
    follows = after[:1] == separator and after[1:].isalnum()
    return before[-1:] != separator and not follows


def is_public_address(value: str) -> bool:
    """An address that is routed on the internet and belongs to somebody: no private one, no well-known resolver."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    known = PUBLIC_RESOLVERS if address.version == 4 else PUBLIC_RESOLVERS_IPV6
    return address.is_global and not address.is_multicast and str(address) not in known


def _is_numbering(text: str, start: int, end: int) -> bool:
    """Is it a version, a section or an object identifier? The paper's tagger learns such things from context.

    An object identifier begins with 0, 1 or 2. Two numbers of 100 or more: no, 83% of all addresses have them, versions
    hardly ever. One: yes after a word like "version", in ``name==1.2.3.104``, and after a comparison or "v" unless a
    word like "server" is near. None, which 2% of all addresses have and nearly all versions: yes unless such a word is
    near.
    """
    parts = [int(part) for part in text[start:end].split(".")]
    before = text[max(start - 100, 0) : start]
    if parts[0] <= 2 and _IDENTIFIED.search(before):
        return True
    large = sum(part >= 100 for part in parts)
    if large > 1:
        return False
    numbered = _NUMBERED.search(before)
    if numbered and not _ADDRESS_WORDS.search(numbered.group(1)):  # "release_host" numbers nothing
        return True
    if _PIN.search(before) and not _ADDRESS_PIN.search(before):
        return True
    if _ADDRESS_WORDS.search(before + text[end : end + 100]):
        return False
    return not large or bool(_V.search(before) or _COMPARISON.search(before))
