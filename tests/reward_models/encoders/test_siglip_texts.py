"""Texts are written as SigLIP and SigLIP 2 were trained to read them: real tokenizers of both kinds, tiny."""

from __future__ import annotations

import io
import json
import string

import pytest
import torch
from transformers import GemmaTokenizer, Siglip2Tokenizer, SiglipTokenizer

from reward_models.encoders.siglip import SiglipEncoder
from tests.reward_models.worlds import save_siglip

LETTERS = ["\N{LOWER ONE EIGHTH BLOCK}", *string.ascii_letters, *string.digits, *".,!"]
VOCABULARY = {t: i for i, t in enumerate(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *LETTERS])}


def save_siglip2(folder, kind=GemmaTokenizer, **config):
    """A SiglipModel with Gemma's tokenizer, as SigLIP 2 of fixed resolution is on the hub."""
    save_siglip(folder)
    for path in folder.glob("token*"):
        path.unlink()
    kind(vocab=VOCABULARY, merges=[], add_bos_token=False, add_eos_token=True, padding_side="right").save_pretrained(
        folder
    )
    if config:
        path = folder / "tokenizer_config.json"
        told = json.loads(path.read_text(encoding="utf-8")) | config
        path.write_text(json.dumps(told), encoding="utf-8")
    return folder


def save_siglip1(folder):
    """A SiglipModel with SigLIP's tokenizer, whose model of pieces is trained here on a few lines."""
    spm = pytest.importorskip("sentencepiece")
    save_siglip(folder)
    for path in folder.glob("token*"):
        path.unlink()
    lines, model = ["a fox in the snow", "a castle at night", "a lighthouse by the sea"] * 20, io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=40,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(model.getvalue())
    SiglipTokenizer(str(folder / "spiece.model")).save_pretrained(folder)
    return folder


def read(encoder, text, monkeypatch):
    """The tokens that the model is given for a text."""
    given = []
    real = encoder.model.get_text_features
    with monkeypatch.context() as patch:
        patch.setattr(encoder.model, "get_text_features", lambda input_ids: given.append(input_ids) or real(input_ids))
        encoder.texts([text])
    return given[0][0].tolist()


@pytest.mark.parametrize("named", ["GemmaTokenizer", "GemmaTokenizerFast"])
def test_a_siglip_2_reads_lower_case_and_as_many_tokens_as_it_was_trained_on(named, tmp_path, monkeypatch):
    encoder = SiglipEncoder(save_siglip2(tmp_path, tokenizer_class=named))
    assert type(encoder.tokenizer) is GemmaTokenizer
    assert encoder.tokenizer("A Fox").input_ids != encoder.tokenizer("a fox").input_ids  # it keeps capitals
    assert torch.equal(encoder.texts(["A Fox"]), encoder.texts(["a fox"]))
    end, pad = VOCABULARY["<eos>"], VOCABULARY["<pad>"]
    tokens = read(encoder, "A Fox", monkeypatch)
    expected = [VOCABULARY[c] for c in "a\N{LOWER ONE EIGHTH BLOCK}fox"]
    assert tokens == [*expected, end] + [pad] * (32 - len(expected) - 1)
    cut = read(encoder, "a fox " * 20, monkeypatch)
    assert len(cut) == 32
    assert cut[-1] == end
    assert encoder.count_tokens("A Fox") == len(expected) + 1


def test_padding_is_on_the_right_also_where_a_checkpoint_says_nothing_of_it(tmp_path, monkeypatch):
    """Gemma's tokenizer pads on the left of itself; SigLIP reads the last position."""
    folder = save_siglip2(tmp_path)
    path = folder / "tokenizer_config.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    del told["padding_side"]
    path.write_text(json.dumps(told), encoding="utf-8")
    encoder = SiglipEncoder(folder)
    assert encoder.tokenizer.padding_side == "left"
    assert read(encoder, "fox", monkeypatch)[0] == VOCABULARY["f"]


def test_lower_case_is_part_of_the_fingerprint_where_the_encoder_sees_to_it(tmp_path):
    """A reward that was made with capitals does not load unnoticed; nothing changes for other tokenizers."""
    two = SiglipEncoder(save_siglip2(tmp_path / "two"))
    own = SiglipEncoder(save_siglip(tmp_path / "own"))
    assert two.files[0].read_bytes() == own.files[0].read_bytes()
    assert two.fingerprint() != own.fingerprint()
    assert not torch.equal(own.texts(["A Fox"]), own.texts(["a fox"]))


def test_tokenizers_that_take_capitals_out_themselves_are_left_to_it(tmp_path):
    two = SiglipEncoder(save_siglip2(tmp_path / "two", Siglip2Tokenizer))
    assert type(two.tokenizer) is Siglip2Tokenizer
    assert not two.in_lower_case
    assert torch.equal(two.texts(["A Fox"]), two.texts(["a fox"]))


def test_siglips_own_tokenizer_writes_texts_itself(tmp_path, monkeypatch):
    encoder = SiglipEncoder(save_siglip1(tmp_path))
    assert type(encoder.tokenizer) is SiglipTokenizer
    assert not encoder.in_lower_case
    assert torch.equal(encoder.texts(["A Fox!"]), encoder.texts(["a fox"]))
    assert len(read(encoder, "A Fox!", monkeypatch)) == 32


def test_a_tokenizer_that_needs_another_package_is_said_in_one_line(tmp_path, monkeypatch):
    from transformers import AutoTokenizer

    from reward_models.base import RewardError

    def lacks(*args, **kwargs):
        raise ImportError("\nSiglipTokenizer requires the SentencePiece library but it was not found.\n")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lacks)
    with pytest.raises(RewardError, match=r"cannot load the SigLIP .*: SiglipTokenizer requires the SentencePiece"):
        SiglipEncoder(save_siglip(tmp_path))
