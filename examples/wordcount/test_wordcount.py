import unittest

from wordcount import longest, top, words


class WordsTest(unittest.TestCase):
    def test_words_are_lower_case(self):
        self.assertEqual(words("It's a Test"), ["it's", "a", "test"])

    def test_longest(self):
        self.assertEqual(longest("a bee sees a cat"), "sees")


class TopTest(unittest.TestCase):
    def test_counts_every_occurrence(self):
        self.assertEqual(top("b a b", 1), [("b", 2)])

    def test_most_frequent_comes_first(self):
        self.assertEqual(top("a b b c c c", 3), [("c", 3), ("b", 2), ("a", 1)])

    def test_only_n_words_come_back(self):
        self.assertEqual(len(top("a b c d", 2)), 2)


if __name__ == "__main__":
    unittest.main()
