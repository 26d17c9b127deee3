import shutil
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from sc2lib.curation.redaction.names import NameModel, Tagged, load, redactable, tag_words, windows
from sc2lib.curation.redaction.replacement import redact_shard
from sc2lib.errors import InputError
from sc2lib.tables import CONTENTS, FILES

LABELS = ["O", "B-NAME", "I-NAME", "B-KEY", "I-KEY", "B-USERNAME"]
TEXT = "# Größe by Ada Lovelace <ada@host.org>, 漢字 and\tGrace Hopper wrote it in 1952: key = aB3xK9\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model as `transformers` stores one: weights at random, a WordPiece tokenizer trained here, 32 positions."""
    from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator([TEXT] * 3, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=fast.vocab_size,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
    )
    path = tmp_path_factory.mktemp("tagger")
    BertForTokenClassification(config).save_pretrained(path)
    fast.save_pretrained(path)
    return path


@given(st.integers(0, 3000), st.integers(2, 600), st.data())
def test_windows_cover_every_token_and_overlap(length, window, data):
    overlap = data.draw(st.integers(0, window // 2))
    places = windows(length, window, overlap)
    covered = [position for start, end in places for position in range(start, end)]
    assert set(covered) == set(range(length))
    assert all(0 < end - start <= window for start, end in places)
    assert all(a_end - b_start == overlap for (_, a_end), (b_start, _) in pairwise(places))


class Recorder(NameModel):
    """Predicts for a token its own id, so that what comes out shows which token was judged."""

    def _predict(self, cut):
        self.seen = [*getattr(self, "seen", []), *cut]
        return [np.array([[token] * len(self.labels) for token in window], np.float32) for window in cut]


@pytest.mark.parametrize("repeat", [1, 2, 3, 7, 40])
def test_every_token_is_judged_once_in_its_place_the_tail_too(folder, repeat):
    model = Recorder(folder, window=32, overlap=9)
    tokens = model.tokenizer(TEXT * repeat, add_special_tokens=False)["input_ids"]
    assert model._judge(tokens)[:, 0].tolist() == tokens
    assert max(map(len, model.seen)) <= 30  # with two special tokens the 32 positions are full


def test_a_name_at_any_place_of_a_long_text_is_seen_once_with_starpiis_window(folder, tmp_path):
    from transformers import BertConfig, BertForTokenClassification

    model = NameModel(folder)
    (name,), (other,) = (model.tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("ada", "by"))
    config = BertConfig(**model.model.config.to_dict() | {"max_position_embeddings": 512, "num_hidden_layers": 0})
    torch.manual_seed(1)
    wide = BertForTokenClassification(config).eval()  # without attention, so that a word alone decides its label
    with torch.inference_mode():
        wide.bert.embeddings.position_embeddings.weight.zero_()
        seen = wide.bert.embeddings(torch.tensor([[name, other]]))[0]
        wide.classifier.weight.zero_()
        wide.classifier.bias.copy_(torch.eye(len(LABELS))[0])
        wide.classifier.weight[1] = seen[0] - seen[1]
    wide.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    model = NameModel(tmp_path)
    assert model.window == 510  # and two special tokens
    length = 1300  # words of one token: four windows, the last one short
    for first in range(5):
        words = ["ada" if k % 5 == first else "by" for k in range(length)]
        starts = [sum(len(word) + 1 for word in words[:k]) for k in range(first, length, 5)]
        assert [(place.start, place.end) for place in model(" ".join(words))] == [(k, k + 3) for k in starts]


def test_a_long_text_is_read_as_its_windows_are_read_alone(folder):
    model = NameModel(folder, window=32, overlap=8)
    tokens = model.tokenizer(TEXT * 6, add_special_tokens=False)["input_ids"]
    logits = model._judge(tokens)
    assert len(tokens) > 150
    start, end = windows(len(tokens), model.window, model.overlap)[2]
    ids = torch.tensor([[2, *tokens[start:end], 3]])  # alone, without padding, by the model itself
    with torch.inference_mode():
        alone = model.model(input_ids=ids).logits[0, 1:-1].numpy()
    assert logits[start + 4 : end - 4] == pytest.approx(alone[4:-4], abs=1e-5)
    assert logits[-1] == pytest.approx(model._predict([tokens[windows(len(tokens), 30, 8)[-1][0] :]])[0][-1], abs=1e-5)


def test_places_are_exact_characters(folder):
    model = NameModel(folder)
    model.labels = ["B-NAME"] * len(LABELS)  # so everything is tagged, each word alone
    words = "# Größe by Ada Lovelace < ada @ host.org > , 漢字 and Grace Hopper wrote it in 1952 : key = aB3xK9"
    assert " ".join(TEXT[place.start : place.end] for place in model(TEXT)) == words
    assert " ".join((TEXT * 20)[place.start : place.end] for place in model(TEXT * 20)) == " ".join([words] * 20)
    assert model("") == model(" \n") == []


def test_words_are_tagged_whole_and_runs_joined():
    text = "by Ada Lovelace, Alan Turing"
    offsets = [(0, 2), (2, 6), (6, 11), (11, 15), (15, 16), (17, 21), (22, 25), (25, 28)]
    #          by      Ada     Love     lace      ,         Alan      Tur       ing
    wanted = ["O", "B-NAME", "I-NAME", "O", "O", "B-NAME", "I-NAME", "I-NAME"]
    logits = np.array([[2.0 * (label == want) for label in LABELS] for want in wanted])
    logits[3] = [1, 0, 0, 0, 0, 0]  # the second half of a word is a little surer of O than needed
    found = tag_words(text, offsets, logits, LABELS)
    assert [text[place.start : place.end] for place in found] == ["Ada Lovelace", "Alan Turing"]


@pytest.mark.parametrize(
    ("text", "kind", "left"),
    [
        ("(Ada Lovelace),", "NAME", "Ada Lovelace"),
        ("Ada", "NAME", None),
        ("'xQ7kPz93bNvT'", "KEY", "xQ7kPz93bNvT'"),
        ("configuration", "KEY", None),
        ("xQ7kPz9", "KEY", None),
        ("185.60.216.35", "IP_ADDRESS", "185.60.216.35"),
        ("8.8.8.8", "IP_ADDRESS", None),
        ("adalove", "USERNAME", None),
        ("pw1", "PASSWORD", None),
        ("me@host.org.", "EMAIL", "me@host.org"),
    ],
)
def test_the_conditions_of_the_papers_code(text, kind, left):
    spans = list(redactable(f"x {text} y", [Tagged(2, 2 + len(text), kind)]))
    assert [f"x {text} y"[span.start : span.end] for span in spans] == ([left] if left else [])


def test_a_shard_is_redacted_with_a_model(folder, monkeypatch):
    model = load(str(folder))
    monkeypatch.setattr(model, "labels", ["B-NAME", *["I-NAME"] * 5])
    monkeypatch.setattr(model, "_judge", lambda tokens: np.eye(6)[[1] * len(tokens)])
    contents = pa.table({"blob_id": ["a"], "content": ["Ada Lovelace"]}, schema=CONTENTS)
    files = pa.Table.from_pylist([dict.fromkeys(FILES.names) | {"blob_id": "a"}], schema=FILES)
    clean, spans = redact_shard(contents, files, seed=0, ner_model=str(folder))
    assert clean["content"].to_pylist() == ["<NAME>"]
    assert spans["rule"].to_pylist() == ["tagger"]
    assert redact_shard(contents, files, seed=0)[0]["content"].to_pylist() == ["Ada Lovelace"]


def test_what_is_no_model_is_named(tmp_path, folder):
    with pytest.raises(InputError, match="is no folder"):
        NameModel(tmp_path / "none")
    with pytest.raises(InputError, match="cannot be loaded"):
        NameModel(tmp_path)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_model_that_was_cut_short_on_its_way_is_named(tmp_path, folder, file):
    cut = shutil.copytree(folder, tmp_path / "cut")
    (cut / file).write_bytes((cut / file).read_bytes()[:-60])
    with pytest.raises(InputError, match=r"ner_model=.*cut cannot be loaded .*; download it again$"):
        NameModel(cut)
