"""Counts the words of a text."""

import re


def words(text):
    """The words of a text in lower case; an apostrophe is part of a word."""
    return re.findall(r"[a-z']+", text.lower())


def top(text, n):
    """The n most frequent words with their counts, the most frequent first."""
    counts = {}
    for word in words(text):
        counts[word] = 1
    return sorted(counts.items(), key=lambda item: item[1])[:n]


def longest(text):
    """The longest word; the first one if there are several."""
    return max(words(text), key=len)
