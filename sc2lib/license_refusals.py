"""Notices that forbid: how a text says that nobody may copy the code.

The word "proprietary" alone mostly speaks of other people's software, "all rights reserved" stands in most BSD texts,
and a licence that permits forbids something, too ("no commercial use of the name"). So it matters where a phrase
stands. In running text a sentence must say what is forbidden (`PROPRIETARY`), or two refusals must follow each other
(`REFUSALS`). Below a heading "License", as a whole text, and as the licence field of a package's metadata one refusal
is enough, and there a mere reservation of rights is an answer, too. All patterns run on RE2, in linear time.
"""

from typing import Any

import re2

PROPRIETARY = re2.compile(
    rb"(?i)\b(?:proprietary\W+(?:and\W+)?confidential|confidential\W+(?:and\W+)?proprietary"
    rb"|(?:this|our|the|all)\W+(?:source\W+)?(?:code|software|program|project|repository|package|library)\W+is\W+"
    rb"(?:(?:private|strictly|proprietary)\W+(?:and\W+)?)?"
    rb"(?:proprietary|confidential|closed\W+source|not\W+open\W+source)"
    rb"|unauthori[sz]ed\W+copying\W+of\W+this\W+(?:file|software|program|code|project|repository)"
    rb"|non\W?commercial\W+(?:use|usage|purposes?)\W+only"
    rb"|(?:only|free|available|licensed)\W+for\W+(?:personal\W+|academic\W+)?(?:and\W+|or\W+)?"
    rb"non\W?commercial\W+(?:use|usage|purposes?)"
    rb"|not\W+(?:licensed\W+|available\W+)?for\W+commercial\W+use|no\W+commercial\W+use[ \t]*[.;!\n]"
    rb"|redistribution(?:\W+(?:and|or|use|modification|in|of|source|binary|forms?|with|without|the|this|software))*\W+"
    rb"(?:is|are)\W+not\W+permitted|permission\W+is\W+hereby\W+not\W+granted"
    rb"|may\W+not\W+(?:copy|modify|merge|publish|(?:re)?distribute|sublicense)\W+"
    rb"(?:(?:or\W+)?(?:copy|modify|merge|publish|(?:re)?distribute|sublicense)\W+){1,9}(?:the|this|any|it)"
    rb"(?:\W+\w+\W*\.|[^.;]{0,120}\Wwithout)"
    rb"|all\W+rights\W+reserved\W+(?:no\W+(?:permission|licen[sc]e|part|rights?)|you\W+may\W+not|unauthori[sz]ed"
    rb"|do\W+not\W+(?:use|copy|(?:re)?distribute))"
    rb"|not\W+be\W+used\W+for\W+(?:any\W+)?commercial\W+(?:use|purposes?)"
    rb"|does\W+not\W+grant\W+to\W+you\W+the\W+right\W+to\W+sell\W+the\W+software"  # the Commons Clause
    rb"|this\W+is\W+(?:closed|not\W+open)\W+source"
    rb"|(?:this|our)\W+(?:source\W+)?(?:code|software|program|project|repository)\W+"
    rb"(?:is\W+the\W+(?:\w+\W+)?property\W+of[^;]{0,80}\Wand\W+)?(?:may|must)\W+not\W+be\W+"
    rb"(?:(?:or\W+)?(?:used|copied|modified|reproduced|(?:re)?distributed|disclosed)\W+)+"
    rb"(?:in\W+whole\W+or\W+in\W+part\W+)?without\W[^.;]{0,60}"
    rb"(?:permission|consent|authori[sz]ation))(?:\b|\W|$)"
)

_ACTION = rb"(?:use|copy|modify|reproduce|publish|disclose|(?:re)?distribute)"
_ACTING = rb"(?:unauthori[sz]ed\s+)?(?:any\s+)?(?:use|copying|reproduction|disclosure|(?:re)?distribution|modification)"
_OURS = rb"(?:this|the|our|it|any|source|code|software|program|project|repository|file|material)"
_AND = rb"(?:\s*[,/]\s*|\s+)(?:(?:or|and)\s+)?"
_RESERVATION = (
    rb"(?:all\s+rights?\s+reserved|todos\s+los\s+derechos\s+reservados|tous\s+droits\s+r\x{e9}serv\x{e9}s"
    rb"|alle\s+rechte\s+vorbehalten)"
)
_STATEMENT = (
    rb"(?:(?:this\s+is\s+)?(?:strictly\s+|company\s+)?(?:proprietary|confidential)"
    rb"(?:\s+(?:software|code|project|program|information|licen[sc]e))?"
    rb"|(?:strictly\s+)?(?:for\s+)?(?:company\s+)?internal\s+use(?:\s+(?:at|by|in|within)\s+[\w ]{1,40}?)?(?:\s+only)?"
    rb"|(?:this\s+is\s+)?(?:closed|not\s+open)[\s-]+source(?:\s+(?:software|code|project))?"
    rb"|not\s+for\s+(?:public\s+)?(?:re)?(?:distribution|release)"
    rb"|no\s+(?:licen[sc]e|permission|rights?)\s+(?:is|are)\s+granted"
    rb"|(?:a\s+)?trade\s+secrets?(?:\s+of\s+[^.\n]{1,60})?"
    rb"|" + _ACTING + rb"(?:" + _AND + _ACTING + rb")*(?:\s+of\s+this\s+\w+)?"
    rb"(?:,?\s+(?:in\s+whole\s+or\s+in\s+part|via\s+any\s+medium),?)?(?:\s+without\s+[^.;\n]{1,80})?"
    rb"(?:\s+(?:is|are))?\s+(?:strictly\s+|expressly\s+)?(?:prohibited|forbidden|not\s+allowed)"
    rb"(?:\s+without\s+[^.;\n]{1,80})?)"
)
_ORDER = rb"(?:(?:please\s+)?do\s+not\s+" + _ACTION + rb"(?:" + _AND + rb"(?:" + _ACTION + rb"|" + _OURS + rb"))*)"
_REFUSAL = rb"(?:" + _STATEMENT + rb"|" + _ORDER + rb")"
# Said of a whole repository they refuse; in running text they speak of something else.
_REFUSAL_ALONE = (
    rb"(?:" + _REFUSAL + rb"|unlicensed|private(?:\s+(?:code|repository|project|software))?"
    rb"|commercial(?:\s+(?:software|licen[sc]e))?|other/proprietary(?:\s+licen[sc]e)?)"
)
_COPYRIGHT = rb"(?:(?:copyright\b|\x{a9}|\(c\))[^\n]{0,100}?)"
_APART = rb"[\s.,;:!*_/()-]+"
_NEXT = rb"(?:[ \t.,;:!*_/()-]+\n?|\n)[ \t#>*/;-]*"  # in the same paragraph
_BEGIN = rb"(?:^[ \t#>*_=/;-]*|[.!]\s+)"
_END = rb"(?:[.!]?[*_ \t]*$|[.!]\s)"
_TRAIN = rb"(?:(?:" + _COPYRIGHT + _APART + rb")?" + _RESERVATION + _APART + rb")?"

_HEADING = rb"(?im)^\W*licen[sc](?:e|ing)\W*\n+[-=~^#*\s]*"
_MORE = rb"(?:" + _APART + rb"(?:" + _REFUSAL_ALONE + rb"|" + _RESERVATION + rb"))*"
_PAIR = _BEGIN + _STATEMENT + rb"(?:" + _NEXT + _REFUSAL + rb")+"

REFUSALS = re2.compile(rb"(?im)(?:" + _PAIR + rb"|" + _RESERVATION + _NEXT + _REFUSAL + rb")" + _END)
HEADED_REFUSAL = re2.compile(_HEADING + rb"(" + _TRAIN + _REFUSAL_ALONE + _MORE + rb")" + _END)
_HEADED_RESERVATION = re2.compile(_HEADING + _COPYRIGHT + rb"?[\s.,;:-]*" + _RESERVATION)
_WHOLE_REFUSAL = re2.compile(rb"(?i)\W*" + _TRAIN + _REFUSAL_ALONE + _MORE + rb"\W*")
_ANY_RESERVATION = re2.compile(rb"(?i)\b" + _RESERVATION)
_WHOLE_RESERVATION = re2.compile(rb"(?i)\W*(?:" + _COPYRIGHT + rb"\W+)?" + _RESERVATION + rb"\W*")


def is_refusal(text: str) -> bool:
    """Whether a whole text does nothing but forbid: ``Proprietary``, ``Confidential - internal use only``."""
    return _full(_WHOLE_REFUSAL, text)


def is_reservation(text: str) -> bool:
    """Whether a whole text only reserves all rights, with or without a line of copyright before it."""
    return _full(_WHOLE_RESERVATION, text)


def reserves(text: str) -> bool:
    """Whether all rights are reserved somewhere: an answer in a licence file that says nothing more."""
    return _ANY_RESERVATION.search(text.encode("utf-8", "replace")) is not None


def reserves_below_heading(text: str) -> bool:
    """Whether a heading "License" has a reservation of all rights below it."""
    return _HEADED_RESERVATION.search(text.encode("utf-8", "replace")) is not None


def _full(pattern: Any, text: str) -> bool:
    return pattern.fullmatch(text.encode("utf-8", "replace")) is not None
