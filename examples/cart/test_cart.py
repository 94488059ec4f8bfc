import unittest

from cart import Cart


class CartTest(unittest.TestCase):
    def setUp(self):
        self.cart = Cart()

    def test_total_counts_each_item(self):
        self.cart.add("apple", 2, 3)
        self.assertEqual(self.cart.total(), 6)

    def test_adding_twice_adds_up(self):
        self.cart.add("apple", 2)
        self.cart.add("apple", 2)
        self.assertEqual(self.cart.total(), 4)

    def test_removing_what_is_not_there_does_nothing(self):
        self.cart.remove("pear")
        self.assertEqual(self.cart.total(), 0)


if __name__ == "__main__":
    unittest.main()
