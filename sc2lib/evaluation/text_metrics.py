"""How near a text is to its reference: exact match and two edit similarities, each by its own name.

Three incompatible "edit similarities" are in use. RepoBench and CrossCodeEval take the Indel form (insertions and
deletions only), RepoEval the Levenshtein form; "kitten" and "sitting" score 0.615 by the first and 0.571 by the
second. Distances are computed with bit vectors in Python integers: one step a character, not one a pair.
"""


def exact_match(text: str, reference: str) -> bool:
    """Equal after white space at both ends is removed (the paper's line exact match, section 7.8)."""
    return text.strip() == reference.strip()


def indel_similarity(text: str, reference: str) -> float:
    """2 L / (len(text) + len(reference)) with L the longest common subsequence; 1 for two empty texts."""
    total = len(text) + len(reference)
    return 2 * common_subsequence(text, reference) / total if total else 1.0


def levenshtein_similarity(text: str, reference: str) -> float:
    """1 - Levenshtein distance / length of the longer; 1 for two empty texts."""
    longest = max(len(text), len(reference))
    return 1 - levenshtein_distance(text, reference) / longest if longest else 1.0


# docs: start-lcs
def common_subsequence(a: str, b: str) -> int:
    """Length of the longest common subsequence (Hyyrö 2004): zeros in a bit vector over `a`."""
    positions = _positions(a)
    full = (1 << len(a)) - 1
    state = full
    for character in b:
        matched = state & positions.get(character, 0)
        state = ((state + matched) | (state - matched)) & full
    return len(a) - state.bit_count()
    # docs: end-lcs


def levenshtein_distance(a: str, b: str) -> int:
    """Fewest insertions, deletions and substitutions that turn `a` into `b` (Myers 1999, Hyyrö 2003)."""
    if not a:
        return len(b)
    positions, full, last = _positions(a), (1 << len(a)) - 1, 1 << (len(a) - 1)
    positive, negative, distance = full, 0, len(a)
    for character in b:
        matched = positions.get(character, 0)
        diagonal = ((((matched & positive) + positive) ^ positive) | matched | negative) & full
        rise = negative | (full & ~(diagonal | positive))
        fall = positive & diagonal
        distance += bool(rise & last) - bool(fall & last)
        rise = (rise << 1 | 1) & full
        fall = (fall << 1) & full
        positive = fall | (full & ~(diagonal | rise))
        negative = rise & diagonal
    return distance


def _positions(text: str) -> dict[str, int]:
    positions: dict[str, int] = {}
    for index, character in enumerate(text):
        positions[character] = positions.get(character, 0) | 1 << index
    return positions
