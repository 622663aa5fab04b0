"""Texts that break adapters: keys that look alike, separators of every backend, characters that some cannot hold."""

from __future__ import annotations

import unicodedata

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

BROKEN_TEXTS = ("\x00", "a\x00b", "\ud800", "a\udfffb", "\udc00\ud800")
"""U+0000 and lone surrogates: some backends have none of them and may refuse."""

_FAMILIES: tuple[tuple[str, ...], ...] = (
    ("k", "K"),
    ("straße", "strasse", "STRASSE"),
    ("ı", "i", "I", "İ"),
    ("k", "k ", " k", "k\t", "k\n", "k\u00a0"),
    ("k", "k1", "k11", "k:", "k:1", "k::1"),
    ("a:b", "a", "a%3Ab", "a%253Ab", "a_b", "a-b"),
    (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é"), "e"),
    ("ﬁ", "fi"),
    ("Å", "\u212b", "A\u030a"),
    ("k*", "k?", "k[12]", "k1", "k12", "*"),
    ("k%", "k_", "kx", "k", "%"),
    ("k'", "k''", "k\\'", 'k"', "k`", "k"),
    ("k'; DROP TABLE k; --", "k"),
    ("a.b", "a", "a.b.c", "a..b", ".", ".."),
    ("a/b", "a//b", "a/./b", "a/../b", "b", "/a/b", "a\\b"),
    ("{k}", "k", "{k", "k}", "{k}1", "{k}2"),
    ("k~", "k~0", "k~1", "k/", "k"),
    ("$k", "k", "$", "#k", "k#", "k?x=1", "k&x"),
    ("k[0]", "k", "k[", "k]", "k[0].x"),
    ("__proto__", "constructor", "id", "_id", "_etag", "key", "__name__"),
    ("null", "None", "undefined", "true", "0", "1", "01", "1.0", "-1"),
    ("\u200bk", "k", "k\u200d", "\ufeffk"),
    ("🙂", "🙃", "\U0001f642\ufe0f"),
    ("k\r\n", "k\n", "k\r", "k"),
    ("٣", "3", "³"),
)


def look_alike_families(*, max_bytes: int) -> list[list[str]]:
    """Every family of keys that careless backends confuse, each also from behind."""
    long = "k" * (max_bytes - 1)
    families = (*_FAMILIES, (long + "1", long + "2", long))
    return [list(order) for family in families for order in (family, family[::-1])]


def texts(*, min_size: int = 0, max_size: int = 20) -> SearchStrategy[str]:
    """Any text without U+0000 and lone surrogates."""
    return st.text(
        st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=min_size, max_size=max_size
    )


def look_alikes(*, max_bytes: int) -> SearchStrategy[list[str]]:
    """Two to eight different non-empty keys of at most so many UTF-8 bytes that careless backends confuse."""
    chosen = st.sampled_from(look_alike_families(max_bytes=max_bytes)).flatmap(
        lambda family: st.lists(st.sampled_from(family), min_size=2, max_size=8, unique=True)
    )
    free = st.lists(texts(min_size=1, max_size=12), min_size=2, max_size=6, unique=True)
    return st.one_of(chosen, chosen, free)
