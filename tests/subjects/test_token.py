"""Replay tokens: exact, bounded, and data only."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib

import pytest
import torch

import genverify as gv
from genverify.subjects.case import Case
from genverify.subjects.token import Token

TOKEN = Token(check="kind.property", case=Case(values={"x": torch.tensor([0.1, -0.0])}, seed=3), alpha=1e-7, seed=9,
              budget="quick")  # fmt: skip


def forged(payload: bytes) -> str:
    """A token with a right checksum around any bytes."""
    packed = zlib.compress(payload)
    return f"gv1.{hashlib.sha256(packed).hexdigest()[:8]}.{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def test_a_token_says_everything_exactly():
    found = Token.read(TOKEN.write())
    assert torch.equal(found.case["x"], TOKEN.case["x"])
    assert torch.signbit(found.case["x"]).tolist() == [False, True]
    assert (found.check, found.alpha, found.seed, found.budget, found.case.seed) == (
        "kind.property",
        1e-7,
        9,
        "quick",
        3,
    )


def test_the_same_case_is_the_same_text_in_one_word():
    text = TOKEN.write()
    assert text == TOKEN.write()
    assert len(text.split()) == 1
    assert Token.read(f"  {text}\n").check == "kind.property"


def test_every_changed_letter_is_noticed():
    text = TOKEN.write()
    for place in range(0, len(text), 7):
        letter = "A" if text[place] != "A" else "B"
        with pytest.raises(gv.UsageError):
            Token.read(text[:place] + letter + text[place + 1 :])


def test_every_cut_is_noticed():
    text = TOKEN.write()
    for length in range(0, len(text), 5):
        with pytest.raises(gv.UsageError):
            Token.read(text[:length])


def test_a_token_of_the_future_is_refused():
    with pytest.raises(gv.UsageError, match=r"gv2.*does not begin with 'gv1'"):
        Token.read("gv2" + TOKEN.write()[3:])


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"not json", b"[]", b"{}", json.dumps({"check": "c"}).encode(), b"\xff\xfe",
        json.dumps({"check": "c", "case": {"seed": 0, "values": {}}, "alpha": "x", "seed": 0, "budget": "q"}).encode(),
        json.dumps({"check": "c", "case": [], "alpha": "0x1p0", "seed": 0, "budget": "q"}).encode(),
        b"cos\nsystem\n(S'true'\ntR.",  # a pickle
    ],
    ids=range(9),
)  # fmt: skip
def test_a_forged_token_is_refused_in_words(payload):
    with pytest.raises(gv.UsageError, match="expected"):
        Token.read(forged(payload))


def test_a_token_that_unpacks_to_too_much_is_refused_before_it_fills_the_memory():
    with pytest.raises(gv.UsageError, match="too much"):
        Token.read(forged(b" " * (65 * 1024 * 1024)))
