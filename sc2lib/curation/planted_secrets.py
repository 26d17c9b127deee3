"""Real files with made-up secrets in known places: what a detector finds of them is its recall.

A secret is drawn from its service's documented format with a seed, so no token is stored anywhere and none is live. It
stands in a line as people write them in a file of that ending. Decoys, which look like secrets and are none, are
planted beside them: digests, identifiers, placeholders, references to a vault. Every label is known by construction.
"""

import random
import re
import string
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

_ALPHABETS = {
    "letter": string.ascii_letters,
    "upper": string.ascii_uppercase,
    "lower": string.ascii_lowercase,
    "digit": string.digits[1:],
    "hex": "0123456789abcdef",
    "base32": string.ascii_uppercase + "234567",
    "plate": string.ascii_uppercase + string.digits,
    "any": string.ascii_letters + string.digits,
    "url": string.ascii_letters + string.digits + "-_",
    "base64": string.ascii_letters + string.digits + "+/",
    "symbol": "!@#*^?",
}
_PIECE = re.compile(r"\[(\w+) (\d+)\]")

# Tokens that say by themselves what they are: the format that each service documents.
TOKENS = {
    "Anthropic": "sk-ant-api03-[url 93]AA",
    "Artifactory": "AKC[any 70]",
    "AWS access key": "AKIA[base32 16]",
    "Azure storage": "DefaultEndpointsProtocol=https;AccountName=store;AccountKey=[base64 86]==",
    "Databricks": "dapi[hex 32]",
    "DigitalOcean": "dop_v1_[hex 64]",
    "Docker Hub": "dckr_pat_[url 27]",
    "GitHub": "ghp_[any 36]",
    "GitHub fine-grained": "github_pat_[any 22]_[any 59]",
    "GitLab": "glpat-[url 20]",
    "Google API": "AIza[url 35]",
    "Grafana": "glsa_[any 32]_[hex 8]",
    "Hugging Face": "hf_[letter 34]",
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJ[any 60].[url 43]",
    "Mailchimp": "[hex 32]-us[digit 1]",
    "npm": "npm_[any 36]",
    "OpenAI": "sk-[any 20]T3BlbkFJ[any 20]",
    "PyPI": "pypi-AgEIcHlwaS5vcmc[url 120]",
    "SendGrid": "SG.[url 22].[url 43]",
    "Slack": "xoxb-[digit 12]-[digit 12]-[any 24]",
    "Square": "sq0csp-[url 43]",
    "Stripe": "sk_live_[any 24]",
    "Telegram": "[digit 10]:AA[url 33]",
}
# Values that only the name beside them gives away.
NAMED = {
    "API key": ("service_api_key", "[any 32]"),
    "AWS secret key": ("aws_secret_access_key", "[base64 40]"),
    "client secret": ("client_secret", "[hex 40]"),
    "secret key": ("secret_key", "[url 42]q7"),
    "auth token": ("auth_token", "[any 24]"),
    "IBM COS secret": ("cos_hmac_secret_access_key", "[hex 48]"),
    "Twilio": ("twilio_sid", "AC[hex 32]"),
    "password, random": ("db_password", "[any 7][symbol 1][digit 2]"),
    "password, word and number": ("password", "monkey[digit 4][symbol 1]"),
    "password, letters only": ("password", "[letter 9]"),
}
_ASSIGNMENTS = {
    ".py .rb .jl .toml": ('{name} = "{value}"', "{name} = '{value}'", 'config["{name}"] = "{value}"'),
    ".js .ts .mjs .tsx .jsx": ('const {name} = "{value}";', "  {name}: '{value}',"),
    ".java .cs .go .c .cpp .h .rs .kt .swift": ('String {name} = "{value}";', '{name} := "{value}"'),
    ".json": ('  "{name}": "{value}",',),
    ".yaml .yml": ("{name}: {value}", '  {name}: "{value}"'),
    ".ini .cfg .conf .properties .env": ("{name}={value}", "{name} = {value}"),
    ".sh .bash": ('export {NAME}="{value}"', "export {NAME}={value}"),
}
_ELSEWHERE = ("    export {NAME}={value}", '    {name} = "{value}"')
_BARE = ('connect("{value}")', "# {value}", "see {value} for access")

DECOYS = (
    'sha256 = "[hex 64]"',
    'integrity = "sha512-[base64 86]=="',
    'commit = "[hex 40]"',
    "etag: [hex 32]",
    'request_id = "[hex 8]-[hex 4]-[hex 4]-[hex 4]-[hex 12]"',
    "password = os.environ['DB_PASSWORD_[digit 1]']",
    'api_key = "YOUR_API_KEY_[digit 2]"',
    'password = "changeme"',
    "token: ${CI_JOB_TOKEN_[digit 1]}",
    'tokenizer = "Qwen[digit 1]TokenizerFast"',
    'secret_name = "projects/app-[digit 3]/secrets/database"',
    'token_url = "https://auth.example.com/oauth[digit 1]/token"',
    'background: url("data:image/png;base64,[base64 120]");',
    'access_key_field = "first_of_[digit 1]_columns_in_row"',
    "https://host.example.com:80[digit 2]/@scope/package",
    'password_label = "Enter password [digit 1]"',
    "-----BEGIN CERTIFICATE-----[base64 60]-----END CERTIFICATE-----",
    'session_key = "sess:{user}:[digit 3]"',
)


@dataclass(frozen=True)
class Label:
    """Characters ``start`` to ``end`` of a file, what was planted there, and whether it is a secret."""

    start: int
    end: int
    what: str
    is_secret: bool


@dataclass(frozen=True)
class LabelledFile:
    """A file with what was planted in it; everything outside the labels is as it was found."""

    ending: str
    text: str
    labels: tuple[Label, ...]


def draw(template: str, generator: random.Random) -> str:
    """A string of a format; ``[hex 40]`` stands for 40 random hexadecimal digits."""
    return _PIECE.sub(lambda m: "".join(generator.choices(_ALPHABETS[m[1]], k=int(m[2]))), template)


def secret_line(what: str, ending: str, generator: random.Random) -> tuple[str, str]:
    """A line with a secret of one of `kinds()`, as it would stand in a file of that ending, and the secret alone."""
    if what == "private key":
        body = "\n".join(draw("[base64 64]", generator) for _ in range(12))
        return f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----", body
    if what == "password in a URL":
        value = draw("[any 8][digit 2]", generator)
        return f'url = "postgres://app:{value}@db.internal/app"', value
    if what == "bearer token":
        value = draw("[any 40]", generator)
        return f"curl -H 'Authorization: Bearer {value}' https://api.internal/", value
    styles = next((lines for endings, lines in _ASSIGNMENTS.items() if ending in endings.split()), _ELSEWHERE)
    if what in TOKENS:
        name, value = "key", draw(TOKENS[what], generator)
        styles = (*styles, *_BARE)
    else:
        name, value = NAMED[what][0], draw(NAMED[what][1], generator)
    return generator.choice(styles).format(name=name, NAME=name.upper(), value=value), value


def kinds() -> tuple[str, ...]:
    """Everything that can be planted."""
    return (*TOKENS, *NAMED, "private key", "password in a URL", "bearer token")


def plant(files: Iterable[tuple[str, str]], seed: int, secrets: int = 2, decoys: int = 2) -> list[LabelledFile]:
    """Plant secrets and decoys on lines of their own in (ending, text) pairs; kinds come in turn."""
    generator = random.Random(seed)
    planted = []
    turn = 0
    for ending, text in files:
        lines = text.split("\n")
        inserts = []
        for _ in range(secrets):
            what = kinds()[turn % len(kinds())]
            turn += 1
            inserts.append((generator.randint(0, len(lines)), what, *secret_line(what, ending, generator)))
        for _ in range(decoys):
            line = draw(generator.choice(DECOYS), generator)
            inserts.append((generator.randint(0, len(lines)), "decoy", line, line))
        pieces: list[str] = []
        labels = []
        position = done = 0
        for number, what, line, value in sorted(inserts):
            before = "".join(f"{kept}\n" for kept in lines[done:number])
            start = position + len(before) + line.index(value)
            labels.append(Label(start, start + len(value), what, what != "decoy"))
            pieces += [before, line, "\n"]
            position += len(before) + len(line) + 1
            done = number
        pieces.append("\n".join(lines[done:]))
        planted.append(LabelledFile(ending, "".join(pieces), tuple(labels)))
    return planted


# docs: start-score
@dataclass(frozen=True)
class Score:
    """How a detector did: (planted, found) per kind, and what else it reported, decoys and lines of the original."""

    by_kind: dict[str, tuple[int, int]]
    decoys: int
    elsewhere: int

    @property
    def recall(self) -> float:
        """Share of the planted secrets that were found."""
        planted, found = (sum(column) for column in zip(*self.by_kind.values()))
        return found / planted

    @property
    def precision(self) -> float:
        """Share of secrets among what was found; nothing in the original text is taken for a secret."""
        found = sum(found for _, found in self.by_kind.values())
        return found / max(found + self.decoys + self.elsewhere, 1)


def score(files: Sequence[LabelledFile], detect: Callable[[LabelledFile], Collection[int]]) -> Score:
    """Compare the lines (from 1) that a detector reports with the labels. A line counts once."""
    by_kind = dict.fromkeys(kinds(), (0, 0))
    decoys = elsewhere = 0
    for file in files:
        reported = set(detect(file))
        for label in file.labels:
            first = file.text.count("\n", 0, label.start) + 1
            last = file.text.count("\n", 0, label.end) + 1
            # a tool may point at the header or the end of a block of several lines
            lines = set(range(first - 1, last + 2)) if last > first else {first}
            hit = bool(lines & reported)
            reported -= lines
            if label.is_secret:
                planted, found = by_kind[label.what]
                by_kind[label.what] = planted + 1, found + hit
            else:
                decoys += hit
        elsewhere += len(reported)
    return Score({kind: counts for kind, counts in by_kind.items() if counts[0]}, decoys, elsewhere)


# docs: end-score
