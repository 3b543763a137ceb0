"""The sale: lots one after the other, bids on the one that is called, and a clock that closes it.

No network in here. Everything that happens gets the next number, so that whoever listens knows what comes first and
whether something is missing. `app.py` tells it to people.
"""

import os

SECONDS = int(os.environ.get("SECONDS", "60"))
# A bid in the last moments gives the others the time to answer it.
EXTENSION = 10


class Refused(Exception):
    """A bid that does not count; the text is for the bidder."""


class Lot:
    def __init__(self, name, price, step):
        self.name, self.start, self.step = name, price, step
        self.bids = []

    @property
    def least(self):
        """What the next bid must be at least."""
        return self.bids[-1]["amount"] + self.step if self.bids else self.start

    def to_json(self):
        last = self.bids[-1] if self.bids else None
        return {"name": self.name, "least": self.least, "bids": len(self.bids), "highest": last}


class Sale:
    def __init__(self):
        self.lots = [Lot("clock", 100, 10), Lot("globe", 50, 5), Lot("kite", 5, 1)]
        self.called = 0
        self.left = SECONDS
        self.number = 0

    @property
    def lot(self):
        return self.lots[self.called]

    def bid(self, by, name, amount):
        """The bid as everybody is told of it."""
        if name != self.lot.name:
            raise Refused(f"The {name} is not being sold now")
        if type(amount) is not int:
            raise Refused("A bid is a whole number")
        if amount < self.lot.least:
            raise Refused(f"Too low: {amount}, at least {self.lot.least}")
        self.left = max(self.left, min(EXTENSION, SECONDS))
        bid = self.numbered({"lot": name, "by": by, "amount": amount})
        self.lot.bids.append(bid)
        return {**bid, "least": self.lot.least}

    def tick(self):
        """What to tell after a second: event and value. The last lot is followed by the first, unsold."""
        self.left -= 1
        yield "tick", self.numbered({"lot": self.lot.name, "left": self.left})
        if self.left > 0:
            return
        last = self.lot.bids[-1] if self.lot.bids else {"by": None, "amount": None}
        yield "sold", self.numbered({"lot": self.lot.name, "by": last["by"], "amount": last["amount"]})
        self.called = (self.called + 1) % len(self.lots)
        self.lots[self.called].bids = []
        self.left = SECONDS
        yield "called", self.numbered({"lot": self.lot.name, "least": self.lot.least, "left": self.left})

    def to_json(self):
        """Where the sale is, for somebody who comes in; what follows has higher numbers."""
        return {"number": self.number, "left": self.left, **self.lot.to_json()}

    def numbered(self, news):
        self.number += 1
        return {"number": self.number, **news}
