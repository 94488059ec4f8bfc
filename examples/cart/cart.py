"""A shopping cart."""


class Cart:
    """What somebody wants to buy: names, prices and counts."""

    def __init__(self):
        self.items = {}

    def add(self, name, price, count=1):
        self.items[name] = (price, count)

    def remove(self, name):
        del self.items[name]

    def total(self):
        return sum(price for price, count in self.items.values())
